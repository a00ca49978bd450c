"""The rules of a shop: kept in PostgreSQL, checked as a whole, and served within a second of each change."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from catalog.filters import parse
from recomengine.lib.decoding import field_error
from recomengine.lib.errors import DomainError
from recomengine.lib.fields import NO_NUL, Instant, check_instant
from recomengine.lib.postgres import lock_until_commit, one, save_unless_taken
from recommendations import placements
from recommendations.models import Placement, Rule
from recommendations.rules.types import MAX_RULES, Action, FilterJson, PriceBand
from tenants import audit, tenancy
from tenants.types import Actor, TenantRef

MAX_ORDER: Final = 10_000
PREVIEWED: Final = "preview"  # the key of a rule in a preview that names none, and so no rule's own
NAMES: Final = ("key", "name", "placement", "action", "when", "order", "enabled", "starts_at", "ends_at")
Key = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]*\Z", max_length=64)]


class RuleIn(msgspec.Struct, forbid_unknown_fields=True):
    """A rule as it is sent. `placement`: none for everywhere. `when`: what the product at hand has to pass."""

    key: Key
    name: Annotated[str, msgspec.Meta(pattern=NO_NUL, min_length=1, max_length=120)]
    action: Action
    placement: str | None = None
    when: FilterJson | None = None
    order: Annotated[int, msgspec.Meta(ge=0, le=MAX_ORDER)] = 100
    enabled: bool = True
    starts_at: Instant | None = None
    ends_at: Instant | None = None

    def __post_init__(self) -> None:
        check_instant("starts_at", self.starts_at)
        check_instant("ends_at", self.ends_at)


def rules() -> QuerySet[Rule]:
    """The rules of the tenant in use, by order."""
    return Rule.objects.all()


def get(tenant: TenantRef, key: str) -> Rule:
    """The rule of that key; `not_found` if there is none."""
    with tenancy.use(tenant):
        return one(rules(), "rule", key=key)


def read(sent: Mapping[str, Any], pointer: str = "") -> RuleIn:
    """A rule from JSON-ready data; raises `invalid` with the pointer of what is wrong below `pointer`."""
    try:
        rule = msgspec.convert(sent, RuleIn)
    except msgspec.ValidationError as error:
        raise DomainError("invalid", errors=[field_error(error, pointer)]) from error
    _check_action(rule, pointer)
    if rule.when is not None:
        _check_filter(rule.when, f"{pointer}/when")
    if rule.starts_at is not None and rule.ends_at is not None and rule.starts_at >= rule.ends_at:
        raise _wrong(f"{pointer}/ends_at", "invalid", "A rule ends after it starts.")
    return rule


def check_placement(rule: RuleIn, pointer: str = "") -> None:
    """Refuse a placement that the tenant in use does not have."""
    keys = list(Placement.objects.values_list("key", flat=True))
    if rule.placement is not None and rule.placement not in keys:
        message = (
            f"There is no placement {rule.placement[:64]!r}; there are {', '.join(keys)}, and none for everywhere."
        )
        raise _wrong(f"{pointer}/placement", "unknown_placement", message)


def create(tenant: TenantRef, sent: Mapping[str, Any], *, by: Actor) -> Rule:
    """Add a rule. Raises `invalid`, and `conflict` for a taken key or too many of them."""
    rule = read(sent)
    if rule.key == PREVIEWED:
        raise _wrong("/key", "invalid", f"{PREVIEWED!r} is kept for previews; choose another key.")
    row = filled(Rule(), rule)
    with transaction.atomic():
        with tenancy.use(tenant):
            lock_until_commit(placements.config_key(tenant.slug))
            check_placement(rule)
            if rules().count() >= MAX_RULES:
                raise DomainError("conflict", f"There are {MAX_RULES} rules already; remove one first.")
            save_unless_taken(row, "a rule", force_insert=True)
        audit.record_of(tenant, by, "rule.created", row.key, after=told(row))
        placements.publish(tenant)
    return row


def edit(tenant: TenantRef, key: str, changes: Mapping[str, Any], *, by: Actor) -> Rule:
    """Change what is named of a rule, all but its key; an action is replaced as a whole."""
    with transaction.atomic():
        with tenancy.use(tenant):
            lock_until_commit(placements.config_key(tenant.slug))
            row = one(rules().select_for_update(), "rule", key=key)
            before = told(row)
            rule = read({**before, **changes})
            if rule.key != key:
                raise _wrong("/key", "invalid", "A rule keeps its key; experiments name it by that.")
            check_placement(rule)
            old, new = audit.changed(before, told(filled(row, rule)))
            if not new:
                return row
            row.version += 1
            row.save()
        audit.record_of(tenant, by, "rule.edited", row.key, before=old, after=new)
        placements.publish(tenant)
    return row


def remove(tenant: TenantRef, key: str, *, by: Actor) -> None:
    """Remove a rule."""
    with transaction.atomic():
        with tenancy.use(tenant):
            lock_until_commit(placements.config_key(tenant.slug))
            row = one(rules().select_for_update(), "rule", key=key)
            before = told(row)
            row.delete()
        audit.record_of(tenant, by, "rule.deleted", row.key, before=before)
        placements.publish(tenant)


def filled(row: Rule, rule: RuleIn) -> Rule:
    """The row with what was sent."""
    plain = msgspec.structs.asdict(rule) | {"action": msgspec.to_builtins(rule.action)}
    for name in NAMES:
        value = plain[name]
        setattr(row, name, value.astimezone(UTC) if isinstance(value, datetime) else value)
    return row


def told(row: Rule) -> dict[str, Any]:
    """A rule for the audit log, and as it can be sent again."""
    plain = audit.values(row, NAMES)
    moments = {name: each.isoformat() for name, each in plain.items() if isinstance(each, datetime)}
    return {**plain, **moments}


def _check_action(rule: RuleIn, pointer: str) -> None:
    action = rule.action
    wanted: FilterJson | None = getattr(action, "filter", None)
    if wanted is not None:
        _check_filter(wanted, f"{pointer}/action/filter")
    if isinstance(action, PriceBand):
        if action.lowest is None and action.highest is None:
            raise _wrong(f"{pointer}/action", "missing_field", "A price band has `lowest`, `highest` or both.")
        if action.lowest is not None and action.highest is not None and action.lowest > action.highest:
            raise _wrong(f"{pointer}/action/highest", "invalid", "`highest` is not below `lowest`.")


def _check_filter(wanted: FilterJson, pointer: str) -> None:
    """Refuse what is no filter, and what cannot be published as one."""
    parse(wanted, pointer)
    try:
        msgspec.msgpack.encode(wanted)
    except OverflowError:
        raise _wrong(pointer, "invalid", "A rule's filter has no whole numbers of more than 64 bits.") from None


def _wrong(pointer: str, code: str, message: str) -> DomainError:
    return DomainError("invalid", errors=[{"pointer": pointer, "code": code, "message": message}])
