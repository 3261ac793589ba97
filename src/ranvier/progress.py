"""Progress bars, on standard error, for steps that may take longer than two seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

__all__ = ["bar", "several", "share", "waiting"]

#: Seconds between lines where there is no terminal.
_SAY_EVERY = 30.0
#: Seconds that a step may take without a word.
_QUICK = 2.0


@contextmanager
def _shown(*columns: ProgressColumn) -> Iterator[Progress]:
    """Stays where the step ends well; after an error it goes, so that the error's line stands alone."""
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description:<46}"), BarColumn(bar_width=24), *columns, TimeElapsedColumn(),
                  console=console) as progress:
        try:
            yield progress
        except BaseException:
            for task in progress.task_ids:
                progress.update(task, visible=False)
            console.quiet = not console.is_terminal
            raise


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of ``total`` parts; call what it gives with the number of parts done so far."""
    with _shown(MofNCompleteColumn()) as progress:
        task = progress.add_task(title, total=total)
        said = time.monotonic()

        def update(done: int) -> None:
            nonlocal said
            progress.update(task, completed=done)
            # In a log no bar can move, so it says now and then how far it is.
            if not progress.console.is_terminal and time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                progress.console.print(f"{title}: {done} of {total}")
        yield update


@contextmanager
def share(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar in percent; call what it gives with the parts done so far and the parts there are."""
    with bar(title, 100) as update:
        yield lambda done, total: update(100 * done // max(1, total))


@contextmanager
def several(titles: Sequence[str]) -> Iterator[Callable[[int, int, str], None]]:
    """A bar in percent for each of ``titles``; call what it gives with a bar's number, its percent and what it does."""
    with _shown(TextColumn("{task.fields[state]:<10}")) as progress:
        tasks = [progress.add_task(title, total=100, state="waits") for title in titles]
        begun, ended = set[int](), set[int]()

        def say(n: int, text: str) -> None:
            if not progress.console.is_terminal:
                progress.console.print(f"{titles[n]} {text}")

        def update(n: int, percent: int, state: str) -> None:
            progress.update(tasks[n], completed=percent, state=state)
            if n not in begun:
                begun.add(n)
                say(n, "...")
            if percent >= 100 and n not in ended:
                ended.add(n)
                say(n, state)
        yield update


@contextmanager
def waiting(title: str) -> Iterator[None]:
    """For a step whose length is not known: a moving bar and the time it has taken, from its third second on."""
    with _shown() as progress:
        task = progress.add_task(title, total=None, visible=False)

        def show() -> None:
            progress.update(task, visible=True)
            if not progress.console.is_terminal:
                progress.console.print(f"{title} ...")
        timer = threading.Timer(_QUICK, show)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        progress.update(task, total=1, completed=1)
