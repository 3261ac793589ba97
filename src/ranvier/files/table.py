"""Tables of numbers as text: a sample a line, with or without a line of names, one column perhaps with the labels."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from .archive import Array
from .limits import MAX_CONTENT
from .safe import plain

__all__ = ["TABLES", "Table", "read_table"]

#: How files of tables end.
TABLES = (".csv", ".tsv", ".txt")
#: Names of a column of labels, in any case.
_LABELS = ("label", "labels", "class", "target", "y")
#: What no table of whole numbers has: points, exponents, NaN and infinity.
_FRACTION = re.compile(rb"[.eEnN]")
#: Characters of the first line, which says how many columns there are.
_MOST_LINE = 1 << 22


@dataclass(frozen=True, eq=False)
class Table:
    """Values (n, size), float64, or int64 where the text has whole numbers only; labels (n,) or None; their column's name or number."""

    values: npt.NDArray[np.float64] | npt.NDArray[np.int64]
    labels: Array | None
    labels_name: str


def read_table(data: bytes, owner: str, size: int | None, labels_key: str | None, limit: int | None) -> Table:
    """Read the text of a table whose samples have ``size`` values, or as many as there are with None. Raises `RanvierError`."""
    first = _first_line(_stream(data), owner)
    if not first or len(first) > _MOST_LINE or b"\0" in data:
        raise RanvierError(f"{owner}: it has no table of numbers; save it as CSV again")
    delimiter = max(",;\t", key=first.count)
    fields = _fields(first, delimiter, owner)
    names = None if all(_is_number(field) for field in fields) else [field.strip() for field in fields]
    column = _label_column(names, len(fields), size, labels_key, owner)
    if size is not None and len(fields) - (column is not None) != size:
        raise RanvierError(f"{owner}: {len(fields)} columns{', one of them the labels' if column is not None else ''}; "
                           f"the network takes {size} values a sample: remove what is no input, or name the labels' column with --labels")
    if (data.count(delimiter.encode()) + data.count(b"\n") + 1) * 8 > MAX_CONTENT:
        raise RanvierError(f"{owner}: it has more than {MAX_CONTENT // 8} numbers; save it with numpy.savez, or fewer of them")
    table = _numbers(data, delimiter, names is not None, limit, owner)
    if table.shape[1] != len(fields):
        raise RanvierError(f"{owner}: its lines have {table.shape[1]} columns, the first has {len(fields)}; save it as CSV again")
    labels = None if column is None else table[:, column].copy()
    values = table if column is None else np.delete(table, column, axis=1)
    name = "" if column is None else names[column] if names else str(column)
    header = first.strip().encode() if names else b""
    whole = not _FRACTION.search(data, data.index(header) + len(header)) and bool(np.all(np.abs(values) <= 1 << 53))
    return Table(values.astype(np.int64) if whole else values, labels, name if name.isprintable() else repr(name))


def _stream(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig")


def _first_line(stream: io.TextIOWrapper, owner: str) -> str:
    """The first line that is not empty, with its end; reads up to there."""
    try:
        return next((line for line in iter(stream.readline, "") if line.strip()), "")
    except UnicodeDecodeError:
        raise _no_text(owner) from None


def _no_text(owner: str) -> RanvierError:
    return RanvierError(f"{owner}: it is no text in UTF-8; save it as CSV again")


def _fields(line: str, delimiter: str, owner: str) -> list[str]:
    try:
        return next(csv.reader([line.strip("\r\n")], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise RanvierError(f"{owner}: its first line is no line of a table ({plain(error)}); save it as CSV again") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _label_column(names: Sequence[str] | None, count: int, size: int | None, key: str | None, owner: str) -> int | None:
    if key is not None:
        if names is not None and names.count(key) == 1:
            return names.index(key)
        if re.fullmatch(r"-?\d{1,7}", key) and -count <= int(key) < count:
            return int(key) % count
        there = (f"there are {', '.join(names[:6])}{' ...' if count > 6 else ''}" if names
                 else f"its columns have no names, give a number from 0 to {count - 1}")
        raise RanvierError(f"{owner}: --labels {key[:60]}: there is no such column; {there}")
    if names is not None:
        known = [n for n, name in enumerate(names) if name.lower() in _LABELS]
        if len(known) == 1:
            return known[0]
        if len(known) > 1:
            raise RanvierError(f"{owner}: the columns {', '.join(names[n] for n in known)} could all be the labels; name one with --labels")
    if size is not None and count == size + 1:
        raise RanvierError(f"{owner}: {count} columns for {size} inputs, and none is called {', '.join(_LABELS[:3])} or y; "
                           f"say which has the labels: --labels {names[0] if names else 0} for the first, --labels "
                           f"{names[-1] if names else count - 1} for the last")
    return None


def _numbers(data: bytes, delimiter: str, header: bool, limit: int | None, owner: str) -> npt.NDArray[np.float64]:
    stream = _stream(data)
    if header:
        _first_line(stream, owner)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")      # of an empty table
            return np.loadtxt(stream, np.float64, comments=None, delimiter=delimiter, ndmin=2, quotechar='"', max_rows=limit)
    except UnicodeDecodeError:
        raise _no_text(owner) from None
    except (ValueError, UserWarning) as error:
        raise RanvierError(f"{owner}: {plain(error)}; every value must be a number, also the labels: correct it") from None
