"""A slate as the contract shows it: products are joined in as they stand in Redis."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from recommendations.packing import SCALE
from recommendations.serving.reranking import Ranked
from recommendations.serving.slates import Slate
from recommendations.types import Candidate, Query

EMPTY: Final[Mapping[str, str]] = {
    "no_model": "No model has been trained yet. Send events and a catalogue, then POST /api/v1/models/train.",
    "no_context": "The strategy needs an item_id, session_items, or a visitor with a history; the request names none.",
    "no_candidates": "The model knows nothing that goes with this context yet.",
    "nothing_due": "Nothing that this visitor bought is due: shoppers do not buy it again, or it was bought just now.",
    "nothing_available": "Everything the strategies proposed is excluded, out of stock, expired or deleted.",
    "nothing_matches": "No available item passes the filters and rules; explain=1 says which of them took what out.",
}


def body(answer: Slate, recommendation_id: str, query: Query) -> dict[str, Any]:
    """The answer to a query."""
    assignment = answer.assignment
    shown: dict[str, Any] = {
        "recommendation_id": recommendation_id,
        "placement": answer.placement,
        "strategy": answer.strategy,
        "experiment": assignment
        and {"key": assignment.experiment, "variant": assignment.variant.key, "phase": assignment.phase},
        "model_version": answer.model_version,
        "fallback_share": round(answer.fallback_share, 4),
        "context": {"cold": answer.cold},
        "items": items(answer.items, query.fields),
    }
    if answer.degraded:
        shown["degraded"] = True
    if answer.empty_reason:
        shown["empty_reason"] = {"code": answer.empty_reason, "message": EMPTY[answer.empty_reason]}
    return shown


def items(slate: Sequence[Ranked], fields: Sequence[str]) -> list[dict[str, Any]]:
    """What is told of each item; of its product these fields, or everything if none are named."""
    return [
        {
            "item_id": each.admitted.card.item_id,
            "position": position,
            "score": round(each.admitted.candidate.score / SCALE, 5),
            "source": each.admitted.candidate.source,
            "reason": reason(each.admitted.candidate),
            "product": _product(each.admitted.card.product, fields),
        }
        for position, each in enumerate(slate, 1)
    ]


def _product(packed: bytes, fields: Sequence[str]) -> Any:
    if not fields:
        return msgspec.Raw(packed)
    whole: Mapping[str, msgspec.Raw] = _parts(packed)
    return {name: whole[name] for name in fields if name in whole}


_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def reason(candidate: Candidate) -> dict[str, Any]:
    """Why the item was proposed, as a code, a count and in words."""
    why: dict[str, Any] = {"code": candidate.reason, "count": candidate.evidence, "text": sentence(candidate)}
    if candidate.because_of is not None:
        why["because_of"] = candidate.because_of
    return why


def sentence(candidate: Candidate) -> str:
    """The evidence in words."""
    return candidate.sentence.format(count=candidate.evidence, because_of=candidate.because_of)
