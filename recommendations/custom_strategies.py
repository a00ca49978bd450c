"""Strategies of a merchant's own: blends of built-in ones, kept in PostgreSQL and served like those within a second."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from experiments import running
from experiments.types import ExperimentConfig
from recomengine.lib.api import field_errors
from recomengine.lib.errors import DomainError, FieldError
from recomengine.lib.postgres import lock_until_commit, save_unless_taken
from recommendations import placements
from recommendations.models import CustomStrategy, Placement
from recommendations.strategies import STRATEGIES, tuned
from recommendations.strategies.blends import MAX_PARTS, MAX_WEIGHT
from tenants import audit, tenancy
from tenants.types import Actor, TenantRef

MAX_STRATEGIES: Final = 100
TOLD: Final = ("key", "name", "parts")


class PartIn(msgspec.Struct, forbid_unknown_fields=True):
    """A part as it is sent; `weight` is relative to the others'."""

    strategy: str
    weight: Annotated[float, msgspec.Meta(gt=0, le=MAX_WEIGHT)] = 1.0
    parameters: dict[str, bool | int | float] = {}


Parts = Annotated[list[PartIn], msgspec.Meta(min_length=1, max_length=MAX_PARTS)]


def listed() -> QuerySet[CustomStrategy]:
    """The custom strategies of the tenant in use."""
    return CustomStrategy.objects.all()


def get(tenant: TenantRef, key: str) -> CustomStrategy:
    """The custom strategy of that key; `not_found` if there is none."""
    with tenancy.use(tenant):
        return _one(listed(), key)


def create(tenant: TenantRef, key: str, name: str, parts: Sequence[PartIn], *, by: Actor) -> CustomStrategy:
    """Add a strategy. Raises `invalid`, `unknown_strategy`, and `conflict` for a taken key or too many of them."""
    row = CustomStrategy(key=key, name=name, parts=_checked(parts))
    with transaction.atomic():
        with tenancy.use(tenant):
            lock_until_commit(placements.config_key(tenant.slug))
            _check(row)
            if listed().count() >= MAX_STRATEGIES:
                raise DomainError("conflict", f"There are {MAX_STRATEGIES} strategies already; remove one first.")
            save_unless_taken(row, "a strategy", force_insert=True)
        audit.record_of(tenant, by, "strategy.created", row.key, after=told(row))
        placements.publish(tenant)
    return row


def edit(tenant: TenantRef, key: str, changes: Mapping[str, Any], *, by: Actor) -> CustomStrategy:
    """Change `key`, `name` or `parts`; `in_use` for another key while something names the strategy."""
    with transaction.atomic():
        with tenancy.use(tenant):
            lock_until_commit(placements.config_key(tenant.slug))
            row = _one(listed().select_for_update(), key)
            before = told(row)
            for name, value in changes.items():
                setattr(row, name, _checked(value) if name == "parts" else value)
            _check(row)
            if row.key != key:
                _free(key)
            save_unless_taken(row, "a strategy")
        old, new = audit.changed(before, told(row))
        if new:
            audit.record_of(tenant, by, "strategy.edited", row.key, before=old, after=new)
        placements.publish(tenant)
    return row


def remove(tenant: TenantRef, key: str, *, by: Actor) -> None:
    """Remove a strategy; `in_use` while a placement or a running experiment names it."""
    with transaction.atomic():
        with tenancy.use(tenant):
            lock_until_commit(placements.config_key(tenant.slug))
            row = _one(listed().select_for_update(), key)
            _free(key)
            before = told(row)
            row.delete()
        audit.record_of(tenant, by, "strategy.deleted", row.key, before=before)
        placements.publish(tenant)


def told(row: CustomStrategy) -> dict[str, Any]:
    """A strategy for the audit log."""
    return audit.values(row, TOLD)


def _one(rows: QuerySet[CustomStrategy], key: str) -> CustomStrategy:
    row = rows.filter(key=key).first() if "\x00" not in key else None
    if row is None:
        built_in = " of your own; the built-in ones are as they are" if key in STRATEGIES else ""
        raise DomainError("not_found", f"There is no strategy {key!r}{built_in or ' here'}.")
    return row


def _free(key: str) -> None:
    """Refuse to take away what placements or variants of running experiments name."""
    using = [f"the placement {name}" for name in _placements_with(key)]
    using += [f"the experiment {each.key}" for each in running.configs() if _is_named_in(each, key)]
    if using:
        raise DomainError("in_use", f"The strategy {key!r} is used by {', '.join(using)}.")


def _placements_with(key: str) -> Iterable[str]:
    return Placement.objects.filter(cascade__contains=[key]).values_list("key", flat=True)


def _is_named_in(experiment: ExperimentConfig, key: str) -> bool:
    configurations = [variant.configuration for variant in experiment.variants]
    return any(key == each.get("strategy") or key in each.get("cascade", ()) for each in configurations)


def _check(row: CustomStrategy) -> None:
    if row.key in STRATEGIES:
        raise DomainError("conflict", f"{row.key!r} is a built-in strategy; choose another key.")
    try:
        row.full_clean(validate_unique=False, exclude=["parts"])
    except ValidationError as error:
        raise DomainError("invalid", errors=field_errors(error.message_dict)) from error


def _checked(parts: Sequence[PartIn]) -> list[dict[str, Any]]:
    """The parts as they are stored, each of a strategy that exists and can be set like that."""
    for place, part in enumerate(parts):
        pointer = f"/parts/{place}"
        if part.strategy not in STRATEGIES:
            message = f"There is no built-in strategy {part.strategy!r}; there are {', '.join(STRATEGIES)}."
            raise DomainError("unknown_strategy", message, errors=[_error(f"{pointer}/strategy", message)])
        try:
            tuned(STRATEGIES[part.strategy], part.parameters)
        except ValueError as error:
            raise DomainError("invalid", str(error), errors=[_error(f"{pointer}/parameters", str(error))]) from error
    return [msgspec.to_builtins(part) for part in parts]


def _error(pointer: str, message: str) -> FieldError:
    return {"pointer": pointer, "code": "invalid", "message": message}
