"""Background work: `celery -A recomengine worker`, `celery -A recomengine beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
app = Celery("recomengine")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
