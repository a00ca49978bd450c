"""One answer: who supplied what, why it is empty, and which questions are none."""

from typing import Any

import pytest
import time_machine

from recomengine.lib import clock
from recommendations.types import MAX_LIMIT
from tests.api import Api
from tests.recommendations.conftest import ITEMS, by, ids, lasting, slate

EMPTY_REASONS = {"no_model", "no_context", "no_candidates", "nothing_available"}


def place(api: Api, *cascade: str, limit: int = 10, key: str = "here") -> None:
    answer = api.post("placements", {"key": key, "name": "Here", "cascade": list(cascade), "limit": limit})
    assert answer.status == 201, answer.body
    slate(api)
    api.edge.application.edge.states._states.clear()


def refused(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status, answer.json["code"]


# --- The cascade ----------------------------------------------------------------------------------------------------


def test_a_cascade_fills_up_and_says_who_supplied_what(shop: Api) -> None:
    place(shop, "bought_together", "similar", "popular", limit=5)
    answer = slate(shop, placement="here", item_id="mug")
    assert (answer["placement"], answer["strategy"]) == ("here", "bought_together")
    assert [(item["item_id"], item["source"]) for item in answer["items"]] == [
        ("jam", "bought_together"),
        ("tea", "bought_together"),
        ("cup", "similar"),
        ("pot", "similar"),
        ("bulb", "popular"),
    ]
    assert [item["position"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    assert answer["fallback_share"] == 0.6
    assert answer["context"] == {"cold": False}
    assert answer["experiment"] is None
    assert "empty_reason" not in answer


def test_a_strategy_that_fills_the_slate_leaves_nothing_to_the_next(shop: Api) -> None:
    place(shop, "popular", "trending", limit=3)
    answer = slate(shop, placement="here")
    assert by(answer, "popular") == ids(answer) == ["tea", "mug", "cup"]
    assert answer["fallback_share"] == 0


def test_a_strategy_named_by_the_request_comes_first(shop: Api) -> None:
    place(shop, "popular", "similar", limit=4)
    answer = slate(shop, placement="here", strategy="similar", item_id="mug")
    assert answer["strategy"] == "similar"
    assert [item["source"] for item in answer["items"]] == ["similar", "similar", "popular", "popular"]


def test_who_names_nothing_gets_what_the_shop_as_a_whole_likes(shop: Api) -> None:
    answer = slate(shop)
    assert (answer["placement"], answer["strategy"]) == ("home", "for_you")
    assert by(answer, "trending") + by(answer, "popular") + by(answer, "new") == ids(answer)
    assert (answer["context"], answer["fallback_share"]) == ({"cold": True}, 1)


def test_answers_differ_in_their_id_alone(shop: Api) -> None:
    with time_machine.travel(clock.now(), tick=False):  # what is new or in demand fades from moment to moment
        first, second = slate(shop, item_id="mug"), slate(shop, item_id="mug")
    assert first.pop("recommendation_id") != second.pop("recommendation_id")
    assert first == second


# --- What is left out -----------------------------------------------------------------------------------------------


def test_the_limit_is_the_requests_or_the_placements(shop: Api) -> None:
    place(shop, "popular", limit=2)
    assert len(slate(shop, placement="here")["items"]) == 2
    assert len(slate(shop, placement="here", limit=3)["items"]) == 3
    assert len(slate(shop, placement="here", limit=MAX_LIMIT)["items"]) == len(ITEMS) - 1  # nobody knows the rug


def test_what_is_excluded_at_hand_or_in_the_visit_is_not_shown(shop: Api) -> None:
    everything = {"strategy": "popular", "limit": 50}
    assert "tea" in ids(slate(shop, **everything))
    for name in ("exclude", "item_id", "session_items"):
        shown = ids(slate(shop, **everything, **{name: ["tea", "lamp"]}))
        assert not {"tea", "lamp"} & set(shown)
        assert len(shown) == len(ITEMS) - 2
    assert ids(slate(shop, **everything, exclude="nothing-of-that-id")) == ids(slate(shop, **everything))


def test_excluded_items_make_room_for_others(shop: Api) -> None:
    place(shop, "popular", limit=3)
    assert ids(slate(shop, placement="here", exclude=["tea", "cup"])) == ["mug", "pot", "jam"]


# --- Empty answers --------------------------------------------------------------------------------------------------


def empty(answer: Any) -> str:
    assert answer["items"] == []
    assert (answer["fallback_share"], answer["context"]) == (0, {"cold": True})
    assert answer["empty_reason"]["message"]
    return str(answer["empty_reason"]["code"])


def test_without_a_model_what_needs_one_knows_nothing(filled: Api) -> None:
    place(filled, "bought_together", "similar")
    answer = slate(filled, placement="here", item_id="mug")
    assert (empty(answer), answer["model_version"]) == ("no_model", None)


def test_a_strategy_with_nothing_to_start_from(shop: Api) -> None:
    place(shop, "also_viewed", "similar")
    assert empty(slate(shop, placement="here")) == "no_context"
    assert empty(slate(shop, placement="here", visitor_id="v1")) == "no_context"


def test_a_context_that_nothing_goes_with(shop: Api) -> None:
    place(shop, "also_viewed", "for_you")
    assert empty(slate(shop, placement="here", item_id="rug")) == "no_candidates"
    assert empty(slate(shop, placement="here", item_id="no-such-item", visitor_id="nobody")) == "no_candidates"


def test_candidates_of_which_none_may_be_shown(shop: Api) -> None:
    assert empty(slate(shop, exclude=[item["item_id"] for item in ITEMS])) == "nothing_available"


# --- Questions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"strtegy": "popular"}, 400, "unknown_parameter"),
        ({"Limit": "3"}, 400, "unknown_parameter"),
        ({"strategy": "magic"}, 400, "unknown_strategy"),
        ({"strategy": ""}, 400, "unknown_strategy"),
        ({"placement": "nowhere"}, 404, "unknown_placement"),
        ({"placement": ""}, 400, "invalid"),
        ({"limit": 0}, 400, "invalid"),
        ({"limit": -1}, 400, "invalid"),
        ({"limit": MAX_LIMIT + 1}, 400, "invalid"),
        ({"limit": "ten"}, 400, "invalid"),
        ({"limit": "1.5"}, 400, "invalid"),
        ({"limit": ""}, 400, "invalid"),
        ({"limit": "9" * 50}, 400, "invalid"),
        ({"limit": [1, 2]}, 400, "invalid"),
        ({"placement": ["home", "pdp"]}, 400, "invalid"),
        ({"visitor_id": "é"}, 400, "invalid"),
        ({"item_id": "x" * 129}, 400, "invalid"),
        ({"exclude": [f"i{n}" for n in range(101)]}, 400, "invalid"),
        ({"item_id": [f"i{n}" for n in range(101)]}, 400, "invalid"),
    ],
)
def test_questions_that_are_none(api_a: Api, params: dict[str, Any], status: int, code: str) -> None:
    assert refused(api_a.get("recommendations", params)) == (status, code)
    if params != {"placement": ["home", "pdp"]}:
        body = {name: as_json(value) for name, value in params.items()}
        expected = "invalid" if code == "unknown_parameter" else code
        assert refused(api_a.post("recommendations", body)) == (status, expected)


def as_json(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() and len(value) < 9 else value


def test_an_unknown_parameter_is_named(api_a: Api) -> None:
    got = api_a.get("recommendations", {"strtegy": "popular"}).json["errors"]
    posted = api_a.post("recommendations", {"strtegy": "popular"}).json["errors"]
    assert got[0]["pointer"] == posted[0]["pointer"] == "/strtegy"


@pytest.mark.parametrize(
    "body",
    [
        [],
        "mug",
        None,
        {"item_id": 3},
        {"item_id": ["mug", None]},
        {"limit": "3"},
        {"limit": 2.5},
        {"limit": True},
        {"visitor_id": 7},
    ],
)
def test_bodies_that_are_no_question(api_a: Api, body: Any) -> None:
    assert refused(api_a.post("recommendations", body)) == (400, "invalid")


def test_post_answers_like_get(shop: Api) -> None:
    questions: list[dict[str, Any]] = [
        {},
        {"item_id": "mug"},
        {"placement": "cart", "item_id": ["tea", "mug"], "limit": 3},
        {"strategy": "session", "session_items": ["mug", "lamp"], "exclude": ["cup"]},
        {"placement": "category", "visitor_id": "v1", "user_id": "u1"},
    ]
    for params in questions:
        posted = shop.post("recommendations", params)
        assert posted.status == 200
        assert lasting(posted.json) == lasting(slate(shop, **params))


def test_a_hundred_ids_may_be_named(shop: Api) -> None:
    many = [f"i{n}" for n in range(99)]
    assert ids(slate(shop, strategy="popular", exclude=[*many, "tea"]))[0] == "mug"
    assert by(slate(shop, strategy="session", session_items=["mug", *many]), "session")
