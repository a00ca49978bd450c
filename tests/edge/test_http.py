"""What every answer of the API has in common, whoever gives it: the edge or Django."""

import asyncio
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recomengine.lib.asgi import MAX_BODY
from tenants.types import KeyType, TenantRef
from tests.api import Answer, Api
from tests.conftest import new_key

SHOP = "https://shop.example"
VIEW = {"type": "view", "visitor_id": "v1", "item_id": "mug"}
HOT = [("GET", "recommendations"), ("POST", "recommendations"), ("POST", "events"), ("POST", "events/batch")]
COLD = [("GET", "events"), ("GET", "catalog/items"), ("POST", "placements"), ("GET", "strategies")]


def assert_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer.body
    body = answer.json
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"].endswith(f"/{code}")
    assert body["title"]
    assert body["detail"]
    assert answer.headers["x-request-id"]


# --- Request ids ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"), [*HOT, *COLD, ("GET", "nowhere"), ("OPTIONS", "events"), ("PUT", "events")]
)
def test_a_request_id_comes_back(api_a: Api, method: str, path: str) -> None:
    answer = api_a.call(method, path, data={}, x_request_id="order-42.retry_1")
    assert answer.headers["x-request-id"] == "order-42.retry_1"


@pytest.mark.parametrize(
    "hostile", ["short", "x" * 65, "a b c d e f", "id\tand more", "é" * 10, "<script>alert</script>", "a=1;b=2;c", ""]
)
@pytest.mark.parametrize("path", ["recommendations", "strategies", "nowhere"])
def test_a_request_id_that_could_harm_a_log_is_replaced(api_a: Api, path: str, hostile: str) -> None:
    given_back = api_a.get(path, x_request_id=hostile).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", given_back)
    assert given_back != api_a.get(path, x_request_id=hostile).headers["x-request-id"]


def test_a_refused_body_keeps_its_request_id(api_a: Api) -> None:
    answer = api_a.post("events", b"x" * (MAX_BODY + 1), x_request_id="too-large-1")
    assert answer.headers["x-request-id"] == "too-large-1"


# --- Addresses and methods ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["nowhere", "", "recommendations/", "events/", "catalog", "placements/a/b", "/api/", "/api/v2/events"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address_is_a_problem(api_a: Api, method: str, path: str) -> None:
    assert_problem(api_a.call(method, path), 404, "not_found")


def test_an_unknown_address_outside_the_api_is_a_page(api_a: Api) -> None:
    answer = api_a.get("/nowhere")
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "recommendations", {"GET", "POST"}),
        ("DELETE", "events", {"GET", "POST"}),
        ("GET", "events/batch", {"POST"}),
        ("POST", "models", {"GET"}),
        ("PURGE", "catalog/items", {"GET", "POST"}),
    ],
)
def test_a_method_that_is_not_served_is_a_problem(api_a: Api, method: str, path: str, allowed: set[str]) -> None:
    answer = api_a.call(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert allowed <= {name.strip() for name in answer.headers["allow"].split(",")}


@pytest.mark.parametrize("path", ["recommendations", "strategies", "events"])
def test_head_is_answered_like_get(api_a: Api, path: str) -> None:
    """The server leaves out the body of what Django answers."""
    got, headed = api_a.get(path), api_a.call("HEAD", path)
    assert headed.status == got.status == 200
    assert headed.headers["content-type"] == got.headers["content-type"]
    assert headed.headers["content-length"] == got.headers["content-length"]


def test_head_is_refused_like_get(edge: Any) -> None:
    assert Api(edge, None).call("HEAD", "recommendations").status == 401


def test_an_error_of_ours_is_a_problem_and_tells_nothing_of_the_inside(
    api_a: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("recommendations.hot.slate", fail)
    monkeypatch.setattr("events.ingest.from_rows", fail)
    monkeypatch.setattr("catalog.items.get", fail)
    for answer in (api_a.get("recommendations"), api_a.post("events", VIEW), api_a.get("catalog/items/mug")):
        assert_problem(answer, 500, "internal_error")
        assert b"hunter2" not in answer.body


def test_a_foreign_host_name_is_refused(api_a: Api) -> None:
    assert_problem(api_a.get("strategies", host="evil.example"), 400, "invalid")


def test_a_media_type_that_is_not_json(api_a: Api) -> None:
    upload = api_a.post("catalog/imports/preview", b"a=1", content_type="application/x-www-form-urlencoded")
    assert_problem(upload, 400, "malformed_json")
    assert_problem(api_a.get("strategies", accept="text/html"), 406, "not_acceptable")


@pytest.mark.parametrize("name", ["x_http_method_override", "x_method_override", "x_http_method"])
def test_no_header_makes_another_method_of_it(api_a: Api, name: str) -> None:
    assert api_a.post("catalog/items", {"item_id": "mug", "title": "Mug"}).status == 201
    assert api_a.call("GET", "catalog/items/mug", **{name: "DELETE"}).status == 200
    assert_problem(api_a.post("catalog/items/mug", b"", **{name: "DELETE"}), 405, "method_not_allowed")
    assert api_a.get("catalog/items/mug", {"_method": "DELETE"}).status == 200
    assert api_a.get("catalog/items/mug").status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/xml"])
def test_json_is_read_as_json_whatever_it_is_called_or_refused(api_a: Api, kind: str) -> None:
    """A browser sends `text/plain` without asking first; no cookie counts here, so no page of others gains by that."""
    assert api_a.post("events", VIEW, content_type=kind).status == 202
    assert api_a.post("catalog/items", {"item_id": "mug", "title": "Mug"}, content_type=kind).status == 201
    assert_problem(api_a.post("events", b"type=view&visitor_id=v", content_type=kind), 400, "malformed_json")


def test_a_parameter_that_comes_twice(edge: Any, api_a: Api, api_b: Api, tenant_a: TenantRef) -> None:
    assert_problem(api_a.get("recommendations", "placement=home&placement=pdp"), 400, "invalid")
    key = new_key(tenant_a, KeyType.PUBLISHABLE)
    for path in ("recommendations", "widgets/config"):
        for query in (f"key={key}&key=rec_pub_x", f"key=rec_pub_x&key={key}"):
            assert_problem(Api(edge, None).get(path, query), 401, "invalid_key")


def test_answers_of_django_are_not_kept_by_caches_either(api_a: Api) -> None:
    for path in ("strategies", "catalog/items", "nowhere", "api-keys"):
        assert api_a.get(path).headers["cache-control"] == "no-store"


# --- Pages of other origins -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["recommendations", "events", "events/batch"])
def test_a_preflight_says_what_a_page_may_send(edge: Any, path: str) -> None:
    answer = Api(edge, None).call("OPTIONS", path, origin=SHOP, access_control_request_method="POST")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("x-api-key", "content-type", "authorization", "x-request-id"))
    assert "access-control-allow-credentials" not in answer.headers
    assert "origin" in answer.headers["vary"].lower()
    assert "content-length" not in answer.headers


def test_a_page_may_read_answers_and_refusals(edge: Any, tenant_a: TenantRef) -> None:
    page = Api(edge, new_key(tenant_a, KeyType.PUBLISHABLE, origins=[SHOP]))
    answers = [
        page.get("recommendations", origin=SHOP),
        page.get("recommendations", {"limit": 0}, origin=SHOP),
        page.post("events", VIEW, origin=SHOP),
        page.post("events", b"x" * (MAX_BODY + 1), origin=SHOP),
        Api(edge, None).post("events", VIEW, origin=SHOP),
    ]
    assert [answer.status for answer in answers] == [200, 400, 202, 413, 401]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


def test_without_an_origin_nothing_is_said_about_origins(api_a: Api) -> None:
    answers = [api_a.get("recommendations"), api_a.call("OPTIONS", "recommendations")]
    assert all("access-control-allow-origin" not in answer.headers for answer in answers)


def test_answers_are_not_kept_by_caches_nor_taken_for_something_else(api_a: Api) -> None:
    answer = api_a.get("recommendations")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(answer.body)


# --- Bodies ---------------------------------------------------------------------------------------------------------


def test_a_body_at_the_limit_is_read(api_a: Api) -> None:
    body = json.dumps({"events": [VIEW]}).encode()
    assert api_a.post("events/batch", body + b" " * (MAX_BODY - len(body))).status == 202


@pytest.mark.parametrize("path", ["events", "events/batch", "recommendations"])
def test_a_body_over_the_limit_is_refused(api_a: Api, path: str) -> None:
    assert_problem(api_a.post(path, b" " * (MAX_BODY + 1)), 413, "payload_too_large")


@pytest.mark.parametrize("path", ["catalog/items/batch", "placements", "nowhere"])
def test_a_body_over_djangos_limit_is_refused(api_a: Api, path: str, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20
    assert_problem(api_a.post(path, b" " * (2**20 + 1)), 413, "payload_too_large")


@pytest.mark.parametrize("path", ["events/batch", "catalog/items/batch"])
def test_a_body_without_a_length_is_refused_in_time(api_a: Api, path: str) -> None:
    """Of a chunked body that never ends no more is kept than the limit, nor much more read."""
    answer, read = streamed(api_a, path, [b" " * 2**16] * 1000)
    assert_problem(answer, 413, "payload_too_large")
    assert read < 400


@pytest.mark.parametrize("path", ["events/batch", "catalog/items/batch"])
def test_a_body_in_chunks_is_put_together(api_a: Api, path: str) -> None:
    row = VIEW if path == "events/batch" else {"item_id": "mug", "title": "Mug"}
    body = json.dumps({path.split("/")[-2]: [row]}).encode()
    answer, read = streamed(api_a, path, [body[at : at + 7] for at in range(0, len(body), 7)])
    assert answer.status in {200, 202}, answer.body
    assert read == len(range(0, len(body), 7))


def test_a_client_that_leaves_while_it_sends_is_not_answered(api_a: Api) -> None:
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    assert exchange(api_a, "events", messages) == []


def test_a_body_that_never_arrives_is_given_up(api_a: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recomengine.lib.asgi.BODY_TIMEOUT", 0.05)
    start, body = exchange(api_a, "events", [{"type": "http.request", "body": b"{", "more_body": True}])
    assert start["status"] == 408
    assert json.loads(body["body"])["code"] == "request_timeout"


def streamed(api: Api, path: str, chunks: list[bytes]) -> tuple[Answer, int]:
    """The answer to a body in chunks of unknown total, and how many of them were read."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages[-1]["more_body"] = False
    total = len(messages)
    start, *rest = exchange(api, path, messages)
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(m.get("body", b"") for m in rest)), total - len(messages)


def exchange(api: Api, path: str, messages: list[Any]) -> list[Any]:
    """What the application sends when it is sent these messages, which are used up; after the last comes nothing."""
    sent: list[Any] = []

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    key = str(api.key).encode()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": f"/api/v1/{path}", "raw_path": b"", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"x-api-key", key)],
        "client": ("127.0.0.1", 1234), "server": ("localhost", 5009),
    }  # fmt: skip
    api.edge.run(api.edge.application(scope, receive, send))
    return sent


# --- Query strings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("placement=home", 200),
        ("placement=%68ome", 200),
        ("%70lacement=home", 200),
        ("placement=home&", 200),
        ("&&placement=home", 200),
        ("placement=home&visitor_id=a+b", 200),
        ("placement=home&visitor_id=100%25", 200),
        ("placement=home&visitor_id=%", 200),
        ("placement=home&visitor_id=%zz", 200),
        ("placement=home&visitor_id=%ff", 400),
        ("placement=home&visitor_id=%ed%a0%80", 400),
        ("placement=home&visitor_id=%c3%a9", 400),
        ("placement=home&visitor_id=é", 400),
        ("placement=home&visitor_id=%00", 400),
        ("placement=home&visitor_id=", 400),
        ("placement", 400),
        ("=", 400),
        ("?", 400),
    ],
)
def test_odd_query_strings(api_a: Api, query: str, status: int) -> None:
    answer = api_a.get("recommendations", query)
    assert answer.status == status, answer.body
    if status != 200:
        assert_problem(answer, status, answer.json["code"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]),
    st.sampled_from(
        ["recommendations", "events", "events/batch", "catalog/items", "catalog/items/batch", "placements", "models"]
    )
    | st.text(max_size=12).map("catalog/items/".__add__)
    | st.text(max_size=12).map("placements/".__add__)
    | st.text(max_size=8).map("/api/v1/".__add__),
    st.dictionaries(
        st.sampled_from(["limit", "cursor", "from", "item_id", "x"]) | st.text(max_size=3),
        st.text(max_size=6),
        max_size=3,
    ),
    st.sampled_from(
        [b"", b"{}", b"[]", b'{"items": [{}]}', b'{"key": "\\u0000", "name": "x", "cascade": ["popular"]}', b"\xff"]
    ),
)
def test_no_request_is_an_error_of_ours(
    api_a: Api, method: str, path: str, params: dict[str, str], body: bytes
) -> None:
    answer = api_a.call(method, path, params=params, data=body)
    assert answer.status < 500, answer.body
    if answer.status >= 400 and method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"
