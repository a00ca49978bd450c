"""What the scheduler does for tenants and people."""

from celery import shared_task
from django.core.management import call_command

from tenants import quotas
from tenants.models import Tenant


@shared_task(name="tenants.keep_usage")
def keep_usage() -> None:
    """Keep in PostgreSQL what Redis counted, and warn owners whose events run out."""
    for tenant in Tenant.objects.existing():
        quotas.keep_former(tenant)
        quotas.keep(tenant)


@shared_task(name="tenants.forget_expired")
def forget_expired() -> None:
    """Delete tokens and sessions that nobody can use any more."""
    call_command("flushexpiredtokens", verbosity=0)
    call_command("clearsessions", verbosity=0)
