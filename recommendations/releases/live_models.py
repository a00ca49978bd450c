"""The live model as serving processes know it: the version that Redis points to, with its serving parameters."""

from dataclasses import asdict

import msgspec

from recomengine.lib.redis_mux import RedisMux
from recommendations.types import USUAL, LiveModel, ServingParameters, table_key

PARAMETERS = "parameters"  # beside the tables of a version


def parameters_key(slug: str, version: str) -> str:
    return table_key(slug, version, PARAMETERS)


def encode(parameters: ServingParameters) -> bytes:
    return msgspec.json.encode(asdict(parameters))


def decode(packed: bytes | None) -> ServingParameters:
    """The parameters of a version; the usual ones where it has none."""
    return msgspec.json.decode(packed, type=ServingParameters) if packed else USUAL


class LiveModels:
    """This process's copy of the tenants' serving parameters: of one version each, which never change."""

    def __init__(self, mux: RedisMux) -> None:
        self._mux = mux
        self._known: dict[str, LiveModel] = {}

    async def get(self, slug: str, version: str | None) -> LiveModel | None:
        """The model of that version; None without one."""
        if version is None:
            return None
        known = self._known.get(slug)
        if known is None or known.version != version:
            packed = await self._mux.execute("GET", parameters_key(slug, version))
            known = self._known[slug] = LiveModel(version, decode(packed))
        return known
