"""Placements as merchants keep them: made, changed, removed and taken back; every change is live within a second.

What a placement was before stands in the audit log, from which its former versions are read. Changes are published
before they are committed, so that while Redis is away none is made.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction

from experiments import running
from experiments.types import ExperimentConfig, VariantConfig
from recomengine.lib.api import field_errors
from recomengine.lib.errors import DomainError, FieldError
from recomengine.lib.postgres import lock_until_commit, one, save_unless_taken
from recommendations import placements
from recommendations.models import Placement, Rule
from recommendations.serving import prepared
from recommendations.types import PlacementConfig
from tenants import audit, directory, tenancy
from tenants.models import AuditEntry
from tenants.types import Actor, TenantRef

MAX_PLACEMENTS: Final = 200  # every serving process keeps them all in memory
MAX_VERSIONS: Final = 50
SETTINGS: Final = ("name", *prepared.SETTABLE)
TOLD: Final = ("key", *SETTINGS, "version")


class Version(NamedTuple):
    """What a placement was from `at` on: `settings` are those of `SETTINGS`, as they are stored."""

    number: int
    at: datetime
    settings: dict[str, Any]


def get(tenant: TenantRef, key: str) -> Placement:
    """The placement of that key; `not_found` if there is none."""
    with tenancy.use(tenant):
        return one(Placement.objects.all(), "placement", key=key)


def create(tenant: TenantRef, fields: Mapping[str, Any], *, by: Actor) -> Placement:
    """Add a placement. Raises `invalid`, `unknown_strategy`, and `conflict` for a taken key or too many of them."""
    row = Placement(**fields)
    with transaction.atomic():
        with tenancy.use(tenant):
            lock_until_commit(placements.config_key(tenant.slug))
            _check(row)
            if Placement.objects.count() >= MAX_PLACEMENTS:
                raise DomainError("conflict", f"There are {MAX_PLACEMENTS} placements already; remove one first.")
            save_unless_taken(row, "a placement", force_insert=True)
        audit.record_of(tenant, by, "placement.created", row.key, after=_told(row))
        placements.publish(tenant)
    return row


def edit(
    tenant: TenantRef, key: str, changes: Mapping[str, Any], *, by: Actor, action: str = "placement.edited"
) -> Placement:
    """Change a placement; its version grows if anything differs. `in_use` for another key while something names it."""
    with transaction.atomic():
        with tenancy.use(tenant):
            lock_until_commit(placements.config_key(tenant.slug))
            row = one(Placement.objects.all(), "placement", key=key)
            before = _told(row)
            for name, value in changes.items():
                setattr(row, name, value)
            _check(row)
            if row.key != key:
                _free(key)
            is_changed = _told(row) != before
            if is_changed:
                row.version += 1
                save_unless_taken(row, "a placement")
        if is_changed:
            old, new = audit.changed(before, _told(row))
            audit.record_of(tenant, by, action, row.key, before=old, after=new)
        placements.publish(tenant)
    return row


def remove(tenant: TenantRef, key: str, *, by: Actor) -> None:
    """Remove a placement; `in_use` while a rule or a running experiment names it."""
    with transaction.atomic():
        with tenancy.use(tenant):
            lock_until_commit(placements.config_key(tenant.slug))
            row = one(Placement.objects.all(), "placement", key=key)
            _free(key)
            row.delete()
        audit.record_of(tenant, by, "placement.deleted", row.key, before=_told(row))
        placements.publish(tenant)


def versions(tenant: TenantRef, key: str) -> list[Version]:
    """The newest versions of a placement, the present one first, also those under another key."""
    row = get(tenant, key)
    entries = audit.entries(directory.get_model(tenant.slug), action="placement.")
    found, state = [], _told(row)
    for entry in _of(entries.iterator(), key):
        found.append(_version(state, entry.at))
        if len(found) == MAX_VERSIONS or entry.action == "placement.created":
            return found
        state |= entry.before or {}
    return [*found, _version(state, row.created_at)]  # one that every shop begins with


def restore(tenant: TenantRef, key: str, number: int, *, by: Actor) -> Placement:
    """Make a placement what it was in a former version, as a new one; raises `not_found` for one that is not known."""
    settings = next((each.settings for each in versions(tenant, key) if each.number == number), None)
    if settings is None:
        raise DomainError("not_found", f"No version {number} of the placement {key!r} is known.")
    return edit(tenant, key, settings, by=by, action="placement.restored")


def check_experiment(tenant: TenantRef, experiment: ExperimentConfig) -> None:
    """Refuse an experiment that serving could not do: of no placement, or with a variant that it does not understand.

    For the tenant in use. Nobody takes away what it names before the transaction is over.
    """
    lock_until_commit(placements.config_key(tenant.slug))
    placement = Placement.objects.filter(key=experiment.placement).first()
    if placement is None:
        known = ", ".join(Placement.objects.values_list("key", flat=True))
        message = f"There is no placement {experiment.placement!r}; there are {known}."
        raise DomainError("unknown_placement", message, errors=[_wrong("/placement", message)])
    for place, variant in enumerate(experiment.variants):
        try:
            _check_variant(placement.config, variant)
        except DomainError as error:
            raise _within(f"/variants/{place}/configuration", variant, error) from error


def _check_variant(placement: PlacementConfig, variant: VariantConfig) -> None:
    config, without = prepared.configured(placement, variant.configuration)
    placements.check_cascade(config.cascade)
    if unknown := sorted(without - set(Rule.objects.values_list("key", flat=True))):
        message = f"There is no rule {unknown[0]!r}."
        raise DomainError("invalid", message, errors=[_wrong("/without_rules", message)])


def _within(pointer: str, variant: VariantConfig, error: DomainError) -> DomainError:
    """The error, said of a variant's configuration."""
    errors = [FieldError(**{**each, "pointer": pointer + each["pointer"]}) for each in error.errors]
    said = " ".join(each["message"] for each in errors) or str(error)
    return DomainError(error.code, f"Variant {variant.key}: {said}", errors=errors or [_wrong(pointer, said)])


def _told(row: Placement) -> dict[str, Any]:
    return audit.values(row, TOLD)


def _of(entries: Iterator[AuditEntry], key: str) -> Iterator[AuditEntry]:
    """What was done to the placement that has the key now, newest first, whatever its key was then."""
    for entry in entries:
        if entry.object_id == key:
            yield entry
            key = (entry.before or {}).get("key", key)


def _version(state: Mapping[str, Any], at: datetime) -> Version:
    return Version(state["version"], at, {name: state[name] for name in SETTINGS})


def _free(key: str) -> None:
    """Refuse to take away what rules or running experiments name."""
    using = [f"the experiment {each.key}" for each in running.configs() if each.placement == key]
    using += [f"the rule {name}" for name in Rule.objects.filter(placement=key).values_list("key", flat=True)]
    if using:
        raise DomainError("in_use", f"The placement {key!r} is used by {', '.join(using)}.")


def _check(row: Placement) -> None:
    try:
        row.full_clean(validate_unique=False, exclude=["cascade", "filter"])
    except ValidationError as error:
        raise DomainError("invalid", errors=field_errors(error.message_dict)) from error
    placements.check_cascade(row.cascade)
    prepared.check(row.config)
    try:
        msgspec.msgpack.encode(row.config)
    except OverflowError as error:
        message = "A number in the filter is too large."
        raise DomainError("invalid", message, errors=[_wrong("/filter", message)]) from error


def _wrong(pointer: str, message: str) -> FieldError:
    return {"pointer": pointer, "code": "invalid", "message": message}
