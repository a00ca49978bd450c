"""Field types every input shares: identifiers, amounts, currencies, text, instants."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec

Identifier = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]([\x20-\x7e]{0,126}[\x21-\x7e])?\Z")]
Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z")]
WebAddress = Annotated[str, msgspec.Meta(pattern=r"^(https?://[^\s<>\"\x00-\x1f]+)?\Z", max_length=2000)]
NO_NUL: Final = r"^[^\x00]*\Z"  # PostgreSQL stores none
Text = Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=10_000)]
ShortText = Annotated[str, msgspec.Meta(pattern=NO_NUL, max_length=300)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]

MAX_AMOUNT: Final = Decimal(10) ** 10
FIRST_INSTANT: Final = datetime(1000, 1, 1, tzinfo=UTC)
LAST_INSTANT: Final = datetime(9999, 1, 1, tzinfo=UTC)


def check_amount(name: str, amount: Decimal | None) -> None:
    """Refuse an amount that is not a number from 0 up to ten billion with at most four places.

    Raises ValueError, which msgspec reports as a validation error of the struct at hand.
    """
    if amount is None:
        return
    if not (amount.is_finite() and 0 <= amount < MAX_AMOUNT):
        raise ValueError(f"`{name}` must be a number from 0 to {MAX_AMOUNT:,}")
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -4:
        raise ValueError(f"`{name}` has more than four decimal places")


def check_instant(name: str, instant: datetime | None) -> None:
    """Refuse an instant outside the years 1000 to 9998: PostgreSQL would store it, and no Python could read it again.

    Raises ValueError, as `check_amount` does.
    """
    if instant is not None and not FIRST_INSTANT <= instant < LAST_INSTANT:
        raise ValueError(f"`{name}` must lie in the years {FIRST_INSTANT.year} to {LAST_INSTANT.year - 1}")
