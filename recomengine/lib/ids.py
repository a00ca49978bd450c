"""Ids that nobody can guess, made thousands a second: asking the system for each took longer than all else about it."""

import os
from typing import Final

_DIGITS: Final = 32  # hexadecimal, 4 bits each
_AT_ONCE: Final = 256
_drawn: list[str] = []


def new_id() -> str:
    """128 bits from the system's generator, as 32 hexadecimal digits."""
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            digits = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
            _drawn.extend(digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS))


os.register_at_fork(after_in_child=_drawn.clear)  # two processes must not give the same
