"""Log files of services and processes: kept from growing without end, and quoted when something fails."""

from pathlib import Path

_ROTATE_BYTES = 10_000_000
_QUOTED_LINES = 15


def open_log(log: Path) -> int:
    """Make room for a log and give its present length; a long one is set aside as `.log.1` first."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _ROTATE_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    log.touch()
    return log.stat().st_size


def last_lines(log: Path, since: int = 0) -> str:
    """The last lines written after that offset, indented for quoting in a message."""
    with log.open("rb") as file:
        file.seek(since)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-_QUOTED_LINES:]) or "    (nothing)"
