"""HTML as plain text."""

import re
from html.parser import HTMLParser
from typing import Final

_BLOCKS: Final = frozenset(
    {"address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "figure", "footer", "h1",
     "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul"}
)  # fmt: skip
_HIDDEN: Final = frozenset({"script", "style", "template", "head"})
MAX_MARKUP: Final = 100_000  # characters; Python's parser takes quadratic time over some broken markup


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag == "td":
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def text_of(markup: str) -> str:
    """What a reader sees of a piece of HTML, a line a paragraph.

    Raises ValueError for more than `MAX_MARKUP` characters and for what Python's parser gives up on.
    """
    if "<" not in markup and "&" not in markup:
        return markup.strip()
    if len(markup) > MAX_MARKUP:
        raise ValueError(f"The HTML is longer than {MAX_MARKUP:,} characters.")
    parser = _Text()
    try:
        parser.feed(markup)
        parser.close()
    except AssertionError as error:  # how it refuses declarations that HTML does not have
        raise ValueError(f"The HTML cannot be read: {error}.") from error
    lines = (" ".join(line.split()) for line in "".join(parser.parts).split("\n"))
    return "\n".join(line for line in lines if line)
