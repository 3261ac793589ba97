"""Programs that this one starts, and signals that end this one: no program outlives it, however it ends.

Every program runs in a process group of its own, led by a *guard*: a shell that reads from a pipe whose other end only this
process holds. When the pipe closes, which it also does when this process is killed outright, the guard kills its group: the
program and whatever that started. (`PR_SET_PDEATHSIG` would reach neither a compiler below `make` nor a program that a thread
started which has since ended.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["DEAF_S", "Stopped", "run", "started", "stopped_by_signals", "worker_processes"]

#: It ignores what a terminal or a polite kill sends: only the pipe tells it to end.
_GUARD = "trap '' INT TERM HUP; read -r _; kill -KILL 0"
#: Seconds that a program gets to put its temporary files away before it is killed.
_GRACE_S = 2.0
#: Seconds after a signal in which no other one counts.
DEAF_S = 10.0


class Stopped(BaseException):
    """This process was told to end by signal ``number``; not an `Exception`, so that nothing takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Inside, interruption, termination and hang-up raise `Stopped` in the main thread, where this must be called.

    What comes in the few seconds after one is ignored, so that cleaning up is not cut short. A signal that is ignored already
    (``nohup``) stays so.
    """
    last = -DEAF_S

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= DEAF_S:
            last = now
            raise Stopped(number)

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in signals if signal.getsignal(number) != signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A running program; at the end of the block it and all that it started are gone.

    ``options`` are those of `subprocess.Popen`; without ``stdin`` the program has none. Raises `OSError` where it cannot be started.
    Inside, wait for it with ``wait`` or ``communicate``: what still runs when the block ends is told to end, then killed.
    """
    with subprocess.Popen(["/bin/sh", "-c", _GUARD], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          process_group=0) as guard:
        # The guard is not reaped before the end, so its number stays this group's own.
        try:
            process = subprocess.Popen(list(command), **{"stdin": subprocess.DEVNULL, **options}, process_group=guard.pid)
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(guard.pid, signal.SIGTERM)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_GRACE_S)
                os.killpg(guard.pid, signal.SIGKILL)
                process.wait()
                for stream in (process.stdin, process.stdout, process.stderr):
                    if stream is not None:
                        with contextlib.suppress(OSError):
                            stream.close()
        finally:
            guard.kill()


def run(command: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None, *,
        timeout: float | None = None, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end in ``folder``; its exit code, and as text what it wrote to both outputs.

    It reads what it is ``given``; without that it has no standard input.

    Raises `OSError` where it cannot be started, and `subprocess.TimeoutExpired` after ``timeout`` seconds; it is then gone.
    """
    with started(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace") as process:
        out, err = process.communicate(given, timeout=timeout)
        return subprocess.CompletedProcess(list(command), process.returncode, out, err)


@contextlib.contextmanager
def worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """``count`` new interpreters that take tasks; after an exception in the block they are killed, whatever they are doing.

    They end with this process, however it ends, and leave interruptions from the terminal to it.
    """
    before = set(active_children())
    # Not forked: threads, such as the golden model's, do not survive a fork.
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        yield pool
    except BaseException:
        for process in set(active_children()) - before:
            process.kill()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
