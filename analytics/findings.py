"""Judging what was counted of a shop's events: findings, how bad each is, and what to do. No database here."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from events.soundness import Counts, Several

SEVERE, WARNING, NOTE, FINE = "severe", "warning", "note", "fine"
SEVERITIES: Final = (SEVERE, WARNING, NOTE, FINE)
EXPECTED: Final = ("view", "add_to_cart", "purchase", "click", "impression")
MANY: Final = 10
NEEDED: Final = frozenset({"view", "purchase"})
SILENT_AFTER: Final = timedelta(hours=24)
QUIET_AFTER: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding, and what to do about it."""

    title: str
    advice: str


KINDS: Final[Mapping[str, Kind]] = {
    "silence": Kind("No events come in", "Check that the script is on every page, and that its key is not revoked."),
    "rejected": Kind("Events are rejected", "The live stream shows each with its reason; correct what is sent."),
    "refused": Kind("Whole requests are refused", "Send a batch as the API describes it; the live stream says more."),
    "shared_visitor": Kind(
        "Many people under one visitor_id", "Give each browser an id of its own; a server passes on the browser's."
    ),
    "duplicate_order": Kind(
        "Orders that came several times", "Send one purchase an order, with an event_id made from the order's."
    ),
    "from_future": Kind("Clocks that run fast", "Send occurred_at in UTC with an offset, by a clock that is set."),
    "sent_late": Kind(
        "Events sent a day late or later", "Send events as they occur; if it is an import of the past, all is well."
    ),
    "no_purchases": Kind("Carts, but no purchases", "Send a purchase on the page that thanks for the order."),
    "unknown_item": Kind(
        "Products that the catalogue lacks", "Name products as the catalogue does, or add them to it."
    ),
    "missing_currency": Kind("Purchases without a currency", "Send currency; the shop's own is taken instead."),
    "missing_price": Kind("Carts without a price", "Send the price of what is added to the cart."),
    "missing_recommendation": Kind(
        "Clicks without recommendation_id", "Send the slate's id with a click, or no sale can be put down to it."
    ),
    "missing_session": Kind("Events without session_id", "Send session_id, so that visits can be told apart."),
    "bots": Kind("Events of bots", "They are left out of trainings and statistics; nothing to do if few."),
    "repeated": Kind("Events sent twice", "Send an event once, and again with the same event_id only if it failed."),
    "missing_type": Kind("Types that never came", "Recommendations get better with each: views, carts, purchases."),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What is judged: counts of events that occurred between two instants, and the tallies of those days."""

    since: datetime
    until: datetime
    counts: Counts = field(default_factory=Counts)
    types: Mapping[str, int] = field(default_factory=dict)
    orders: Several = field(default_factory=Several)
    crowds: Several = field(default_factory=Several)
    tallies: Counter[str] = field(default_factory=Counter)
    last_at: datetime | None = None
    unknown: Several = field(default_factory=Several)


@dataclass(frozen=True, slots=True)
class Finding:
    """How often a kind of fault occurs; `share` is of what could have it, 0 to 1, None where that says nothing."""

    code: str
    severity: str
    count: int = 0
    share: float | None = None
    examples: Sequence[str] = ()

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]


def judge(measured: Measured) -> list[Finding]:
    """Every kind of finding, the worst first; those with nothing to find are fine."""
    found = [finding for check in _CHECKS for finding in check(measured)]
    return sorted(found, key=lambda each: (SEVERITIES.index(each.severity), list(KINDS).index(each.code)))


def _graded(
    code: str, count: int, of: int, *, warning: float, severe: float = 2.0, examples: Sequence[str] = ()
) -> Finding:
    """By its share: a note if there is any, a warning and severe from those shares on; a few are never severe."""
    share = min(1.0, count / of) if of else 0.0
    severity = FINE
    if count:
        severity = SEVERE if share >= severe and count >= MANY else WARNING if share >= warning else NOTE
    return Finding(code, severity, count, round(share, 4), examples)


def _silence(measured: Measured) -> Iterator[Finding]:
    if measured.last_at is None:
        yield Finding("silence", WARNING)
        return
    silent = measured.until - measured.last_at
    severity = SEVERE if silent >= SILENT_AFTER else NOTE if silent >= QUIET_AFTER else FINE
    yield Finding("silence", severity, examples=[f"{measured.last_at:%Y-%m-%d %H:%M} UTC"])


def _at_the_door(measured: Measured) -> Iterator[Finding]:
    tallies = measured.tallies
    rejected, refused = _starting(tallies, "rejected:"), _starting(tallies, "refused:")
    came = tallies["accepted"] + tallies["duplicate"] + rejected.total()
    consent = rejected.pop("no_consent", 0)  # which is as it should be
    yield _graded("rejected", rejected.total(), came - consent, warning=0.01, severe=0.1, examples=_named(rejected))
    severity = WARNING if refused.total() else FINE
    yield Finding("refused", severity, refused.total(), examples=_named(refused))
    yield _graded("repeated", tallies["duplicate"], came, warning=0.1, severe=0.5)


def _of_people(measured: Measured) -> Iterator[Finding]:
    counted, crowds, orders = measured.counts, measured.crowds, measured.orders
    trusted = counted.events - counted.flagged
    yield _graded(
        "shared_visitor", crowds.events, trusted, warning=0.0, severe=0.1, examples=[e.value for e in crowds.examples]
    )
    yield _graded(
        "duplicate_order", orders.ids, counted.orders, warning=0.0, severe=0.05,
        examples=[f"{e.value} ({e.count})" for e in orders.examples],
    )  # fmt: skip
    yield _graded("bots", counted.flagged, counted.events, warning=0.3, severe=0.7)


def _of_time(measured: Measured) -> Iterator[Finding]:
    counted = measured.counts
    trusted = counted.events - counted.flagged
    yield _graded("from_future", counted.from_future, trusted, warning=0.01, severe=0.2)
    yield _graded("sent_late", counted.sent_late, trusted, warning=0.2)


def _of_fields(measured: Measured) -> Iterator[Finding]:
    counted, money = measured.counts, measured.types.get("purchase", 0) + measured.types.get("refund", 0)
    events = counted.events - counted.flagged
    yield _graded("missing_currency", measured.tallies["missing_currency"], money, warning=0.05)
    yield _graded("missing_price", counted.cart_lines_without_price, counted.cart_lines, warning=0.2)
    yield _graded("missing_recommendation", counted.clicks_without_recommendation, counted.clicks, warning=0.5)
    yield _graded("missing_session", counted.without_session, events, warning=0.5)
    unknown, items = measured.unknown, [each.value for each in measured.unknown.examples]
    yield _graded("unknown_item", unknown.events, events, warning=0.05, severe=0.3, examples=items)


def _of_types(measured: Measured) -> Iterator[Finding]:
    types = measured.types
    missing = [each for each in EXPECTED if not types.get(each)] if types else []
    severity = WARNING if NEEDED & set(missing) else NOTE if missing else FINE
    yield Finding("missing_type", severity, len(missing), examples=missing)
    carts, none = types.get("add_to_cart", 0), not types.get("purchase")
    severity = FINE if not (carts and none) else SEVERE if carts >= 100 else NOTE
    yield Finding("no_purchases", severity, carts if none else 0)


def _starting(tallies: Mapping[str, int], prefix: str) -> Counter[str]:
    return Counter({name.removeprefix(prefix): count for name, count in tallies.items() if name.startswith(prefix)})


def _named(counted: Counter[str]) -> list[str]:
    return [f"{name} ({count})" for name, count in counted.most_common(5)]


_CHECKS: Final[Sequence[Callable[[Measured], Iterator[Finding]]]] = (
    _silence, _at_the_door, _of_people, _of_time, _of_fields, _of_types,
)  # fmt: skip


def told(finding: Finding) -> dict[str, Any]:
    """A finding as it is kept and as the API shows it."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "count": finding.count,
        "share": finding.share,
        "examples": list(finding.examples),
    }
