"""Sending email after what it tells of was done, so that a mail server that is away undoes nothing."""

from collections.abc import Callable

import structlog
from django.db import transaction

log = structlog.get_logger(__name__)


def deliver(send: Callable[[], object], failed: Callable[[], None] = lambda: None) -> None:
    """Send after the commit; a mail server that fails is logged, and `failed` tells the person if there is one."""

    def now() -> None:
        try:
            send()
        except OSError as error:  # smtplib's errors are among them
            log.error("email not sent", error=f"{type(error).__name__}: {error}")
            failed()

    transaction.on_commit(now)
