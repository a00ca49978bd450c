"""What the demo says while it works and when it is ready."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.status import Status

from recomengine.demo.credentials import Credentials

SAY_EVERY: Final = 2.0  # seconds between lines where the output is not a terminal


class Narrator:
    """Progress on one line of a terminal, or a line every two seconds elsewhere."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self._status: Status | None = None
        self._said = float("-inf")
        self._began = time.monotonic()

    def __call__(self, message: str) -> None:
        """Say what is being done now."""
        if self._status is not None:
            self._status.update(message)
        elif time.monotonic() - self._said >= SAY_EVERY:
            self._said = time.monotonic()
            self.console.print(f"{self._said - self._began:5.0f} s  {message}", markup=False)

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """One step of the work: shown while it lasts, ticked off with its time."""
        began = time.monotonic()
        self._said = float("-inf")
        if self.console.is_terminal:
            self._status = self.console.status(doing)
            self._status.start()
        else:
            self(doing)
        try:
            yield
        finally:
            if self._status is not None:
                self._status.stop()
                self._status = None
        self.console.print(f"[green]✓[/] {done} [dim]{time.monotonic() - began:.1f} s[/]")

    def ready(self, credentials: Credentials, slug: str, item_id: str) -> None:
        """The panel at the end: where to go, how to log in, what to paste."""
        url = f"{credentials['api_url']}/api/v1/recommendations?placement=pdp&item_id={item_id}&limit=10"
        admin = credentials["admin"]
        lines = (
            f"[bold]Dashboard[/]  {credentials['dashboard_url']}",
            f"           {admin['email']}  ·  {admin['password']}",
            f"[bold]API[/]        {credentials['api_url']}/api/v1/docs/",
            "[bold]Keys[/]       .local/demo.json",
            "",
            "Ctrl-C stops everything; nothing is lost.",
        )
        self.console.print(Panel("\n".join(lines), title="RecomEngine is running", expand=False, padding=(1, 3)))
        self.console.print(
            f"Ask for recommendations:\n\ncurl -H 'X-API-Key: {credentials['tenants'][slug]['read_key']}' '{url}'\n",
            markup=False,
            soft_wrap=True,
        )
