"""Texts as words, the same way for what is searched and for what people type."""

import re
from typing import Final
from unicodedata import category, normalize

_POINT_IN_NUMBER: Final = re.compile(r"(?<!\d)\.|\.(?!\d)")
_WITHOUT_SPACES: Final = (  # scripts that put none between words: each of their letters begins a word
    (0x0E00, 0x0EDF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip


class _Characters(dict[int, str]):
    """What becomes of a character, found out when it comes up first: PostgreSQL's parser knows many of them only in
    some locales, and takes `red/blue` for a path, `size-5` for a negative number.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = category(character)
        kept = character if kind[0] in "LM" or character.isdecimal() or character == "." else " "
        if kind[0] == "L" and any(first <= code <= last for first, last in _WITHOUT_SPACES):
            kept = f" {character}"
        self[code] = kept
        return kept


_CHARACTERS: Final = _Characters()


def words(text: str) -> str:
    """The text in lower case with a space for all that is no letter or digit, but for the point in `5.5`."""
    found = normalize("NFC", text.lower()).translate(_CHARACTERS)
    return _POINT_IN_NUMBER.sub(" ", found) if "." in found else found
