"""The first thing that runs: until the command line is loaded, an interruption ends a command in one word."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

__all__ = ["is_command", "stop_quietly"]


def is_command(arguments: list[str], original: list[str]) -> bool:
    """Whether the interpreter was started as ``ranvier`` or ``python -m ranvier``; another program's signals are its own.

    ``arguments`` are `sys.argv`, whose first is ``-m`` while a module is looked for, and ``original`` is `sys.orig_argv`.
    """
    if not arguments:
        return False
    if arguments[0] == "-m":
        at = original.index("-m") if "-m" in original else len(original)
        return original[at + 1:at + 2] == ["ranvier"]
    return os.path.basename(arguments[0]) == "ranvier"


def stop_quietly(number: int, frame: FrameType | None) -> NoReturn:
    """Nothing has begun yet, so there is nothing to put away."""
    os.write(2, b"stopped\n")
    os._exit(128 + number)


if is_command(sys.argv, sys.orig_argv):
    for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(_number) != signal.SIG_IGN:
            signal.signal(_number, stop_quietly)
