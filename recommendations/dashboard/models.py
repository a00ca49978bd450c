"""The pages of models: each training, how good its model is, why it was published or not; and deciding otherwise."""

from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from imports.dashboard import before, tried
from recomengine.lib import clock
from recommendations import reports, runs, trainings
from recommendations.dashboard import settings_in_words
from recommendations.models import ModelRun
from recommendations.releases import releasing
from recommendations.training import scheduling
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.types import Scope

ROWS: Final = 30
Status = ModelRun.Status
STATES: Final = {
    Status.RUNNING: "running", Status.PUBLISHED: "live", Status.HELD_BACK: "held back", Status.FAILED: "failed",
    Status.SUPERSEDED: "superseded", Status.ROLLED_BACK: "taken back",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """A training as the pages show it."""

    row: ModelRun

    @property
    def state(self) -> str:
        return STATES[Status(self.row.status)]

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return ((self.row.finished_at or clock.now()) - self.row.started_at).total_seconds()

    @property
    def stage(self) -> str:
        return trainings.STAGES.get(self.row.stage, self.row.stage) or "Beginning"

    @property
    def reason(self) -> str:
        """Why it is what it is, in a sentence or so."""
        if self.row.status == Status.FAILED:
            return self.row.error
        if self.row.status == Status.RUNNING:
            return f"{self.stage}, {self.row.progress} % done"
        return reports.in_short((self.row.decision or {}).get("text", ""))

    @property
    def stages(self) -> list[tuple[str, float]]:
        """What was done, with the seconds it took."""
        return [(title, self.row.seconds[name]) for name, title in trainings.STAGES.items() if name in self.row.seconds]

    @property
    def headline(self) -> str:
        return reports.headline(self.row.quality)


@require_safe
@shop_page
def history(request: PageRequest, shop: Shop) -> HttpResponse:
    """The newest trainings; `?before=` an id for those before it, `?asked=` what was newest as one was asked for."""
    last = before(request.GET.get("before", ""))
    with tenancy.use(shop.tenant):
        rows = ModelRun.objects.order_by("-id")
        found = [Listed(row) for row in (rows if last is None else rows.filter(pk__lt=last))[: ROWS + 1]]
    newest = found[0].row if found else None
    is_running = last is None and newest is not None and newest.status == Status.RUNNING
    waiting = last is None and not is_running and request.GET.get("asked") == _mark(newest)
    context = {
        "runs": found[:ROWS],
        "older": found[ROWS - 1].row.pk if len(found) > ROWS else None,
        "waiting": waiting,
        "polls": waiting or is_running,
        "schedule": scheduling.schedule(shop.tenant),
    }
    return _shown(request, shop, "models/list", context)


@require_safe
@shop_page
def one(request: PageRequest, shop: Shop, version: str) -> HttpResponse:
    """A training's report, or how far it is; htmx asks again every second or so until it is over."""
    row = releasing.found(shop.tenant, version)
    with tenancy.use(shop.tenant):
        live, previous = releasing.live_run(), releasing.previous_run()
    context = {
        "run": Listed(row),
        "groups": reports.groups(row.quality),
        "differences": reports.differences(row.decision),
        "chosen": settings_in_words.chosen(row.parameters),
        "few": settings_in_words.FEW,
        "built": runs.built(row.report),
        "unknown": row.report.get("events_of_unknown_items", 0),
        "measures": (*reports.BY_CASE, *reports.OF_ALL, reports.INTERVAL),
        "live": live,
        "may_publish": row.status in releasing.RELEASABLE,
        "previous": previous if row == live else None,
        "schedule": scheduling.schedule(shop.tenant) if row.status == Status.FAILED else None,
    }
    return _shown(request, shop, "models/run", context)


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def train(request: PageRequest, shop: Shop) -> HttpResponse:
    """Asks once more, then has a worker train."""
    with tenancy.use(shop.tenant):
        newest = ModelRun.objects.order_by("-id").first()
    if request.method == "POST":
        is_asked = tried(request, lambda: scheduling.train_now(shop.tenant, by=actor_of(request)))
        mark = f"?{urlencode({'asked': _mark(newest)})}" if is_asked else ""
        return redirect(reverse("model-list") + mark)
    with tenancy.use(shop.tenant):
        live = releasing.live_run()
    took = Listed(live).seconds if live else None
    return render(request, "models/train.html", {"shop": shop, "live": live, "took": took})


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def publish(request: PageRequest, shop: Shop, version: str) -> HttpResponse:
    """Asks once more, then makes a version live that is not."""
    row = releasing.found(shop.tenant, version)
    if request.method == "POST":
        if tried(request, lambda: releasing.publish(shop.tenant, version, by=actor_of(request))):
            messages.success(request, "The model is live now.")
        return redirect("model-run", version)
    with tenancy.use(shop.tenant):
        live = releasing.live_run()
    return render(request, "models/publish.html", {"shop": shop, "run": Listed(row), "live": live})


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def roll_back(request: PageRequest, shop: Shop, version: str) -> HttpResponse:
    """Asks once more, then goes back from this version to the one that was live before it."""
    row = releasing.found(shop.tenant, version)
    if request.method == "POST":
        if tried(request, lambda: releasing.roll_back(shop.tenant, version, by=actor_of(request))):
            messages.success(request, "The model from before is live again.")
        return redirect("model-list")
    with tenancy.use(shop.tenant):
        previous = releasing.previous_run()
    context = {"shop": shop, "run": Listed(row), "previous": previous and Listed(previous)}
    return render(request, "models/roll_back.html", context)


def _mark(run: ModelRun | None) -> str:
    """What differs as soon as a training begins."""
    return f"{run.version}.{run.attempts}" if run else "none"


def _shown(request: PageRequest, shop: Shop, template: str, context: dict[str, Any]) -> HttpResponse:
    """The whole page, or for htmx the part that changes."""
    part = bool(request.htmx) and not request.htmx.history_restore_request
    name = f"{template}_part.html" if part else f"{template}.html"
    response = render(request, name, {"shop": shop, "part": part, **context})
    patch_vary_headers(response, ["HX-Request"])
    return response
