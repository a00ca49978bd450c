"""The stages of a training, each from what the stages before it left on disk to what the next ones need."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from catalog import popularity
from catalog import reading as catalog
from events import reading as events
from recomengine.lib import clock
from recommendations import trainings
from recommendations.models import ModelRun
from recommendations.releases import modelstore, publishing, releasing
from recommendations.releases.modelstore import Model, Twin
from recommendations.training import building, quality
from recommendations.training.building import Progress
from recommendations.training.choosing import Choice
from recommendations.training.quality import Log
from recommendations.training.workdir import Work, keep_notes, keep_tables
from tenants import tenancy
from tenants.types import TenantRef

WINDOW: Final = timedelta(days=396)


@dataclass(frozen=True)
class Training:
    """One run, where it works, and who is told what is being done."""

    tenant: TenantRef
    run: ModelRun
    work: Work
    progress: Progress


def read(training: Training, folder: Path) -> None:
    """Catalogue and events, as they are now, into files."""
    run, tenant = training.run, training.tenant
    lines = events.write_interactions(tenant, clock.now() - WINDOW, folder)
    items = catalog.contents(tenant)
    run.events, run.items = lines.rows, len(items)
    run.data_from, run.data_to = lines.first, lines.last
    keep_notes(folder, [asdict(item) for item in items])


def choose(training: Training, folder: Path) -> None:
    """The moment up to which the twin sees, and the parameters, by what was there before it."""
    moment, choice = quality.choose(_log(training.work))
    training.run.split_at, training.run.parameters = moment, choice.to_json()
    keep_notes(folder, {"split_at": moment and moment.isoformat(), "choice": choice.to_json()})


def build_twin(training: Training, folder: Path) -> None:
    """The same model, of what was there before the split moment; nothing if there is too little to hold out."""
    moment = _split_at(training.work)
    if moment is not None:
        log, choice = _log(training.work), _choice(training.work)
        tables, _ = building.build(log.items, log.events, choice, training.progress, moment)
        keep_tables(folder, tables)


def judge(training: Training, folder: Path) -> None:
    """How good each strategy is, by what the twin shows, and whether it may replace the live one; noted with which."""
    tenant, twin = training.tenant, _twin(training.work)
    with tenancy.use(tenant):
        live = releasing.live_run()
    decision = quality.TOO_FEW
    if twin:
        record = live.quality if live else []
        found = quality.assess(_log(training.work), twin, _live_twin(tenant, live), record)
        training.run.quality, decision = found.measured, found.decision
    training.run.decision = {**decision.to_json(), "live": live and live.version}


def build(training: Training, folder: Path) -> None:
    """The model itself, of all that was read."""
    log, choice = _log(training.work), _choice(training.work)
    tables, training.run.report = building.build(log.items, log.events, choice, training.progress)
    keep_tables(folder, tables)


def save(training: Training, folder: Path) -> None:
    """Model and twin into the store; versions that nobody needs any more out of it."""
    tenant, work = training.tenant, training.work
    modelstore.save(tenant, training.run.version, _model(work, "building"), _twin(work))
    with tenancy.use(tenant):
        needed = (releasing.live_run(), releasing.previous_run(), training.run)
    modelstore.prune(tenant, {run.version for run in needed if run})


def publish(training: Training, folder: Path) -> None:
    """Into Redis, beside the live one; the flip is the training's last step."""
    log = _log(training.work)
    publishing.write(training.tenant, training.run.version, _model(training.work, "building"))
    popularity.replace(training.tenant, building.visitors_of_items(log.items, log.events))


STAGES: Final[Mapping[str, Callable[[Training, Path], None]]] = dict(
    zip(trainings.STAGES, (read, choose, build_twin, judge, build, save, publish), strict=True)
)


def _log(work: Work) -> Log:
    rows = work.notes("reading")
    items = [catalog.ItemContent(**{**row, "categories": tuple(row["categories"])}) for row in rows]
    return Log(items, work.file("reading", events.FILE))


def _choice(work: Work) -> Choice:
    return Choice.from_json(work.notes("choosing")["choice"])


def _split_at(work: Work) -> datetime | None:
    moment = work.notes("choosing")["split_at"]
    return datetime.fromisoformat(moment) if moment else None


def _model(work: Work, stage: str) -> Model:
    return Model(work.tables(stage), _choice(work).serving)


def _twin(work: Work) -> Twin | None:
    moment = _split_at(work)
    return Twin(moment, _model(work, "holding_out")) if moment else None


def _live_twin(tenant: TenantRef, live: ModelRun | None) -> Twin | None:
    """The live version's twin; None if it has none, or it is lost: then its recorded quality has to do."""
    try:
        return modelstore.load_twin(tenant, live.version) if live else None
    except modelstore.BrokenModel:
        return None
