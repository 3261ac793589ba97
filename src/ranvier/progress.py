"""Progress bars, on standard error, for steps that may take longer than two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["bar", "waiting"]


def _columns() -> tuple[TextColumn, BarColumn, MofNCompleteColumn, TimeElapsedColumn]:
    return TextColumn("{task.description:<46}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn()


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of ``total`` parts; call what it gives with the number of parts done so far."""
    console = Console(stderr=True)
    with Progress(*_columns(), console=console) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def waiting(title: str) -> Iterator[None]:
    """For a step whose length is not known: a moving bar and the time it has taken."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"{title} ...")
    with Progress(TextColumn("{task.description:<46}"), BarColumn(bar_width=24), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(title, total=None)
        yield
        progress.update(task, total=1, completed=1)
