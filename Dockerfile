# One image, several commands: api, dashboard, worker, beat (see docker-compose.yml).
FROM python:3.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/recomengine
COPY requirements/base.txt requirements/base.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/base.txt
COPY . .
# collectstatic needs settings but no servers; the values here never reach a running container.
RUN DJANGO_SETTINGS_MODULE=recomengine.settings python manage.py collectstatic --noinput \
    && useradd --system --home /srv/recomengine recomengine \
    && install -d -o recomengine /var/lib/recomengine
USER recomengine
EXPOSE 5009 3109
