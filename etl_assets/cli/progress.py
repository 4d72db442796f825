"""How far long work is: a bar on a terminal, sparse lines elsewhere, and one line at the end.

All of it goes to stderr, so that stdout has the results alone. The time is that since the command
began: imports and the start of Dagster are a part of what a person waits for. Rows and bytes are
those of `core/meter.py`, and what is counted in steps (days, tables) is told by the caller.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Protocol

from etl_assets.cli.output import console
from etl_assets.cli.terminal import is_live
from etl_assets.cli.visible import echo
from etl_assets.core.meter import METER, Reading
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from rich.progress import Task

PAUSE = 30.0
"""Seconds between two lines where nothing can be drawn again."""
_FIRST_PAUSE = 5.0
_MEGABYTE = 1_000_000


class Shown(Protocol):
    """What shows a progress."""

    def refresh(self) -> None:
        """Show it as it is now."""
        ...


@dataclass
class Progress:
    """Steps that are done of so many; None where nobody knows how many there are.

    `unit` is what a step is, in the singular; `label` what is being worked at. A step is counted
    when it was tried: one who knows that some failed sets `has_errors`.
    """

    unit: str
    total: int | None = None
    label: str = "starting"
    done: int = 0
    began: float = field(default_factory=time.monotonic)
    before: Reading = field(default_factory=METER.read)
    past: list[str] = field(default_factory=list)
    shown: Shown | None = None
    has_errors: bool = False

    def step(self, label: str, steps: int = 1) -> None:
        """So many steps more are done, the last of them at `label`."""
        self.done += steps
        self.at(label)

    def at(self, label: str) -> None:
        """Say what is being worked at."""
        self.label = label
        if self.shown:
            self.shown.refresh()

    def on_day(self, path: str, *_: object) -> None:
        """`Platform.on_day`: a day of the table was loaded and checked, well or not."""
        self.step(path)

    def on_work(self, unit: str, total: int | None, label: str) -> None:
        """`Platform.on_work`: steps of another kind are counted from 0; of the same they go on.

        A kind of which there is nothing to do leaves what was counted.
        """
        if total == 0 and unit != self.unit:
            return
        if unit != self.unit:
            self.past += [self.counts()] if self.done else []
            self.unit, self.done = unit, 0
        self.total = total
        self.at(label)

    @property
    def read(self) -> Reading:
        """The rows and bytes since it began."""
        return METER.read() - self.before

    def counts(self) -> str:
        """`3 of 10 days`, or `3 days` where the number of all is not known."""
        if self.total is None or self.done > self.total:
            return count_of(self.done, self.unit)
        return f"{self.done:,} of {count_of(self.total, self.unit)}"

    def speed(self) -> str:
        """`1,234,567 rows (41,152 a second, 3.2 MB/s)`; nothing before the first row."""
        read, seconds = self.read, max(time.monotonic() - self.began, 0.001)
        if not read.rows:
            return ""
        megabytes = f", {read.bytes / seconds / _MEGABYTE:,.1f} MB/s" if read.bytes else ""
        return f"{count_of(read.rows, 'row')} ({read.rows / seconds:,.0f} a second{megabytes})"

    def result(self) -> str:
        """What came of all of it: the steps of each kind, and the speed."""
        steps = [*self.past, self.counts()] if self.done or not self.past else self.past
        return ", ".join(filter(None, [*steps, self.speed()]))

    def line(self) -> str:
        """Where it stands, in a line."""
        return ", ".join(filter(None, [f"{self.label}: {self.counts()}", self.speed()]))


@contextmanager
def progress(
    unit: str, total: int | None = None, label: str = "starting", *, done: str = "Done"
) -> Iterator[Progress]:
    """Show a progress until the context ends, and then the line that says what came of it.

    `done` begins that line. Work with errors, or that an error or Ctrl-C ends, has a line that says
    so instead.
    """
    shown = Progress(unit, total, label)
    over = "Stopped"
    try:
        with _Bar(shown) if is_live(sys.stderr) else _Lines(shown) as shown.shown:
            yield shown
        over = "Ended with errors" if shown.has_errors else done
    finally:
        shown.shown = None
        echo(f"{over} after {_shown(_waited())}: {shown.result()}.", err=True)


def _waited() -> float:
    """Seconds since the command began."""
    from etl_assets.cli.main import BEGAN

    return time.monotonic() - BEGAN


def _shown(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))


class _Bar:
    """A bar that a terminal draws again, some times a second."""

    def __init__(self, of: Progress) -> None:
        self.of = of
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "_Bar":
        from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Drawn
        from rich.text import Text

        of = self.of

        class Counts(ProgressColumn):
            """Steps, rows and speed, and the time since the command began."""

            def render(self, task: "Task") -> Text:  # noqa: ARG002 - there is one task
                """All of it in a line, as it is now."""
                told = [of.counts(), of.speed(), _shown(_waited())]
                return Text("  ".join(filter(None, told)), "progress.elapsed")

        drawn = Drawn(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            Counts(),
            console=console(file=sys.stderr),
            transient=True,
        )
        self._task = drawn.add_task(of.label, total=of.total)
        self._bar = drawn.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.refresh()
        self._bar.__exit__(*error)

    def refresh(self) -> None:
        """Take over what changed; it is drawn at the next beat."""
        of = self.of
        self._bar.update(self._task, description=of.label, completed=of.done, total=of.total)


class _Lines:
    """A line now and then: after some seconds, and then every half minute if something changed."""

    def __init__(self, of: Progress) -> None:
        self.of = of
        self._over = Event()
        self._thread = Thread(target=self._print, name="progress", daemon=True)

    def __enter__(self) -> "_Lines":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def refresh(self) -> None:
        """Nothing: the next line is printed when its time has come."""

    def _print(self) -> None:
        pause, last = _FIRST_PAUSE, ""
        while not self._over.wait(pause):
            pause, line = PAUSE, self.of.line()
            if line != last:
                echo(f"{_shown(_waited())} {line}", err=True)
            last = line
