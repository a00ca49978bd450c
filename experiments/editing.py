"""Experiments as merchants keep them: made, changed, started, paused, removed; what runs is live within a second.

What a variant's configuration means is known to whoever serves it; `start` is handed the check that they ask for.
Changes are published before they are committed, so that while Redis is away none is made.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction

from experiments import running
from experiments.models import Experiment
from experiments.types import ExperimentConfig, experiments_key
from recomengine.lib.api import field_errors
from recomengine.lib.errors import DomainError, FieldError
from recomengine.lib.postgres import lock_until_commit, one, save_unless_taken
from tenants import audit, directory, tenancy
from tenants.types import Actor, TenantRef

MIN_VARIANTS: Final = 2
MAX_VARIANTS: Final = 10
MAX_EXPERIMENTS: Final = 1_000
MAX_CONFIGURATION: Final = 20_000  # bytes of JSON: every serving process keeps it in memory
TOLERANCE: Final = 1e-5  # of the weights' sum: shares of five decimals pass, and no bucket of 0.0001 falls out
TOLD: Final = ("key", "name", "placement", "status", "phase", "coverage", "variants")
Status = Experiment.Status
Check = Callable[[TenantRef, ExperimentConfig], None]
"""Refuses, by a DomainError, an experiment that cannot be served. Runs in the transaction of the start."""


class VariantIn(msgspec.Struct, forbid_unknown_fields=True):
    """A variant as it is sent; the first is the control."""

    key: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*\Z", max_length=64)]
    weight: Annotated[float, msgspec.Meta(ge=0, le=1)]
    configuration: dict[str, Any] = {}


Variants = Annotated[list[VariantIn], msgspec.Meta(min_length=MIN_VARIANTS, max_length=MAX_VARIANTS)]


def get(tenant: TenantRef, key: str) -> Experiment:
    """The experiment of that key; `not_found` if there is none."""
    with tenancy.use(tenant):
        return one(Experiment.objects.all(), "experiment", key=key)


def create(tenant: TenantRef, fields: Mapping[str, Any], *, by: Actor) -> Experiment:
    """Add an experiment as a draft. Raises `invalid`, and `conflict` for a taken key or too many of them.

    `fields`: `key`, `name`, `placement`, `variants` and perhaps `coverage`.
    """
    row = Experiment(**{**fields, "variants": _checked(fields["variants"])})
    with transaction.atomic():
        row.phase = _phases_before(tenant, row.key)
        with tenancy.use(tenant):
            lock_until_commit(experiments_key(tenant.slug))
            _check(row)
            if Experiment.objects.count() >= MAX_EXPERIMENTS:
                raise DomainError("conflict", f"There are {MAX_EXPERIMENTS} experiments already; remove one first.")
            save_unless_taken(row, "an experiment", force_insert=True)
        audit.record_of(tenant, by, "experiment.created", row.key, after=_told(row))
    return row


def edit(tenant: TenantRef, key: str, changes: Mapping[str, Any], *, by: Actor) -> Experiment:
    """Change `name`, `placement`, `coverage` or `variants`.

    Of a running one only the coverage may rise (`conflict`). What would move visitors of a paused one ends its phase:
    it is a draft again, and its next start draws them anew.
    """
    with transaction.atomic():
        with tenancy.use(tenant):
            row = _locked(tenant, key)
            before = _told(row)
            for name, value in changes.items():
                setattr(row, name, _checked(value) if name == "variants" else value)
            _check(row)
            _keep_visitors(row, before)
            row.save()
        old, new = audit.changed(before, _told(row))
        if new:
            audit.record_of(tenant, by, "experiment.edited", row.key, before=old, after=new)
        running.publish(tenant)
    return row


def start(tenant: TenantRef, key: str, check: Check, *, by: Actor) -> Experiment:
    """Divide the placement's visitors: in a new phase, or for a paused one in the phase that it was in.

    Raises what `check` raises, and `conflict` for one that runs, or whose placement has another running.
    """
    with transaction.atomic():
        with tenancy.use(tenant):
            row = _locked(tenant, key)
            if row.status == Status.RUNNING:
                raise DomainError("conflict", f"The experiment {key!r} is running already.")
            check(tenant, row.config)
            _check_alone(row)
            before = _told(row)
            row.phase += row.status == Status.DRAFT
            row.status = Status.RUNNING
            row.save()
        action = "experiment.started" if row.phase > before["phase"] else "experiment.resumed"
        old, new = audit.changed(before, _told(row))
        audit.record_of(tenant, by, action, row.key, before=old, after=new)
        running.publish(tenant)
    return row


def pause(tenant: TenantRef, key: str, *, by: Actor) -> Experiment:
    """Serve everybody the placement itself until the experiment goes on; `conflict` for one that does not run."""
    with transaction.atomic():
        with tenancy.use(tenant):
            row = _locked(tenant, key)
            if row.status != Status.RUNNING:
                raise DomainError("conflict", f"The experiment {key!r} is not running.")
            row.status = Status.PAUSED
            row.save()
        audit.record_of(
            tenant, by, "experiment.paused", row.key, before={"status": Status.RUNNING}, after={"status": Status.PAUSED}
        )
        running.publish(tenant)
    return row


def remove(tenant: TenantRef, key: str, *, by: Actor) -> None:
    """Remove an experiment that does not run; `conflict` for one that does."""
    with transaction.atomic():
        with tenancy.use(tenant):
            row = _locked(tenant, key)
            if row.status == Status.RUNNING:
                raise DomainError("conflict", f"The experiment {key!r} is running; pause it first.")
            row.delete()
        audit.record_of(tenant, by, "experiment.deleted", row.key, before=_told(row))


def _locked(tenant: TenantRef, key: str) -> Experiment:
    """The experiment, with all of the tenant's experiments held until the transaction ends."""
    lock_until_commit(experiments_key(tenant.slug))
    return one(Experiment.objects.all(), "experiment", key=key)


def _told(row: Experiment) -> dict[str, Any]:
    return audit.values(row, TOLD)


def _keep_visitors(row: Experiment, before: Mapping[str, Any]) -> None:
    """Refuse to move visitors under way, or begin anew where nobody is."""
    changed = {name for name in TOLD if getattr(row, name) != before[name]}
    raised = row.coverage >= before["coverage"]
    if before["status"] == Status.RUNNING and not (changed <= {"coverage"} and raised):
        raise DomainError("conflict", "While an experiment runs only its coverage may rise. Pause it to change it.")
    if before["status"] == Status.PAUSED and not (changed <= {"coverage", "name"} and raised):
        row.status = Status.DRAFT


def _check_alone(row: Experiment) -> None:
    other = Experiment.objects.filter(placement=row.placement, status=Status.RUNNING).exclude(pk=row.pk).first()
    if other is not None:
        raise DomainError(
            "conflict", f"The experiment {other.key!r} is running on the placement {row.placement!r}; pause it first."
        )


def _check(row: Experiment) -> None:
    try:
        row.full_clean(validate_unique=False, validate_constraints=False, exclude=["variants"])
    except ValidationError as error:
        raise DomainError("invalid", errors=field_errors(error.message_dict)) from error


def _checked(variants: Sequence[VariantIn]) -> list[dict[str, Any]]:
    """The variants as they are stored."""
    keys = [variant.key for variant in variants]
    for place, variant in enumerate(variants):
        if variant.key in keys[:place]:
            raise _wrong(f"/variants/{place}/key", f"There is a variant {variant.key!r} already.")
        _check_configuration(variant.configuration, f"/variants/{place}/configuration")
    total = sum(variant.weight for variant in variants)
    if abs(total - 1) > TOLERANCE:
        raise _wrong("/variants", f"The weights sum to {total:g}; they are shares that sum to 1.")
    return [msgspec.to_builtins(variant) for variant in variants]


def _check_configuration(configuration: Mapping[str, Any], pointer: str) -> None:
    """Refuse what PostgreSQL or MessagePack cannot hold, and what is too long."""
    try:
        msgspec.msgpack.encode(configuration)
    except (OverflowError, RecursionError) as error:
        raise _wrong(pointer, "A number in it is too large, or its levels are too many.") from error
    text = msgspec.json.encode(configuration).decode()
    if "\\u0000" in text.replace("\\\\", ""):
        raise _wrong(pointer, "A text in it holds a NUL character.")
    if len(text) > MAX_CONFIGURATION:
        raise _wrong(pointer, f"It has at most {MAX_CONFIGURATION:,} bytes as JSON.")


def _wrong(pointer: str, message: str) -> DomainError:
    error: FieldError = {"pointer": pointer, "code": "invalid", "message": message}
    return DomainError("invalid", errors=[error])


def _phases_before(tenant: TenantRef, key: str) -> int:
    """How often an experiment of that key, removed since, was started: no seed is ever drawn from twice."""
    entries = audit.entries(directory.get_model(tenant.slug), action="experiment.deleted").filter(object_id=key)
    last = entries.first()
    return int(last.before["phase"]) if last is not None and last.before else 0
