"""Requests a second: a tenant's by its plan, and a caller's own beside it, counted in Redis for all processes.

Both are token buckets, kept as the moment at which the bucket would be full again (the generic cell rate algorithm,
ITU-T I.371), so a bucket is one number. One script takes from both or from neither, by Redis' own clock, which makes
it exact under concurrency. A serving process takes a few milliseconds' worth at a time (`Leases`), so that a busy key
costs no trip to Redis per request; what it takes and does not use is lost to the tenant, never gained.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from math import ceil
from typing import Any, Final, NamedTuple

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from recomengine.lib import naming, redis
from recomengine.lib.errors import DomainError
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable
from recomengine.lib.seldom import Seldom
from tenants.plans import BURST_SECONDS, PLANS
from tenants.types import Caller

log = structlog.get_logger(__name__)

HOUR: Final = 3600
INVITATIONS_PER_HOUR: Final = 50
LEASE_SECONDS: Final = 0.02
LEASE_KEPT: Final = 1.0
MAX_LEASES: Final = 50_000
HELD_SECONDS: Final = 0.1
MAX_HELD: Final = 1_000
# KEYS: a bucket each; ARGV: how many are wanted, the burst in seconds, then the rate of each bucket.
# Returns how many are granted, the bucket that is short (from 1), and the microseconds until it has one again.
SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local burst = ARGV[2] * 1000000
local granted, short, full_at = tonumber(ARGV[1]), 0, {}
for i = 1, #KEYS do
  full_at[i] = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now)
  local there = math.floor((now + burst - full_at[i]) * ARGV[i + 2] / 1000000 + 0.001)
  if there < granted then granted, short = there, i end
end
if granted < 1 then
  return {0, short, math.ceil(full_at[short] + 1000000 / ARGV[short + 2] - now - burst)}
end
for i = 1, #KEYS do
  local after = full_at[i] + granted * 1000000 / ARGV[i + 2]
  redis.call('SET', KEYS[i], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000) + 1)
end
return {granted, 0, 0}
"""


class Bucket(NamedTuple):
    """Where a limit is counted, how many requests a second it is, and whose."""

    key: str
    rate: float
    whose: str


@dataclass(slots=True)
class Lease:
    """Requests that a caller may make through this process without asking Redis, or until when it may make none."""

    left: int
    until: float
    short_of: Bucket | None = None

    def refusal(self) -> DomainError:
        if self.short_of is None:
            raise ValueError("this lease refuses nobody")
        return refusal(self.short_of, self.until - time.monotonic())


def buckets(caller: Caller) -> list[Bucket]:
    """The buckets a caller takes from; none for one without limits."""
    of_tenant, own = PLANS[caller.tenant.plan].requests_per_second, caller.requests_per_second
    found = []
    if of_tenant is not None:
        found.append(Bucket(naming.key(caller.tenant.slug, "rate"), of_tenant, "This tenant"))
    if own is not None:
        found.append(Bucket(naming.key(caller.tenant.slug, "rate", caller.name), own, "This key"))
    return found


def command(limits: Sequence[Bucket], wanted: int, burst: int = BURST_SECONDS) -> tuple[Any, ...]:
    """The EVAL that takes up to `wanted` from all buckets alike; each holds `burst` seconds' worth."""
    names, rates = [each.key for each in limits], [each.rate for each in limits]
    return ("EVAL", SCRIPT, len(names), *names, wanted, burst, *rates)


def refusal(bucket: Bucket, seconds: float) -> DomainError:
    """The 429 for a bucket that is empty for some seconds more."""
    wait = max(1, ceil(seconds))
    headers = {"RateLimit-Limit": f"{bucket.rate:.0f}", "RateLimit-Remaining": "0", "RateLimit-Reset": str(wait)}
    detail = f"{bucket.whose} may make {bucket.rate:.0f} requests a second, and {BURST_SECONDS} seconds' worth at once."
    return DomainError("throttled", detail, retry_after=wait, headers=headers)


def take(caller: Caller) -> None:
    """Count one request of a caller; raises `throttled`. While Redis is away nobody is refused."""
    limits = buckets(caller)
    if not limits:
        return
    try:
        granted, short, wait = redis.client().execute_command(*command(limits, 1))
    except RedisError as error:
        log.warning("requests not counted", tenant=caller.tenant.slug, error=str(error))
        return
    if not granted:
        raise refusal(limits[short - 1], wait / 1_000_000)


def take_sign_up(address: str) -> None:
    """Count a sign-up from an IP address (of IPv6, from its /64); raises `throttled`."""
    network = ip_network(f"{address}/{64 if ':' in address else 32}", strict=False)
    most = settings.SIGN_UPS_PER_HOUR
    _take_of_hour(
        f"sign-ups:{network.network_address}", most, f"At most {most} accounts an hour are made from one address."
    )


def take_invitation(slug: str) -> None:
    """Count an invitation of a tenant, each of which sends an email to a stranger; raises `throttled`."""
    most = INVITATIONS_PER_HOUR
    _take_of_hour(naming.key(slug, "invitations"), most, f"A shop sends at most {most} invitations an hour.")


def _take_of_hour(key: str, most: int, detail: str) -> None:
    try:
        granted, _, wait = redis.client().execute_command(*command([Bucket(key, most / HOUR, "")], 1, HOUR))
    except RedisError as error:
        log.warning("not counted", key=key, error=str(error))
        return
    if not granted:
        raise DomainError("throttled", detail, retry_after=ceil(wait / 1_000_000))


class Leases:
    """The same for a serving process, in few trips: see the module."""

    def __init__(self, mux: RedisMux) -> None:
        self._mux = mux
        self._leases: dict[tuple[str, str], Lease] = {}
        self._held = 0
        self._not_counted = Seldom(log, "requests not counted")

    async def take(self, caller: Caller) -> None:
        """Count one request of a caller; raises `throttled`. While Redis is away nobody is refused."""
        name = (caller.tenant.slug, caller.name)
        lease = self._leases.get(name)
        if lease is None or lease.until < time.monotonic() or (lease.left < 1 and lease.short_of is None):
            lease = await self._renew(name, caller)
        if lease.short_of is not None:
            refused = lease.refusal()
            await self._hold()
            raise refused
        lease.left -= 1

    async def _hold(self) -> None:
        """Let a refusal wait a little, so that a caller who asks again at once takes little from the others."""
        if self._held < MAX_HELD:
            self._held += 1
            try:
                await asyncio.sleep(HELD_SECONDS)
            finally:
                self._held -= 1

    async def _renew(self, name: tuple[str, str], caller: Caller) -> Lease:
        limits = buckets(caller)
        if not limits:
            return self._keep(name, Lease(1_000_000, time.monotonic() + LEASE_KEPT))
        wanted = max(1, int(min(each.rate for each in limits) * LEASE_SECONDS))
        try:
            granted, short, wait = await self._mux.execute(*command(limits, wanted))
        except RedisUnavailable as error:
            self._not_counted.warn(tenant=caller.tenant.slug, error=str(error))
            return Lease(1, time.monotonic() + LEASE_KEPT)
        if granted:
            return self._keep(name, Lease(granted, time.monotonic() + LEASE_KEPT))
        return self._keep(name, Lease(0, time.monotonic() + wait / 1_000_000, limits[short - 1]))

    def _keep(self, name: tuple[str, str], lease: Lease) -> Lease:
        if len(self._leases) >= MAX_LEASES:
            self._leases.clear()
        known = self._leases.get(name)
        if known is not None and lease.left and known.until > time.monotonic():
            lease.left += known.left  # another request renewed it meanwhile
        self._leases[name] = lease
        return lease
