"""The pages of models: what a training's report says, how it says it, and who may decide otherwise."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from recomengine.lib import clock
from recommendations import queueing, reports
from recommendations.dashboard import settings_in_words
from recommendations.models import ModelRun
from tenants import tenancy
from tenants.models import AuditEntry
from tenants.types import TenantRef
from tests.api import Api

Status = ModelRun.Status
HOSTILE = "<script>alert(1)</script>"


def quality(strategy: str, asked: str, ndcg: tuple[float, float, float], **more: Any) -> dict[str, Any]:
    """What a run keeps of a strategy; all measures alike, for short."""
    value, low, high = ndcg
    measures = dict.fromkeys(("hit_rate", "mrr", "ndcg", "recall"), value)
    intervals = {f"{name}_interval": [low, high] for name in measures}
    rest = {
        "k": 20, "n": 4000, "units": 900, "share_answered": 0.98, "coverage": 0.61, "novelty": 11.5,
        "popularity_bias": 1.25, "milliseconds_per_slate": 0.1,
    }  # fmt: skip
    return {"strategy": strategy, "asked": asked, **measures, **intervals, **rest, **more}


GOOD = [
    quality(
        "session", "visits", (0.36, 0.34, 0.38), above_popular={key: [0.34, 0.32, 0.36] for key in ("ndcg", "hit_rate")}
    ),
    quality(
        "similar",
        "visits",
        (0.03, 0.01, 0.05),
        above_popular={key: [0.01, -0.01, 0.03] for key in ("ndcg", "hit_rate")},
    ),
    quality("popular", "visits", (0.02, 0.01, 0.03)),
    quality(
        "bought_together",
        "orders",
        (0.01, 0.0, 0.02),
        above_popular={key: [-0.02, -0.03, -0.01] for key in ("ndcg", "hit_rate")},
    ),
    quality("popular", "orders", (0.03, 0.02, 0.04)),
]
TRIED = {"setting": "browsing", "ndcg": 0.2, "hit_rate": 0.4, "mrr": 0.1, "coverage": 0.5, "difference": None}
PARAMETERS = {
    "chosen": {"coview": "recent", "recency": 3.0, "bought_together_penalty": 0.0, "cart_penalty": 0.5},
    "returns": [],
    "found": 1.0,
    "evidence": {
        "coview": {
            "cases": 4000,
            "units": 1033,
            "tried": [TRIED, {**TRIED, "setting": "recent", "ndcg": 0.22, "difference": [0.02, 0.01, 0.03]}],
        }
    },
}
HELD_BACK = {
    "publish": False, "code": "worse", "text": "Not published: the new model ranks worse. It shows little.",
    "differences": {"ndcg": [-0.05, -0.07, -0.03], "hit_rate": [0.01, -0.01, 0.03]}, "beats_popular": True,
    "live": "v1",
}  # fmt: skip


def trained(tenant: TenantRef, version: str, status: Status = Status.PUBLISHED, **fields: Any) -> ModelRun:
    usual = {"finished_at": clock.now(), "started_at": clock.now() - timedelta(seconds=75), "quality": GOOD}
    with tenancy.use(tenant):
        return ModelRun.objects.create(version=version, status=status, **usual | fields)


def models_with_reports(tenant: TenantRef) -> None:
    """The model that is live with all that a report can hold, one held back and one that failed."""
    with tenancy.use(tenant):
        row = ModelRun.objects.get(version="v1")
        row.quality, row.parameters, row.decision = GOOD, PARAMETERS, {**HELD_BACK, "publish": True}
        row.report, row.seconds = {"tables": {"coview": {"lists": 1, "entries": 2}}}, {"reading": 1.0}
        row.save()
    trained(tenant, "held", Status.HELD_BACK, decision=HELD_BACK, parameters=PARAMETERS)
    trained(tenant, "broken", Status.FAILED, error="A" * 300, quality=[])


def text(browser: Client, path: str, **headers: str) -> str:
    answer = browser.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_report_says_how_good_each_strategy_is_with_its_interval(ann: Client, tenant_a: TenantRef) -> None:
    decision = {**HELD_BACK, "publish": True, "text": "Published: it is the first model.", "differences": {}}
    report = {"tables": {"coview": {"lists": 1234, "entries": 56789}}, "events_of_unknown_items": 17}
    trained(
        tenant_a, "v1", decision=decision, parameters=PARAMETERS, report=report, events=9876, items=321,
        seconds={"reading": 1.25, "building": 3.5},
    )  # fmt: skip
    page = text(ann, "/models/v1/")
    sentence = "The session strategy finds the next product in 36.0 % of cases, popular products in 2.0 %."
    for said in (
        sentence, "34.0 % to 38.0 %", "better than popular", "not clearly better than popular", "worse than popular",
        "Published: it is the first model.", "4,000 cases of 900 visits", "Popularity bias", "61.0 %", "1.25",
        "Seen together in a visit", "1,234", "56,789", "9,876", "17", "1.3 s", "visits counting half after a week",
        "2 settings tried on 4,000 cases of 1,033 visits", "+0.0200 (+0.0100 to +0.0300)", "popular products not held",
    ):  # fmt: skip
        assert said in page, said
    assert re.search(rf"Model of \d\d:\d\d: {re.escape(sentence)}", text(ann, "/"))


def test_a_strategy_whose_interval_meets_that_of_popular_is_not_called_better() -> None:
    without = [quality("session", "visits", (0.03, 0.01, 0.05)), quality("popular", "visits", (0.02, 0.01, 0.03))]
    (group,) = reports.groups(without)
    assert [line.verdict and line.verdict.code for line in group.lines] == ["unclear", None]
    assert reports.headline(without).endswith("it is not clearly better than popular.")
    apart = [quality("session", "visits", (0.06, 0.04, 0.08)), without[1]]
    assert reports.groups(apart)[0].lines[0].verdict == reports.Verdict(
        "better", "better than popular",
        "NDCG 0.040 to 0.080, popular 0.010 to 0.030, "
        "hit rate 0.040 to 0.080, popular 0.010 to 0.030 (95 % intervals).",
    )  # fmt: skip


def test_the_sentence_is_about_what_most_speaks_for_it() -> None:
    above = {"ndcg": [0.1, 0.09, 0.11], "hit_rate": [0.1, 0.08, 0.12]}
    orders = [
        quality("bought_together", "orders", (0.7, 0.6, 0.8), units=901, above_popular=above),
        quality("popular", "orders", (0.6, 0.5, 0.7), units=901),
    ]
    said = "From one product of an order, bought together finds another in 70.0 % of cases, popular products in 60.0 %."
    assert reports.headline([*GOOD[:3], *orders]) == said
    unsure = {**above, "hit_rate": [0.1, -0.02, 0.12]}
    said = said.removesuffix(".") + ": it is not clearly better than popular."
    assert reports.headline([*GOOD[:3], {**orders[0], "above_popular": unsure}, orders[1]]) == said
    assert reports.headline([]) == reports.headline(GOOD[:1]) == ""


def test_a_handful_of_visits_is_judged_by_nobody(ann: Client, tenant_a: TenantRef) -> None:
    few = [quality(name, "visits", (1.0, 0.0, 1.0), units=12, n=13) for name in ("session", "popular")]
    trained(tenant_a, "v1", quality=few, decision={**HELD_BACK, "publish": True, "differences": {}})
    page = text(ann, "/models/v1/")
    assert "12 visits held back to judge it by: too few to say how good it is." in page
    assert "too few to compare with popular" in page
    assert ">better than popular<" not in page
    trained(tenant_a, "v2", quality=[], decision={**HELD_BACK, "publish": True, "differences": {}})
    assert "Too few visits to judge it by" in text(ann, "/models/v2/")


def test_cases_that_there_are_none_of_have_no_figures() -> None:
    nothing = dict.fromkeys((*reports.MEASURES, *(f"{name}_interval" for name in reports.MEASURES)))
    none = {**quality("for_you", "histories", (0, 0, 0), n=0, units=0, share_answered=None, novelty=None), **nothing}
    (group,) = reports.groups([none, {**none, "strategy": "popular"}])
    assert [bar.text for bar in group.lines[0].bars] == ["–"] * 4
    assert group.lines[0].verdict is not None
    assert group.lines[0].verdict.code == "few"


def test_settings_without_evidence_are_the_usual_ones() -> None:
    assert settings_in_words.chosen({}) == []
    kept = settings_in_words.chosen({"chosen": {"recency": 1.5, "cart_penalty": 0.3}, "evidence": {}})
    assert [each.words for each in kept] == [
        "a product looked at 1.5 steps earlier counts about a third", "popular products held back with strength 0.3"
    ]  # fmt: skip
    assert settings_in_words.in_words("coview", "a new one") == "a new one"


def test_the_list_is_paged_and_says_in_a_line_what_became_of_each(ann: Client, tenant_a: TenantRef) -> None:
    for number in range(31):
        trained(tenant_a, f"v{number:02}", Status.SUPERSEDED)
    trained(tenant_a, "held", Status.HELD_BACK, decision=HELD_BACK)
    trained(tenant_a, "broken", Status.FAILED, error="The disk is full.")
    page = text(ann, "/models/")
    assert "held back" in page
    assert "The disk is full." in page
    assert "Not published: the new model ranks worse" in page
    assert "It shows little" not in page
    assert page.index("broken") < page.index("held") < page.index("v30")
    assert "/models/v03/" in page
    assert "/models/v02/" not in page
    with tenancy.use(tenant_a):
        last = ModelRun.objects.get(version="v03").pk
    assert f"?before={last}" in page
    assert "/models/v02/" in text(ann, f"/models/?before={last}")
    assert "1 min 15 s" in page


def test_a_training_under_way_shows_its_stage_and_asks_again_until_it_is_over(ann: Client, tenant_a: TenantRef) -> None:
    row = trained(tenant_a, "v1", Status.RUNNING, finished_at=None, stage="building", doing="coview", progress=50)
    page = text(ann, "/models/v1/")
    assert "Building the model of all events" in page
    assert "50 percent done" in page
    assert 'hx-trigger="load delay:1s"' in page
    assert 'hx-trigger="load delay:2s"' in text(ann, "/models/")
    with tenancy.use(tenant_a):
        ModelRun.objects.filter(pk=row.pk).update(status=Status.PUBLISHED, finished_at=clock.now())
    for address in ("/models/v1/", "/models/"):
        part = text(ann, address, **{"HX-Request": "true"})
        assert "<html" not in part
        assert "The training is over: live." in part
        assert "hx-trigger" not in part


def test_what_failed_says_why_and_what_to_do(ann: Client, owner: Client, tenant_a: TenantRef) -> None:
    trained(tenant_a, "v1")
    trained(tenant_a, "v2", Status.FAILED, quality=[], error="Redis is full.", stage="publishing")
    page = text(ann, "/models/v2/")
    assert "While publishing: Redis is full." in page
    assert "The model before stays live" in page
    assert "tried again by itself" in page
    assert "Train again" not in page
    assert "Train again" in text(owner, "/models/v2/")


def test_a_shop_without_a_training_is_told_what_comes(ann: Client, eva: Client, tenant_a: TenantRef) -> None:
    assert "No model yet" in text(ann, "/models/")
    assert "Train now" not in text(ann, "/models/")
    assert "Train now" in text(eva, "/models/")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(queueing, "train_later", lambda tenant: found.append(tenant.slug))
    return found


def test_an_editor_asks_for_a_training_which_is_audited(eva: Client, tenant_a: TenantRef, asked: list[str]) -> None:
    assert 'method="post"' in text(eva, "/models/train/")
    assert asked == []
    answer = eva.post("/models/train/")
    assert answer["Location"] == "/models/?asked=none"
    assert asked == [tenant_a.slug]
    assert "as soon as a worker is free" in text(eva, answer["Location"])
    trained(tenant_a, "v1", Status.RUNNING)
    assert "as soon as a worker is free" not in text(eva, answer["Location"])
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.actor) == ("training.requested", "eva@example.com")


@pytest.mark.parametrize("path", ["/models/train/", "/models/v1/publish/", "/models/v1/roll-back/"])
def test_a_viewer_decides_nothing(ann: Client, tenant_a: TenantRef, asked: list[str], path: str) -> None:
    trained(tenant_a, "v1", Status.HELD_BACK, decision=HELD_BACK)
    assert ann.get(path).status_code == ann.post(path).status_code == 403
    assert asked == []
    page = text(ann, "/models/v1/")
    assert "Publish anyway" not in page
    assert "Not published: the new model ranks worse. It shows little." in page
    assert "-0.070 to -0.030" in page


def test_what_is_not_kept_any_more_is_not_published(eva: Client, tenant_a: TenantRef) -> None:
    trained(tenant_a, "v1", Status.HELD_BACK, decision=HELD_BACK)
    assert "Publish anyway" in text(eva, "/models/v1/")
    assert "Not published: the new model ranks worse." in text(eva, "/models/v1/publish/")
    page = eva.post("/models/v1/publish/", follow=True).content.decode()
    assert "are not kept any more" in page
    assert "No model was live before this one" in eva.post("/models/v1/roll-back/", follow=True).content.decode() or (
        "is not the live one" in eva.post("/models/v1/roll-back/", follow=True).content.decode()
    )


@pytest.mark.slow
def test_an_editor_goes_back_and_forth(eva: Client, shop: TenantRef, api_a: Api) -> None:
    from recommendations.training import running

    with tenancy.use(shop):
        ModelRun.objects.all().delete()
    first, second = (running.train(shop, force=True).version for _ in range(2))
    assert "Roll back" in text(eva, f"/models/{second}/")
    assert "trainings by the clock publish nothing" in text(eva, f"/models/{second}/roll-back/")
    assert "is live again" in eva.post(f"/models/{second}/roll-back/", follow=True).content.decode()
    assert "taken back" in text(eva, f"/models/{second}/")
    assert "kept by hand" in text(eva, f"/models/{first}/")
    assert "The model is live now." in eva.post(f"/models/{second}/publish/", follow=True).content.decode()
    assert api_a.get("recommendations", {"strategy": "popular"}).json["model_version"] == second
    actions = AuditEntry.objects.filter(object_type="model").order_by("id").values_list("action", flat=True)
    assert list(actions)[-2:] == ["model.rolled_back", "model.published"]


def test_what_a_training_says_is_never_markup(ann: Client, tenant_a: TenantRef) -> None:
    decision = {**HELD_BACK, "text": f"Not {HOSTILE}", "live": HOSTILE}
    settings = {"chosen": {"coview": HOSTILE}, "evidence": {}}
    measured = [{**each, "strategy": HOSTILE} for each in GOOD]
    trained(tenant_a, "v1", Status.HELD_BACK, decision=decision, parameters=settings, quality=measured)
    trained(tenant_a, "v2", Status.FAILED, error=HOSTILE, stage=HOSTILE)
    trained(tenant_a, "v3", Status.RUNNING, stage=HOSTILE, doing=HOSTILE)
    for path in ("/models/", "/models/v1/", "/models/v2/", "/models/v3/", "/", f"/models/?asked={HOSTILE}"):
        page = text(ann, path)
        assert HOSTILE not in page
        assert path == "/" or "&lt;script&gt;" in page or "models/?" in path


def test_another_shops_model_is_not_there(eva: Client, tenant_b: TenantRef) -> None:
    trained(tenant_b, "theirs", Status.HELD_BACK, decision=HELD_BACK)
    for path in ("/models/theirs/", "/models/theirs/publish/", "/models/theirs/roll-back/", "/models/%00/"):
        assert eva.get(path).status_code == 404, path
    assert eva.post("/models/theirs/publish/").status_code == 404
