"""Simulated shoppers: a seeded generative model of sessions in a shop with a catalogue in categories.

Made up, not fitted to any shop. What a recommender can find in it: heavy-tailed demand within each leaf category,
tastes (three leaves, a price band, an affinity) that outlive a session, sessions that mostly stay in one leaf, items
that go together across leaves, launches of new items, daily and weekly rhythm, and returning visitors.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DAYS = 60
SESSIONS = 20_400  # drawn; a few dozen fall to the minimum distance between two visits or are still open at the end
SHOPPERS = 40_000
LONGEST = 40  # views in a session
APART = 8 * 3600  # seconds between two visits of a shopper, more than the longest session can last
MOST_REGRET = 90  # seconds after which nothing is taken out of a cart again
KINDS = ("click", "view", "add_to_cart", "remove_from_cart", "purchase")

HOUR_WEIGHTS = (10, 6, 4, 3, 3, 4, 8, 14, 22, 30, 34, 36, 40, 38, 36, 35, 36, 40, 46, 54, 60, 56, 42, 24)
WEEKDAY_WEIGHTS = (1.05, 1.0, 0.98, 0.97, 0.95, 1.08, 1.22)  # Monday first
CATEGORY_WEIGHTS = {"furniture": 3.0, "homedecor": 3.0, "housewares": 2.5, "floral": 1.5, "seasonal": 1.5}
TASTE_WEIGHTS = (0.6, 0.27, 0.13)
COMPANION_WEIGHTS = (0.75, 0.17, 0.08)
BANDS, AFFINITIES = 3, 3  # thirds of a leaf's prices; anybody, F, M
PROFILES = BANDS * AFFINITIES

COMPLEMENTS = (
    ("furniture/chairs", "furniture/tables"),
    ("furniture/sofas", "homedecor/cushion"),
    ("furniture/dressers", "homedecor/lighting"),
    ("homedecor/clock", "homedecor/decorative"),
    ("housewares/bowls", "housewares/kitchen"),
    ("floral/bouquet", "floral/centerpiece"),
    ("floral/plant", "homedecor/decorative"),
    ("seasonal/christmas", "floral/wreath"),
    ("seasonal/valentine", "jewelry/necklace"),
    ("books/cooking", "housewares/kitchen"),
    ("books/travel", "accessories/backpack"),
    ("apparel/shirt", "apparel/jacket"),
    ("apparel/socks", "footwear/sneaker"),
    ("apparel/scarf", "accessories/handbag"),
    ("accessories/belt", "footwear/formal"),
    ("accessories/glasses", "footwear/sandals"),
    ("accessories/watch", "jewelry/bracelet"),
    ("jewelry/earrings", "jewelry/necklace"),
    ("beauty/bathing", "beauty/grooming"),
    ("electronics/camera", "accessories/bag"),
    ("electronics/computer", "electronics/keyboard"),
    ("electronics/television", "electronics/speaker"),
    ("electronics/headphones", "electronics/cable"),
    ("groceries/fruits", "groceries/vegetables"),
    ("groceries/bakery", "groceries/dairy"),
    ("groceries/meat", "groceries/seafood"),
    ("instruments/microphone", "instruments/keys"),
    ("instruments/strings", "instruments/percussion"),
    ("outdoors/camping", "outdoors/fishing"),
    ("tools/drill", "tools/set"),
    ("tools/hammer", "tools/saw"),
    ("tools/wrench", "tools/plier"),
)


@dataclass(frozen=True)
class Catalogue:
    """What shoppers see, one row per item: its leaf (an index into `leaves`, "category/style"), price, affinity
    (0 anybody, 1 F, 2 M) and launch (epoch seconds)."""

    leaves: tuple[str, ...]
    leaf: Ints
    price: Floats
    affinity: Ints
    published: Ints


@dataclass(frozen=True)
class Log:
    """What happened: one row per event and item, ordered by `time` (epoch seconds), the lines of a purchase together.

    `kind` indexes `KINDS`, `item` the catalogue, `session` the last three arrays, which have one row per session: the
    shopper, the visit (from 1), and whether the shopper has an account.
    """

    time: Ints
    session: Ints
    kind: Ints
    item: Ints
    quantity: Ints
    shopper: Ints
    visit: Ints
    account: Flags


class _Demand(NamedTuple):
    members: Ints  # (leaves, widest): item, padded with -1
    cumulative: Floats  # (leaves * PROFILES, widest): share of a leaf's members up to here, as a profile sees them
    leaf_share: Floats  # (leaves,)
    companions: Ints  # (items, 3): what goes with an item


class _Sessions(NamedTuple):
    shopper: Ints
    start: Ints
    visit: Ints
    intent: Flags  # out to buy
    length: Ints  # views
    tastes: Ints  # (sessions, 3): leaves
    profile: Ints  # price band and affinity
    account: Flags


class _Shop(NamedTuple):
    catalogue: Catalogue
    demand: _Demand
    sessions: _Sessions
    rng: np.random.Generator


class _Walk(NamedTuple):
    item: Ints  # (sessions, LONGEST), -1 behind the end
    time: Ints
    dwell: Ints
    matched: Flags  # reached as the companion of the item before


def simulate(catalogue: Catalogue, end: datetime, seed: int) -> Log:
    """The shop's events of the `DAYS` days before `end` (naive UTC).

    Every session lies wholly within them, with no gap of half an hour. An item is seen from its launch on. Raises
    ValueError if a leaf has no item from before.
    """
    rng = np.random.default_rng(seed)
    until = int(end.replace(tzinfo=UTC).timestamp())
    oldest = np.full(len(catalogue.leaves), until)
    np.minimum.at(oldest, catalogue.leaf, catalogue.published)
    if (oldest > until - DAYS * 86_400).any():
        raise ValueError("every leaf needs an item that was launched before the simulated days")
    demand = _demand(catalogue, rng)
    sessions = _sessions(demand, until, rng)
    shop = _Shop(catalogue, demand, sessions, rng)
    walk = _walk(shop)
    rows = np.concatenate([*_browsing(walk, rng), *_buying(shop, walk)], axis=1)
    rows = rows[:, _closed(rows, len(sessions.start), until)]
    session, kind, item, time, quantity = rows[:, np.lexsort((rows[2], rows[1], rows[0], rows[3]))]
    return Log(time, session, kind, item, quantity, sessions.shopper, sessions.visit, sessions.account)


def _demand(catalogue: Catalogue, rng: np.random.Generator) -> _Demand:
    leaves = len(catalogue.leaves)
    widest = int(np.bincount(catalogue.leaf).max())
    members = np.full((leaves, widest), -1)
    cumulative = np.full((leaves * PROFILES, widest), np.inf)
    for leaf in range(leaves):
        inside = rng.permutation(np.flatnonzero(catalogue.leaf == leaf))
        members[leaf, : len(inside)] = inside
        weights = _appeal(catalogue, inside).cumsum(axis=1)
        cumulative[leaf * PROFILES : (leaf + 1) * PROFILES, : len(inside)] = weights / weights[:, -1:]
    themes = [CATEGORY_WEIGHTS.get(name.partition("/")[0], 1.0) for name in catalogue.leaves]
    shares = np.bincount(catalogue.leaf) ** 0.7 * np.array(themes)
    demand = _Demand(members, cumulative, shares / shares.sum(), np.empty((0, 3), np.int64))
    return demand._replace(companions=_companions(catalogue, demand, rng))


def _appeal(catalogue: Catalogue, inside: Ints) -> Floats:
    """How each of the profiles (rows) weighs a leaf's items, which come in order of popularity (Zipf)."""
    popularity = np.arange(1, len(inside) + 1) ** -1.0
    distance = np.abs(np.arange(BANDS)[:, None] - _bands(catalogue.price[inside]))
    by_band = np.array([1.0, 0.25, 0.06])[distance]
    affinity = catalogue.affinity[inside]
    mine = np.arange(AFFINITIES)[:, None]
    by_affinity = np.where((mine > 0) & (affinity > 0) & (mine != affinity), 0.15, 1.0)
    appeal: Floats = popularity * by_band[:, None, :] * by_affinity[None, :, :]
    return appeal.reshape(PROFILES, -1)


def _bands(prices: Floats) -> Ints:
    """The third of the prices that each one is in: 0 (cheapest) to 2."""
    ranks = prices.argsort(kind="stable").argsort(kind="stable")
    return ranks * BANDS // len(prices)


def _companions(catalogue: Catalogue, demand: _Demand, rng: np.random.Generator) -> Ints:
    """Three items for each item, from a complementary leaf (its own if it has none), in its price band and affinity."""
    index = {name: leaf for leaf, name in enumerate(catalogue.leaves)}
    partners: list[list[int]] = [[] for _ in catalogue.leaves]
    for one, other in COMPLEMENTS:
        if one in index and other in index:
            partners[index[one]].append(index[other])
            partners[index[other]].append(index[one])
    companions = np.empty((len(catalogue.leaf), len(COMPANION_WEIGHTS)), np.int64)
    for leaf, options in enumerate(partners):
        inside = np.flatnonzero(catalogue.leaf == leaf)
        profile = _bands(catalogue.price[inside]) * AFFINITIES + catalogue.affinity[inside]
        for column in range(len(COMPANION_WEIGHTS)):
            companions[inside, column] = _pick(demand, rng.choice(options or [leaf], len(inside)), profile, rng)
    return companions


def _pick(demand: _Demand, leaf: Ints, profile: Ints, rng: np.random.Generator) -> Ints:
    """One item of each `leaf` as each `profile` would choose it."""
    shares = demand.cumulative[leaf * PROFILES + profile]
    chosen: Ints = demand.members[leaf, (shares < rng.random(len(leaf))[:, None]).sum(axis=1)]
    return chosen


def _sessions(demand: _Demand, until: int, rng: np.random.Generator) -> _Sessions:
    shopper = rng.choice(SHOPPERS, SESSIONS, p=rng.dirichlet(np.full(SHOPPERS, 0.5)))
    start = _starts(until, rng)
    order = np.lexsort((start, shopper))
    shopper, start = shopper[order], start[order]
    again = np.r_[False, shopper[1:] == shopper[:-1]]
    apart = np.r_[True, np.diff(start) >= APART] | ~again
    shopper, start = shopper[apart], start[apart]
    visit = np.arange(len(shopper)) - np.searchsorted(shopper, shopper) + 1
    eager = rng.gamma(2.0, 0.5, SHOPPERS)[shopper] * np.where(visit > 1, 1.2, 0.9)
    intent = rng.random(len(shopper)) < 0.069 * eager
    length = 1 + rng.lognormal(0.68, 1.18, len(shopper)).astype(np.int64) + 2 * intent
    tastes = rng.choice(len(demand.leaf_share), (SHOPPERS, len(TASTE_WEIGHTS)), p=demand.leaf_share)
    profile = rng.choice(BANDS, SHOPPERS, p=[0.3, 0.45, 0.25]) * AFFINITIES
    profile += rng.choice(AFFINITIES, SHOPPERS, p=[0.4, 0.33, 0.27])
    account = rng.random(SHOPPERS) < 0.3
    return _Sessions(
        shopper, start, visit, intent, length.clip(max=LONGEST), tastes[shopper], profile[shopper], account[shopper]
    )


def _starts(until: int, rng: np.random.Generator) -> Ints:
    """Epoch seconds up to the current hour, by hour of day, weekday, a slow growth and the luck of the day."""
    hours = until // 3600 - np.arange(DAYS * 24)[::-1]
    day = hours // 24
    luck = rng.lognormal(0.0, 0.08, DAYS + 1)[day - day[0]]
    growth = np.linspace(1.0, 1.25, len(hours))
    weekday = (day + 3) % 7  # the epoch began on a Thursday
    weights = np.array(HOUR_WEIGHTS)[hours % 24] * np.array(WEEKDAY_WEIGHTS)[weekday] * luck * growth
    chosen = rng.choice(hours, SESSIONS, p=weights / weights.sum())
    return np.asarray(chosen * 3600 + rng.integers(0, 3600, SESSIONS))


def _walk(shop: _Shop) -> _Walk:
    sessions, rng = shop.sessions, shop.rng
    shape = (len(sessions.start), LONGEST)
    item, matched = np.full(shape, -1), np.zeros(shape, np.bool_)
    item[:, 0] = _pick_published(shop, np.arange(shape[0]), _taste(sessions.tastes, rng))
    for step in range(1, int(sessions.length.max())):
        active = np.flatnonzero(sessions.length > step)
        item[active, step], matched[active, step] = _next(shop, item, active, step)
    _resume(sessions, item, rng)
    dwell = rng.lognormal(np.log(35), 0.9, shape).clip(15, 600).astype(np.int64)
    time = sessions.start[:, None] + 5 + dwell.cumsum(axis=1) - dwell
    return _Walk(item, time, dwell, matched)


def _next(shop: _Shop, item: Ints, active: Ints, step: int) -> tuple[Ints, Flags]:
    """What each active session views at `step`, and whether that is a companion of the item before.

    Else it is an item seen earlier in the session, or another of the same leaf, of one of the tastes, or of any leaf.
    """
    catalogue, demand, sessions, rng = shop
    current = item[active, step - 1]
    what, where = rng.random(len(active)), rng.random(len(active))
    anywhere = rng.choice(len(demand.leaf_share), len(active), p=demand.leaf_share)
    taste = _taste(sessions.tastes[active], rng)
    leaf = np.select([where < 0.82, where < 0.95], [catalogue.leaf[current], taste], anywhere)
    fresh = _pick_published(shop, active, leaf)
    column = rng.choice(len(COMPANION_WEIGHTS), len(active), p=COMPANION_WEIGHTS)
    companion = demand.companions[current, column]
    matched = what < np.where(sessions.intent[active], 0.3, 0.1)
    matched &= catalogue.published[companion] <= sessions.start[active]
    earlier = item[active, rng.integers(0, step, len(active))]
    return np.select([matched, what > 0.92], [companion, earlier], fresh), matched


def _taste(tastes: Ints, rng: np.random.Generator) -> Ints:
    """One leaf of each row's tastes."""
    column = rng.choice(len(TASTE_WEIGHTS), len(tastes), p=TASTE_WEIGHTS)
    chosen: Ints = tastes[np.arange(len(tastes)), column]
    return chosen


def _pick_published(shop: _Shop, which: Ints, leaf: Ints) -> Ints:
    """An item of `leaf` for each of the sessions `which`, drawn again until it was launched before the session."""
    published, sessions = shop.catalogue.published, shop.sessions
    chosen = np.empty(len(which), np.int64)
    todo = np.arange(len(which))
    while len(todo):
        chosen[todo] = _pick(shop.demand, leaf[todo], sessions.profile[which[todo]], shop.rng)
        todo = todo[published[chosen[todo]] > sessions.start[which[todo]]]
    return chosen


def _resume(sessions: _Sessions, item: Ints, rng: np.random.Generator) -> None:
    """Let a quarter of the returning visits begin with the item that the visit before ended on."""
    returning = np.flatnonzero((sessions.visit > 1) & (rng.random(len(item)) < 0.25))
    item[returning, 0] = item[returning - 1, sessions.length[returning - 1] - 1]


def _browsing(walk: _Walk, rng: np.random.Generator) -> list[Ints]:
    """A view for every step, and for some the click in a list just before it."""
    session, step = np.nonzero(walk.item >= 0)
    item, time = walk.item[session, step], walk.time[session, step]
    views = _rows("view", session, item, time)
    clicked = rng.random(len(session)) < 0.28
    early = rng.integers(1, 5, int(clicked.sum()))
    return [views, _rows("click", session[clicked], item[clicked], time[clicked] - early)]


def _buying(shop: _Shop, walk: _Walk) -> list[Ints]:
    """What goes into carts, what is taken out again, and the carts that are paid for."""
    sessions, rng = shop.sessions, shop.rng
    session, step = _added(shop, walk)
    item = walk.item[session, step]
    time = walk.time[session, step] + rng.integers(4, 12, len(session))
    quantity = 1 + rng.poisson(np.where(shop.catalogue.price[item] < 30, 0.4, 0.05))
    removed = rng.random(len(session)) < 0.08
    back = time + rng.integers(5, MOST_REGRET, len(session))
    paying = rng.random(len(sessions.start)) < np.where(sessions.intent, 0.5, 0.05)
    paid = paying[session] & ~removed
    last = np.arange(len(sessions.start)), sessions.length - 1
    checkout = walk.time[last] + walk.dwell[last] + MOST_REGRET + rng.integers(30, 240, len(sessions.start))
    return [
        _rows("add_to_cart", session, item, time, quantity),
        _rows("remove_from_cart", session[removed], item[removed], back[removed], quantity[removed]),
        _rows("purchase", session[paid], item[paid], checkout[session[paid]], quantity[paid]),
    ]


def _added(shop: _Shop, walk: _Walk) -> tuple[Ints, Ints]:
    """Session and step of every view that puts its item into the cart; each item goes in once a session."""
    chance = np.where(shop.sessions.intent, 0.3, 0.025)[:, None] * np.ones(LONGEST)
    chance *= (80 / shop.catalogue.price[walk.item]).clip(0.01, 10) ** 0.35
    added = (shop.rng.random(chance.shape) < chance) & (walk.item >= 0)
    added[:, 1:] |= added[:, :-1] & walk.matched[:, 1:] & (shop.rng.random(chance[:, 1:].shape) < 0.75)
    session, step = np.nonzero(added)
    _, first = np.unique(session * len(shop.catalogue.leaf) + walk.item[session, step], return_index=True)
    return session[first], step[first]


def _rows(kind: str, session: Ints, item: Ints, time: Ints, quantity: Any = 1) -> Ints:
    """The five rows of `simulate`'s table: session, kind, item, time, quantity."""
    return np.stack(np.broadcast_arrays(session, KINDS.index(kind), item, time, quantity))


def _closed(rows: Ints, sessions: int, until: int) -> Flags:
    """Whether each row's whole session lies before `until`: a visit that is still going on is left out."""
    last = np.zeros(sessions, np.int64)
    np.maximum.at(last, rows[0], rows[3])
    closed: Flags = last[rows[0]] <= until
    return closed
