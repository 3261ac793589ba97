"""What compiling made, kept from run to run: whole or not at all, and looked at before it is used.

A build is a folder with a file of checksums in it. One whose files do not match them is made again, which standard error says: a
damaged library would end the process that loads it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from ranvier.model.errors import RanvierError

__all__ = ["cache_folder", "cached_build", "cached_verilog", "found_build"]

_HERE = Path(__file__).resolve().parent
_SUMS = "SHA256SUMS"
#: What a path may hold for make and the compilers that it calls: they can quote nothing else.
_PLAIN = re.compile(r"[\w.,+/@:-]+", re.ASCII)


def cache_folder() -> Path:
    """Where builds are kept: ``RANVIER_CACHE``, or the user's cache folder."""
    root = os.environ.get("RANVIER_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ranvier"
    folder = Path(root).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cached_verilog(key: str, make: Callable[[], str]) -> str:
    """The Verilog that ``make`` gives; made once for each ``key`` and state of the sources."""
    digest = hashlib.sha256(key.encode())
    digest.update(metadata.version("amaranth").encode())
    for folder in ("rtl", "model"):
        for source in sorted((_HERE.parent / folder).rglob("*.py")):
            digest.update(source.read_bytes())

    def write(work: Path) -> None:
        (work / "design.v").write_text(make(), encoding="utf-8")

    return (cached_build("verilog", [digest.hexdigest()], write) / "design.v").read_text(encoding="utf-8")


def cached_build(kind: str, parts: Sequence[str], make: Callable[[Path], None]) -> Path:
    """Folder of the build that ``parts`` decide; if the cache has no sound one, ``make`` fills an empty folder.

    Only a complete build is ever in the cache, and processes that want the same one wait for the first. The path of the folder that
    ``make`` gets has no space in it. Raises `RanvierError` where a build does not stay as it was written.
    """
    folder = _place(kind, parts)
    found = found_build(kind, parts)
    if found is not None:
        return found
    with _lock(cache_folder() / f"{folder.name}.lock"):
        wrong = _damage(folder) if folder.is_dir() else ""
        if folder.is_dir() and not wrong:
            return folder    # another process was first
        if wrong:
            print(f"the build {folder} is damaged ({wrong}); it is made again", file=sys.stderr, flush=True)
        _make(folder, make)
    wrong = _damage(folder)
    if wrong:
        raise RanvierError(f"build cache: {folder} is damaged again as soon as it is made ({wrong}); name another folder in RANVIER_CACHE")
    return folder


def found_build(kind: str, parts: Sequence[str]) -> Path | None:
    """Folder of the build that ``parts`` decide, if the cache has a sound one."""
    folder = _place(kind, parts)
    return folder if folder.is_dir() and not _damage(folder) else None


def _place(kind: str, parts: Sequence[str]) -> Path:
    return cache_folder() / kind / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    """Fill ``folder``, of which this process has the lock; another one is in its place until then."""
    # Names that only the lock's holder uses, so what a killed process left goes now.
    new, old = (folder.with_name(f".{folder.name}.{name}") for name in ("new", "old"))
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        if _PLAIN.fullmatch(str(new)):
            new.mkdir()
            make(new)
        else:
            with tempfile.TemporaryDirectory(prefix="ranvier-build-") as temporary:
                if not _PLAIN.fullmatch(temporary):
                    raise RanvierError(f"build cache: make cannot work in {new.parent} nor in {temporary}, for the spaces or signs in "
                                       "their names; set RANVIER_CACHE or TMPDIR to a plain path")
                work = Path(temporary) / "build"
                work.mkdir()
                make(work)
                shutil.copytree(work, new, symlinks=True)
        sums = "".join(f"{_digest(path)}  {path.relative_to(new)}\n" for path in _files(new)).encode()
        (new / _SUMS).write_bytes(sums + f"{hashlib.sha256(sums).hexdigest()}  {_SUMS}\n".encode())
        # A process that has the old library loaded keeps it: its files lose their names, not their content.
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    """What a build is made of: its regular files but for logs."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".log" and path.name != _SUMS)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damage(folder: Path) -> str:
    """What is wrong with a build; nothing if it is as it was written."""
    try:
        data = (folder / _SUMS).read_bytes()
        lines = data.splitlines(keepends=True)
        sums = b"".join(lines[:-1])
        if data != sums + f"{hashlib.sha256(sums).hexdigest()}  {_SUMS}\n".encode():
            return f"{_SUMS} is not what was written"
        for line in sums.decode().splitlines():
            digest, _, name = line.partition("  ")
            if _digest(folder / name) != digest:
                return f"{name} is not what was written"
    except OSError as error:
        return f"{Path(error.filename or _SUMS).name} cannot be read"
    return ""


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep other processes from building the same thing at the same time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
