"""The stages of a training, each from what the stages before it left on disk to what the next ones need."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from catalog import popularity
from catalog import reading as catalog
from events import reading as events
from recomengine.lib import clock
from recommendations import building, modelstore, publishing, quality, releasing
from recommendations.building import Progress
from recommendations.models import ModelRun
from recommendations.modelstore import Twin
from recommendations.workdir import Work, keep_notes, keep_tables
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


@dataclass(frozen=True)
class Data:
    """What a training reads: the catalogue and the item lines of events."""

    items: list[catalog.ItemContent]
    interactions: pa.Table

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        if not self.interactions.num_rows:
            return None, None
        ends: dict[str, Any] = pc.min_max(self.interactions["occurred_at"]).as_py()
        return ends["min"], ends["max"]

    @property
    def log(self) -> quality.Log:
        numbers = {item.item_id: item.id for item in self.items}
        return quality.Log(numbers, building.numbered(self.items, ibis.memtable(self.interactions)).to_pyarrow())

    def until(self, moment: datetime) -> "Data":
        """What a training at that moment would have read of the events."""
        seen = pc.less_equal(self.interactions["occurred_at"], pa.scalar(moment))
        return Data(self.items, self.interactions.filter(seen))


def read(tenant: TenantRef) -> Data:
    """The tenant's catalogue and its events of the training window."""
    return Data(catalog.contents(tenant), events.interactions(tenant, clock.now() - WINDOW))


def take_data(training: Training, folder: Path) -> None:
    """Catalogue and events, as they are now, into files."""
    data = read(training.tenant)
    run = training.run
    run.events, run.items = data.interactions.num_rows, len(data.items)
    run.data_from, run.data_to = data.span
    keep_tables(folder, {"interactions": data.interactions})
    keep_notes(folder, [asdict(item) for item in data.items])


def build_twin(training: Training, folder: Path) -> None:
    """The twin: the same model, of what was there before the split moment; nothing if there is too little."""
    data = _data(training.work)
    training.run.split_at = moment = quality.split_moment(data.log)
    if moment is not None:
        past = data.until(moment)
        tables, _ = building.build(past.items, past.interactions, training.progress)
        keep_tables(folder, tables)
    keep_notes(folder, {"split_at": moment and moment.isoformat()})


def evaluate(training: Training, folder: Path) -> None:
    """How good each strategy is, by what the twin shows."""
    twin = _twin(training.work)
    found = quality.assess(_data(training.work).log, twin) if twin else []
    training.run.quality = [each.to_json() for each in found]


def build(training: Training, folder: Path) -> None:
    """The model itself, of all that was read."""
    data = _data(training.work)
    tables, report = building.build(data.items, data.interactions, training.progress)
    keep_tables(folder, tables)
    training.run.report = report


def save(training: Training, folder: Path) -> None:
    """Model and twin into the store; versions that nobody needs any more out of it."""
    tenant, work = training.tenant, training.work
    modelstore.save(tenant, training.run.version, work.tables("building"), _twin(work))
    with tenancy.use(tenant):
        needed = (releasing.live_run(), releasing.previous_run(), training.run)
    modelstore.prune(tenant, {run.version for run in needed if run})


def judge(training: Training, folder: Path) -> None:
    """Whether it may replace the live one; noted with which that was."""
    tenant = training.tenant
    with tenancy.use(tenant):
        live = releasing.live_run()
    twin = _twin(training.work)
    record = live.quality if live else []
    decision = quality.judge(_data(training.work).log, twin, _live_twin(tenant, live), record)
    training.run.decision = {**decision.to_json(), "live": live and live.version}


def publish(training: Training, folder: Path) -> None:
    """Into Redis, beside the live one; the flip is the training's last step."""
    data = _data(training.work)
    publishing.write(training.tenant, training.run.version, training.work.tables("building"))
    popularity.replace(training.tenant, building.visitors_of_items(data.items, data.interactions))


STAGES: Final[Mapping[str, Callable[[Training, Path], None]]] = {
    "reading": take_data,
    "holding_out": build_twin,
    "evaluating": evaluate,
    "building": build,
    "saving": save,
    "judging": judge,
    "publishing": publish,
}


def _data(work: Work) -> Data:
    rows = work.notes("reading")
    items = [catalog.ItemContent(**{**row, "categories": tuple(row["categories"])}) for row in rows]
    return Data(items, work.table("reading", "interactions"))


def _twin(work: Work) -> Twin | None:
    moment = work.notes("holding_out")["split_at"]
    return Twin(datetime.fromisoformat(moment), work.tables("holding_out")) if moment else None


def _live_twin(tenant: TenantRef, live: ModelRun | None) -> Twin | None:
    """The live version's twin; None if it has none, or it is lost: then its recorded quality has to do."""
    try:
        return modelstore.load_twin(tenant, live.version) if live else None
    except modelstore.BrokenModel:
        return None
