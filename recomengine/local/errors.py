"""The one error of the local services."""

from pathlib import Path


class LocalServicesError(Exception):
    """What went wrong and what to do about it, as a sentence for the person at the terminal."""


def failed(what: str, place: Path) -> LocalServicesError:
    """The error for a server that failed with this output, its data being in `place`."""
    return disk_full(place) if "No space left on device" in what else LocalServicesError(what)


def disk_full(place: Path) -> LocalServicesError:
    """The error for too little room where the data are."""
    return LocalServicesError(f"There is not enough free space on the disk of {place}: free at least 300 MB there.")


def belongs_to_another(path: Path) -> LocalServicesError:
    """The error for a path that this account cannot use."""
    return LocalServicesError(
        f"{path} belongs to another account: use the account that made it, or delete it if nobody needs its data."
    )
