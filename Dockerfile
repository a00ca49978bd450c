# One image, several commands: api, dashboard, worker, beat (see docker-compose.yml).
FROM python:3.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/recomengine
COPY requirements/base.txt requirements/base.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/base.txt
COPY . .
# Collecting needs production's settings but no servers; these values never reach a running container.
RUN RECOMENGINE_ENV=production RECOMENGINE_ALLOWED_HOSTS=build DATABASE_URL=postgresql:///build REDIS_URL=redis://build \
    DJANGO_SECRET_KEY=only-for-the-build-of-the-image-0123456789-abcdefghijk RECOMENGINE_API_KEY_PEPPER=only-for-the-build-of-the-image-0123456789-abcdefghijk \
    python manage.py collectstatic --noinput \
    && useradd --system --home /srv/recomengine recomengine \
    && install -d -o recomengine /var/lib/recomengine
USER recomengine
EXPOSE 5009 3109
