"""A folder of results that appears whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..model.errors import RanvierError
from .safe import shown

__all__ = ["check_folder", "result_folder"]

#: Names of entries, all of them, of a folder that is there: whether it may be replaced.
Ours = Callable[[frozenset[str]], bool]

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
#: Seconds after which a folder of work that nobody holds is one that a killed process left.
_STALE_S = 60.0


def check_folder(output: Path, ours: Ours) -> None:
    """Only a folder whose content is ``ours``, an empty one or none may be replaced, and no current one. Raises `RanvierError`."""
    try:
        if output.is_symlink():
            raise RanvierError(f"{shown(output)}: it is a symbolic link; name the folder itself with -o")
        if not os.path.lexists(output):
            return
        if not output.is_dir():
            raise RanvierError(f"{shown(output)}: it is not a folder; name another with -o")
        if output.samefile(Path.cwd()):
            raise RanvierError(f"{shown(output)}: it is the current folder, which cannot be replaced; name another with -o")
        found = frozenset(os.listdir(output))
    except (OSError, ValueError) as error:
        raise _cannot(output, error) from None
    if found and not ours(found):
        raise RanvierError(f"{shown(output)}: it holds something else; name another folder with -o")


@contextmanager
def result_folder(output: Path, ours: Ours) -> Iterator[Path]:
    """A temporary folder beside ``output`` that takes its place at the end, but not after an exception or an interruption.

    Until then an older folder stays as it is; where the system can, both change places at one moment. ``ours`` says by the names in
    it whether an older folder holds results and nothing else. Folders above that had to be made go again after a failure. Raises
    `RanvierError` where the folder cannot be made or must not be replaced.
    """
    check_folder(output, ours)
    target = Path(os.path.abspath(output))
    made: list[Path] = []
    try:
        made = _make_parents(target.parent)
        start = f".ranvier-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]}-"    # a name of the most bytes has no room for more
        _remove_stale(target.parent, start)
        folder = Path(tempfile.mkdtemp(prefix=start, suffix=".tmp", dir=target.parent))
    except (OSError, ValueError) as error:
        _remove_empty(made)
        raise _cannot(output, error) from None
    try:
        with _held(folder):
            yield folder
            check_folder(output, ours)
            try:
                folder.chmod(0o777 & ~_umask())
                _take_place(folder, target)
            except OSError as error:
                raise _cannot(output, error) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty(made)
        raise
    shutil.rmtree(folder, ignore_errors=True)    # what was there before, if anything was


def _cannot(output: Path, error: Exception) -> RanvierError:
    reason = ((isinstance(error, OSError) and error.strerror) or str(error)).lower()
    return RanvierError(f"{shown(output)}: cannot be made: {reason}; name another folder with -o")


def _make_parents(folder: Path) -> list[Path]:
    """Make ``folder`` and what is missing above it; the folders that were made, the innermost first."""
    missing = []
    for path in (folder, *folder.parents):
        if path.is_dir():
            break
        missing.append(path)
    made: list[Path] = []
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            made.insert(0, path)
    except BaseException:
        _remove_empty(made)
        raise
    return made


def _remove_empty(folders: list[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """A lock that ends with this process, so that what it leaves when it is killed can be told from work."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):    # not every file system locks folders
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(number)


def _remove_stale(parent: Path, start: str) -> None:
    """Remove what killed processes left of the same output."""
    for path in parent.glob(f"{start}*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime < _STALE_S:
                continue
            number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(number)


def _take_place(folder: Path, target: Path) -> None:
    """Put ``folder`` in the place of ``target``; what was there is then in ``folder``."""
    if not target.exists():
        os.rename(folder, target)
        return
    try:
        _exchange(folder, target)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise
        old = folder.with_suffix(".old")
        os.rename(target, old)
        try:
            os.rename(folder, target)
        except BaseException:
            os.rename(old, target)
            raise
        os.rename(old, folder)


def _exchange(one: Path, other: Path) -> None:
    """Swap two names at one moment. Raises `OSError`, ENOSYS where the system has no call for it."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
