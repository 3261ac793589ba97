"""A recording of events: what an event camera gives, a time, a place and a sign each."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...files.archive import Archive, parse_npy
from ...files.limits import MAX_HEADER
from ...files.safe import plain, read_bounded, shown
from ...model.errors import RanvierError

__all__ = ["DTYPE", "Events", "Recording", "load_events", "make_events"]

#: An event: time in the recording's units (microseconds in AEDAT4), column, row, polarity. The names and their order are tonic's.
DTYPE = np.dtype([("t", np.int64), ("x", np.int32), ("y", np.int32), ("p", np.int8)])
Events = npt.NDArray[np.void]

# Where the name of a column may be spelt in another way.
_NAMES = {"t": ("t", "timestamp", "timestamps", "ts"), "x": ("x",), "y": ("y",), "p": ("p", "polarity", "on")}


@dataclass(frozen=True)
class Recording:
    """``events`` of `DTYPE` in the order of time, and the ``sensor_size``: width, height, polarities."""

    events: Events
    sensor_size: tuple[int, int, int]


def make_events(t: npt.ArrayLike, x: npt.ArrayLike, y: npt.ArrayLike, p: npt.ArrayLike, *,
                sensor_size: tuple[int, int, int] | None = None, owner: str = "events") -> Recording:
    """A recording of four arrays of one length; without ``sensor_size`` it is as large as its events need, with 2 polarities.

    A polarity is 0 or 1, or -1 and 1, where -1 becomes 0. Raises `RanvierError` for lengths that differ, numbers that are not whole,
    times that go back, and events outside of the sensor.
    """
    columns = {name: _whole(np.asarray(column), name, owner) for name, column in (("t", t), ("x", x), ("y", y), ("p", p))}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise RanvierError(f"{owner}: {', '.join(f'{count} {name}' for name, count in lengths.items())}; give as many of each")
    if columns["p"].size and int(columns["p"].min()) < 0 and set(np.unique(columns["p"]).tolist()) <= {-1, 1}:
        columns["p"] = (columns["p"] > 0).astype(np.int64)
    size = sensor_size or tuple(max(int(columns[name].max(initial=0)) + 1, least) for name, least in (("x", 1), ("y", 1), ("p", 2)))
    if len(size) != 3 or not all(1 <= n <= 1 << 15 for n in size):
        raise RanvierError(f"{owner}: a sensor of {size}; give width, height and polarities, each 1 to {1 << 15}")
    for name, most in zip("xyp", size, strict=True):
        outside = np.flatnonzero((columns[name] < 0) | (columns[name] >= most))
        if outside.size:
            n = int(outside[0])
            raise RanvierError(f"{owner}: event {n}: {name} is {columns[name][n]}, outside of the sensor's 0 to {most - 1}; "
                               "give the sensor's size, or drop such events")
    back = np.flatnonzero(np.diff(columns["t"]) < 0)
    if back.size:
        n = int(back[0]) + 1
        raise RanvierError(f"{owner}: event {n}: its time {columns['t'][n]} lies before {columns['t'][n - 1]}, that of the event before; "
                           "sort the events by time")
    events = np.empty(len(columns["t"]), DTYPE)
    for name, column in columns.items():
        events[name] = column
    return Recording(events, (int(size[0]), int(size[1]), int(size[2])))


def _whole(column: npt.NDArray[Any], name: str, owner: str) -> npt.NDArray[np.int64]:
    if column.ndim != 1 or column.dtype.kind not in "iubf":
        raise RanvierError(f"{owner}: {name} has the shape {column.shape} and type {column.dtype}; give a column of whole numbers")
    if column.dtype.kind == "f" and not (np.isfinite(column).all() and (column == np.rint(column)).all()):
        raise RanvierError(f"{owner}: {name} holds numbers that are not whole; give times in whole units, microseconds for instance")
    if column.size and max(abs(float(column.min())), abs(float(column.max()))) >= 2.0**62:
        raise RanvierError(f"{owner}: {name} holds numbers beyond 62 bits; subtract the first")
    return column.astype(np.int64)


def load_events(path: str | os.PathLike[str], *, sensor_size: tuple[int, int, int] | None = None) -> Recording:
    """A recording from a file: AEDAT4 (``.aedat4``, needs the extra ``events``), npy, or npz.

    An npy holds an array with the fields t, x, y, p, or one of four columns in that order. An npz holds four arrays of these names, or one
    array as an npy does. A field may also be called timestamp, or polarity. Raises `RanvierError` as `make_events` does, and for files
    that are none of these.
    """
    owner = shown(path)
    if Path(path).suffix.lower() in (".aedat4", ".aedat"):
        columns, size = _load_aedat4(path, owner)
        return make_events(*columns, sensor_size=sensor_size or size, owner=owner)
    return make_events(*_load_arrays(path, owner), sensor_size=sensor_size, owner=owner)


def _load_arrays(path: str | os.PathLike[str], owner: str) -> list[npt.NDArray[Any]]:
    if Path(path).suffix.lower() == ".npz":
        archive = Archive(path)
        arrays = {name.removesuffix(".npy"): _array(archive.read(name), f"{owner}: array {name.removesuffix('.npy')}")
                  for name in archive.names}
    else:
        arrays = {"": _array(read_bounded(path), owner)}
    if len(arrays) == 1:
        (array,) = arrays.values()
        if array.dtype.names:
            arrays = {name: array[name] for name in array.dtype.names}
        elif array.ndim == 2 and array.shape[1] == 4:
            return [array[:, n] for n in range(4)]
        else:
            raise RanvierError(f"{owner}: an array of the shape {array.shape} and type {array.dtype}; give four columns t, x, y, p")
    return [_column(arrays, name, owner) for name in "txyp"]


def _array(data: bytes, owner: str) -> npt.NDArray[Any]:
    """An npy file's array: plain numbers, or one axis of fields of plain numbers, which `parse_npy` does not take."""
    if not data.startswith(b"\x93NUMPY") or b"'descr': [" not in data[:MAX_HEADER]:
        return parse_npy(data, owner)
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file, max_header_size=MAX_HEADER)
    except Exception as error:    # whatever numpy stumbles over in a header
        raise RanvierError(f"{owner}: its header is damaged ({plain(error)}); write it again") from None
    size = len(data) - file.tell()
    numbers = all(dtype[name].kind in "iufb" for name in dtype.names or ())
    if not numbers or len(shape) != 1 or shape[0] * dtype.itemsize != size:
        raise RanvierError(f"{owner}: it is no list of events with fields of numbers, or it is cut short; write it again")
    return np.frombuffer(data, dtype, offset=file.tell())


def _column(arrays: dict[str, npt.NDArray[Any]], name: str, owner: str) -> npt.NDArray[Any]:
    for spelling in _NAMES[name]:
        if spelling in arrays:
            return arrays[spelling]
    raise RanvierError(f"{owner}: there is no {name} among {', '.join(sorted(arrays))}; give arrays or fields t, x, y, p")


def _load_aedat4(path: str | os.PathLike[str], owner: str) -> tuple[list[npt.NDArray[Any]], tuple[int, int, int] | None]:
    try:
        import aedat
    except ImportError:
        raise RanvierError(f"{owner}: reading AEDAT4 needs the aedat package; pip install 'ranvier[events]'") from None
    if not os.path.isfile(path):
        raise RanvierError(f"{owner}: there is no such file; check the name")
    packets, size = [], None
    try:
        decoder = aedat.Decoder(os.fspath(path))
        for stream in decoder.id_to_stream().values():
            if stream["type"] == "events":
                size = (int(stream["width"]), int(stream["height"]), 2)
        for packet in decoder:
            if "events" in packet:
                packets.append(packet["events"])
    except Exception as error:    # the decoder raises its own kinds for each way in which a file can be damaged
        raise RanvierError(f"{owner}: it is no whole AEDAT4 file ({plain(error)}); record or copy it again") from None
    if not packets:
        raise RanvierError(f"{owner}: it holds no events; choose another recording")
    events = np.concatenate(packets)
    return [_column({field: events[field] for field in events.dtype.names or ()}, name, owner) for name in "txyp"], size
