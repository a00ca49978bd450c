"""Background work: `celery -A recomengine worker`, `celery -A recomengine beat`."""

import os
from datetime import timedelta

from celery import Celery
from kombu import Exchange, Queue


def queue(name: str) -> Queue:
    return Queue(name, Exchange("celery"), routing_key=name)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
app = Celery("recomengine")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # Trainings have a queue of their own, so that workers can be set aside for them; a worker that is not told
    # otherwise takes from both.
    task_queues=[queue("celery"), queue("training")],
    task_default_queue="celery",
    task_routes={"recommendations.train": {"queue": "training"}},
)
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "train-tenants-that-are-due": {"task": "recommendations.train_due", "schedule": timedelta(minutes=1)},
    "keep-usage": {"task": "tenants.keep_usage", "schedule": timedelta(minutes=5)},
    "forget-expired-tokens": {"task": "tenants.forget_expired", "schedule": timedelta(days=1)},
    "restore-published-models": {"task": "recommendations.restore_missing", "schedule": timedelta(minutes=1)},
    "check-data-quality": {"task": "analytics.check_quality", "schedule": timedelta(hours=1)},
    "rebuild-stale-search": {"task": "catalog.rebuild_stale_search", "schedule": timedelta(minutes=10)},
    "tend-imports": {"task": "catalog.tend_imports", "schedule": timedelta(minutes=1)},
    "tidy-imports": {"task": "catalog.tidy_imports", "schedule": timedelta(hours=1)},
    "tend-event-imports": {"task": "events.tend_imports", "schedule": timedelta(minutes=1)},
    "tidy-event-imports": {"task": "events.tidy_imports", "schedule": timedelta(hours=1)},
    "keep-event-tallies": {"task": "events.keep_tallies", "schedule": timedelta(minutes=1)},
    "make-event-partitions": {"task": "events.make_partitions", "schedule": timedelta(days=1)},
    "enforce-event-retention": {"task": "events.enforce_retention", "schedule": timedelta(days=1)},
    "make-slate-partitions": {"task": "recommendations.make_partitions", "schedule": timedelta(days=1)},
    "enforce-slate-retention": {"task": "recommendations.enforce_retention", "schedule": timedelta(days=1)},
    "tend-erasures": {"task": "events.tend_erasures", "schedule": timedelta(minutes=10)},
    "repair-projections": {"task": "events.repair", "schedule": timedelta(minutes=1)},
}
