"""Explanations of a slate: what each value is made of, which rules had a say, what was filtered out, and why not."""

from collections.abc import Mapping
from typing import Any, Final

from recommendations.serving.gate import Refused
from recommendations.serving.reranking import Ranked
from recommendations.serving.slates import Slate, WhyNot

REFUSALS: Final[Mapping[str, str]] = {
    "out_of_stock": "It is out of stock.",
    "not_published_yet": "It is not published yet.",
    "expired": "It has expired.",
    "excluded": "The request names it, as the product at hand or as one to leave out.",
    "shown_elsewhere": "Another placement of the page, or a page before, shows it.",
    "known": "The visitor has seen or bought it lately, and the strategy that proposes it shows new things only.",
    "hidden": "By {by} it is not shown to this visitor.",
    "filtered": "It does not pass {by}.",
    "same_group": "A variant of the same product is shown or at hand.",
}
LOST: Final[Mapping[str, str]] = {
    **REFUSALS,
    "shown": "It is shown, at position {place}.",
    "outranked": "It may be shown, but others come before it: it is number {place}.",
    "unknown_item": "The catalogue has no such item.",
    "not_proposed": "No strategy of the placement proposes it here.",
}
PASSED_OVER: Final[Mapping[str, str]] = {
    "no_product_at_hand": "It depends on the product at hand, and the request names none.",
    "product_not_meant": "The product at hand is not one that it is for.",
    "product_says_nothing": "The product at hand has no category or price that it could go by.",
    "beyond_limit": "Its position lies beyond the end of the slate.",
    "unknown_item": "The catalogue has no such item.",
    "item_may_not_be_shown": "The item may not be shown: it is out of stock, excluded or filtered out.",
}
_NAMED: Final = {"filter": "the request's filter", "currency": "the request's currency", "placement": "its filter"}


def explanation(answer: Slate) -> dict[str, Any]:
    """What had a say in a slate, for `explain`."""
    applied = answer.applied
    return {
        "considered": len(answer.considered),
        "not_asked": list(answer.not_asked),
        "rules": {
            "applied": applied.rules,
            "passed_over": [
                {"rule": by, "code": code, "message": PASSED_OVER[code]} for by, code in applied.passed_over
            ],
        },
        "filtered": [_refused(each) for each in answer.refused],
    }


def of_item(each: Ranked) -> dict[str, Any]:
    """What the value of an item shown is made of."""
    parts = [{"code": part.code, "factor": round(part.factor, 4), "rule": part.by} for part in each.parts]
    return {
        "value": round(each.value, 5),
        "parts": parts,
        "pinned_by": each.pinned,
        "propensity": round(each.propensity, 6),
    }


def told_why_not(why: WhyNot) -> dict[str, Any]:
    """Why an item is not in the slate, as a code and in words."""
    message = LOST[why.code].format(by=_name(why.by), place=why.place)
    return {**why._asdict(), "message": message}


def _refused(each: Refused) -> dict[str, Any]:
    code, by = each.refusal
    message = REFUSALS[code].format(by=_name(by))
    return {"item_id": each.item_id, "source": each.source, "code": code, "by": by, "message": message}


def _name(by: str | None) -> str:
    return "" if by is None else _NAMED.get(by, f"the rule {by!r}")
