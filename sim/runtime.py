"""The objects of Verilator's runtime library, compiled once for all designs.

They do not depend on the design, and take longer to compile than a small one does.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .cache import cached_build, found_build

__all__ = ["shared_runtime"]

_KIND = "runtime"
_OBJECTS = "verilated*.o"
#: Seconds by which lent objects are newer than every makefile that is written in the course of a build: make takes them as they are.
_NEWER = 86_400


@contextmanager
def shared_runtime(folder: Path, parts: Sequence[str]) -> Iterator[None]:
    """For the time of a build in ``folder``: objects of an earlier build lie there; if there was none, this one's are kept.

    ``parts`` are all that the objects depend on: versions and flags.
    """
    lent = found_build(_KIND, parts)
    if lent is not None:
        later = time.time() + _NEWER
        for path in sorted(lent.glob(_OBJECTS)):
            shutil.copyfile(path, folder / path.name)
            os.utime(folder / path.name, (later, later))
    yield
    if lent is None:
        cached_build(_KIND, parts, lambda work: _keep(folder, work))


def _keep(folder: Path, work: Path) -> None:
    for path in sorted(folder.glob(_OBJECTS)):
        shutil.copyfile(path, work / path.name)
