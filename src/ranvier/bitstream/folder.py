"""A folder of results that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..files.safe import shown
from ..model.errors import RanvierError

__all__ = ["check_output", "replaced_folder"]


def check_output(output: Path, mark: str) -> None:
    """Only a folder with the file ``mark``, an empty one or none may be replaced. Raises `RanvierError`."""
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise RanvierError(f"{shown(output)}: it is not a folder; name another with -o")
    if output.is_dir() and any(output.iterdir()) and not (output / mark).is_file():
        raise RanvierError(f"{shown(output)}: it holds something else; name another folder with -o")


@contextmanager
def replaced_folder(output: Path, mark: str) -> Iterator[Path]:
    """A temporary folder beside ``output`` that takes its place at the end, but not after an exception or an interruption."""
    check_output(output, mark)
    parent = output.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".tmp", dir=parent))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RanvierError(f"{shown(output)}: cannot be made: {reason}; name another folder with -o") from None
    old = folder.with_name(folder.name + ".old")
    try:
        yield folder
        folder.chmod(0o777 & ~_umask())
        if output.exists():
            os.replace(output, old)
        os.replace(folder, output)
    finally:
        if old.exists() and not output.exists():
            os.replace(old, output)     # interrupted between the two
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
