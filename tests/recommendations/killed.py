"""A training whose process is killed in the middle of a stage: `python -m tests.recommendations.killed SLUG STAGE`."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import django


def main(slug: str, stage: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
    django.setup()
    from recommendations.releases import releasing
    from recommendations.training import running, stages
    from tenants import directory

    def killed(*arguments: Any, **_: Any) -> None:
        """What the stage does, and then the end, before it counts as complete."""
        if stage != "flipping":
            do(*arguments)
            (Path(arguments[1]) / "half").write_text("written")
        os.kill(os.getpid(), signal.SIGKILL)

    if stage == "flipping":
        releasing.versions.flip = killed
    else:
        do = stages.STAGES[stage]
        stages.STAGES[stage] = killed  # type: ignore[index]
    running.train(directory.get(slug))


if __name__ == "__main__":
    main(*sys.argv[1:])
