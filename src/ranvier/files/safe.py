"""Reading and writing files safely: bounded reads, strict JSON, and no half-written output.

Every failure is one `RanvierError` line, "file: field: problem; mend".
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from ..model.errors import RanvierError
from .limits import MAX_FILE

__all__ = ["json_bytes", "load_json", "parse_json", "plain", "read_bounded", "shown", "write_atomic", "write_json"]


def shown(path: str | os.PathLike[str]) -> str:
    """``path`` as it may stand in a one-line message."""
    text = os.fspath(path)
    return text if text.isprintable() else repr(text)


def read_bounded(path: str | os.PathLike[str], most: int = MAX_FILE) -> bytes:
    """The content of a regular file of at most ``most`` bytes; everything else is a `RanvierError`."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise RanvierError(f"{shown(path)}: it is not a regular file; give the name of a file")
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RanvierError(f"{shown(path)}: {reason.lower()}; check the name and the permissions") from None
    if len(data) > most:
        raise RanvierError(f"{shown(path)}: it is larger than {most >> 20} MiB; no file of its kind should be")
    return data


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` under a temporary name beside ``path``, then rename: all of it or nothing is there.

    An older regular file of that name is replaced. Nothing else is: no folder, device, pipe or socket, and no symbolic link, which
    would lose its target. Raises `RanvierError`, also where the folder cannot be written.
    """
    target = Path(path)
    try:
        if os.path.lexists(target) and not stat.S_ISREG(os.lstat(target).st_mode):
            raise RanvierError(f"{shown(path)}: cannot be written: it is {_kind(os.lstat(target).st_mode)}, not a regular file; "
                               "name another file")
        # Of its own making, so that it is nobody's device or link either; short, as the file's own name may be as long as names can be.
        temporary = target.parent / f".ranvier-{os.getpid()}-{secrets.token_hex(4)}.tmp"
        number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with open(number, "wb") as file:
                file.write(data)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RanvierError(
            f"{shown(path)}: cannot be written: {reason.lower()}; check the folder and its permissions") from None


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISLNK, "a symbolic link"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")


def json_bytes(value: Any, owner: str) -> bytes:
    try:
        return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()
    except (TypeError, ValueError, RecursionError):
        raise RanvierError(
            f"{owner}: it holds something that JSON cannot; use finite numbers, text, lists and objects") from None


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write plain JSON values with `write_atomic`; NaN and infinity are refused."""
    write_atomic(path, json_bytes(value, shown(path)))


def plain(error: BaseException) -> str:
    """The text of a foreign exception, on one line and not long."""
    text = " ".join(str(error).split())[:120]
    return text if text.isprintable() and text else type(error).__name__


# Networks


def load_json(path: str | os.PathLike[str]) -> Any:
    """The value in a JSON file, read as strictly as a network's."""
    return parse_json(read_bounded(path), shown(path))


def parse_json(data: bytes, owner: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a field is there twice")
        return found

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
        return value

    try:
        value = json.loads(data.decode(), object_pairs_hook=once, parse_float=number, parse_constant=number)
        # Half a surrogate pair passes as an escape and would fail when it is printed or saved.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError, MemoryError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else plain(error)
        raise RanvierError(f"{owner}: {reason}; write the file again") from None
    return value


# Pictures
