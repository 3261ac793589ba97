"""Samples from files, with their labels, and samples as integers for a network's inputs."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.network.network import Network
from .archive import Archive, Array, parse_npy
from .input_mapping import input_mapping_of
from .labels import Labels, read_labels
from .limits import MAX_CONTENT
from .named import choose_arrays
from .safe import read_bounded, shown
from .table import TABLES, Table, read_table

__all__ = ["DUST", "Pixels", "Samples", "load_pictures", "load_samples", "quantise_samples"]

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

#: Share of a range by which a value may lie outside it and is then clipped: what rounding in float32 leaves behind.
DUST = 1e-6
#: Values that are converted at a time.
_CHUNK = 1 << 20
_ZIP, _NPY = b"PK", b"\x93NUMPY"
_PICKLE = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_PICKLES = (".pkl", ".pickle", ".joblib")


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples as a file has them, before anything is scaled.

    values
        Shape (n, size). ``uint8`` where the file has bool, the file's type where it has integers, ``float64`` for floats of any kind.
    labels
        Shape (n,): ``int64`` where all are whole (class numbers; one-hot rows become their index), ``float64`` for targets of a regression,
        None where the file has none.
    low, high
        Smallest and largest value; finite.
    kind
        What the file has: ``bool``, ``integer`` or ``float``.
    source, labels_source
        File and array that values and labels came from, for reports and messages; ``labels_source`` is empty without labels.
    """

    values: npt.NDArray[Any]
    labels: Labels | None
    low: float
    high: float
    kind: str
    source: str
    labels_source: str = ""

    def natural_range(self, input_bits: int = 8) -> tuple[float, float]:
        """The range that values of this kind have where nobody names another: 0 to 2**input_bits - 1 for integers, else 0 to 1."""
        return 0.0, float((1 << input_bits) - 1) if self.kind == "integer" else 1.0


def load_samples(path: str | os.PathLike[str], size: int, *, samples_key: str | None = None, labels_key: str | None = None,
                 limit: int | None = None) -> Samples:
    """Read samples of ``size`` values each, and their labels where there are any.

    ``path`` is one of these; no pickle is ever read.

    - An npz file. ``samples_key`` and ``labels_key`` name its arrays. Without them ``pictures``, ``samples`` and ``labels``,
      ``X`` and ``y``, ``x_test`` and ``y_test``, ``images`` and ``targets``, ``arr_0`` and ``arr_1`` are found, and arrays of other
      names by their shapes where only one can be meant.
    - An npy file, which has no labels; ``labels_key`` may name another npy file that has them.
    - A table of numbers as text (csv, or tsv, txt), a sample a line, with or without a line of names first. ``labels_key`` names the
      labels' column, or gives its number from 0 (from the end, if negative). Without it the column is ``label``, ``class``,
      ``target`` or ``y``.

    Samples have shape (n, size), or more dimensions that flatten to it; where ``size`` is 1 also (n,). ``limit`` leaves out all but the
    first. Raises `RanvierError`.
    """
    name = shown(path)
    suffix = Path(path).suffix.lower()
    if suffix in _PICKLES:
        raise _pickle(name)
    if suffix == ".npz":
        return _from_archive(Archive(path), size, samples_key, labels_key, limit)
    data = read_bounded(path)
    if data.startswith(_PICKLE):
        raise _pickle(name)
    if data.startswith(_NPY):
        return _from_npy(data, name, size, samples_key, labels_key, limit)
    if suffix in TABLES:
        if samples_key is not None:
            raise RanvierError(f"{name}: a table has no arrays to choose from; leave --samples out")
        return _from_table(read_table(data, name, size, labels_key, limit), name)
    if data.startswith(_ZIP):
        return _from_archive(Archive(path), size, samples_key, labels_key, limit)
    raise RanvierError(f"{name}: it is no npz, npy or csv file, or it is cut short; save samples with numpy.savez")


def _pickle(name: str) -> RanvierError:
    return RanvierError(f"{name}: pickle can run code; save with numpy.savez")


def _from_archive(archive: Archive, size: int, samples_key: str | None, labels_key: str | None, limit: int | None) -> Samples:
    wanted, labels_name = choose_arrays(archive, size, samples_key, labels_key)
    names = [f"{name}.npy" for name in (wanted, labels_name) if name is not None]
    # What the limit leaves out is not even inflated, but where labels do not go with the samples, which needs the whole count.
    rows = limit if len({archive.shape(name)[:1] for name in names}) == 1 else None
    array, *others = (archive.array(name, rows=rows) for name in names)
    labels = others[0] if others else None
    return _samples(array, labels, size, limit, f"{archive.path}: {wanted}", f"{archive.path}: {labels_name}")


def _from_npy(data: bytes, name: str, size: int, samples_key: str | None, labels_key: str | None, limit: int | None) -> Samples:
    if samples_key is not None:
        raise RanvierError(f"{name}: an npy file has one array only; leave --samples out")
    labels = None
    if labels_key is not None:
        if Path(labels_key).suffix.lower() != ".npy":
            raise RanvierError(f"{name}: labels: an npy file has one array only; --labels names the npy file that has them, "
                               f"not {labels_key[:60]!r}")
        labels = parse_npy(read_bounded(labels_key), shown(labels_key))
    return _samples(parse_npy(data, name), labels, size, limit, name, shown(labels_key or ""))


def _from_table(table: Table, name: str) -> Samples:
    labels = None if table.labels is None else read_labels(table.labels, len(table.values), f"{name}: column {table.labels_name}")
    return _checked(table.values, labels, name, f"{name}: column {table.labels_name}")


def _samples(array: Array, labels: Array | None, size: int, limit: int | None, source: str, labels_source: str) -> Samples:
    if array.ndim == 1 and size == 1:
        array = array[:, None]
    if array.ndim < 2 or math.prod(array.shape[1:]) != size or len(array) == 0:
        raise RanvierError(f"{source}: shape {array.shape}; the network needs (n, {size}) with n at least 1: reshape them")
    found = None if labels is None else read_labels(labels, len(array), labels_source)
    if limit is not None:
        array, found = array[:limit], None if found is None else found[:limit]
    return _checked(array.reshape(len(array), size), found, source, labels_source)


def _checked(values: Array, labels: Labels | None, source: str, labels_source: str) -> Samples:
    kind = {"b": "bool", "i": "integer", "u": "integer", "f": "float"}[values.dtype.kind]
    if kind == "float" and values.size * 8 > MAX_CONTENT:
        raise RanvierError(f"{source}: {values.size} floats; at most {MAX_CONTENT // 8} are read at once: use --limit, or save fewer")
    # One extremum says it all: NaN and infinity carry through to it.
    low, high = _extremes(values)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RanvierError(f"{source}: a value is NaN or infinite; replace it")
    if kind == "float":
        values = values.astype(np.float64)
    elif kind == "bool":
        values = values.astype(np.uint8)
    return Samples(values, labels, low, high, kind, source, "" if labels is None else labels_source)


def _extremes(values: Array) -> tuple[float, float]:
    with np.errstate(invalid="ignore"):     # of a signalling NaN
        return float(values.min()), float(values.max())


def quantise_samples(values: npt.NDArray[Any], low: float, high: float, input_bits: int, *, owner: str = "samples") -> Pixels:
    """``values`` from the range ``low`` to ``high`` as integers 0 to 2**input_bits - 1, each the nearest (halves to even).

    ``values`` is an array of bool, integers or floats of any shape; the result has its shape and is uint8 up to 8 input bits, else uint16.
    What lies outside the range by at most `DUST` of it is clipped. What lies further outside, NaN and infinity raise `RanvierError`, whose
    text begins with ``owner``.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise RanvierError(f"{owner}: the range is {low:g} to {high:g}; it must be two finite numbers, the lower first")
    top = (1 << input_bits) - 1
    if values.dtype.kind not in "biuf":
        raise RanvierError(f"{owner}: type {values.dtype}; they must be integers, floats or bool: convert them")
    result: Pixels = np.empty(values.shape, np.uint8 if input_bits <= 8 else np.uint16)
    if values.size == 0:
        return result
    least, most = _extremes(values)
    if not (math.isfinite(least) and math.isfinite(most)):
        raise RanvierError(f"{owner}: a value is NaN or infinite; replace it")
    dust = DUST * (high - low)
    if least < low - dust or most > high + dust:
        raise RanvierError(_outside(values, least, most, low, high, owner))
    if values.dtype.kind != "f" and low == 0 and high == top:
        result[...] = values
        return result
    source, target = values.reshape(-1), result.reshape(-1)
    for first in range(0, source.size, _CHUNK):
        part = source[first:first + _CHUNK].astype(np.float64)
        target[first:first + _CHUNK] = np.clip(np.rint((part - low) / (high - low) * top), 0, top)
    return result


def _outside(values: npt.NDArray[Any], least: float, most: float, low: float, high: float, owner: str) -> str:
    kind = "floats" if values.dtype.kind == "f" else "values"
    standardised = (", or with --mean and --std if it was trained on standardised inputs, and give the samples as they were before"
                    if kind == "floats" else "")
    return (f"{owner}: {kind} from {least:.7g} to {most:.7g}; the network's inputs take {low:g} to {high:g}: "
            f"convert the network with --input-range LOW HIGH, the range of its data{standardised}")


def load_pictures(path: str | os.PathLike[str], network: Network | int, input_bits: int = 8, *, samples_key: str | None = None,
                  labels_key: str | None = None) -> tuple[Pixels, npt.NDArray[np.int64] | None]:
    """Samples for a network's inputs, and their class numbers where the file has them.

    ``path``, ``samples_key`` and ``labels_key`` are those of `load_samples`. Integers are 0 to 2**input_bits - 1, floats and bool 0 to 1,
    scaled to that range and rounded. ``network`` is the network (all its input populations, in its order) or the number of inputs, then
    with ``input_bits``. A network that was converted with a range of its own has its samples in that range.

    Returns samples (n, size), uint8 up to 8 input bits and else uint16, and labels (n,), int64, from 0, or None. Raises `RanvierError`.
    """
    declared = None
    if isinstance(network, Network):
        size, input_bits = sum(p.size for p in network.inputs), network.input_bits
        declared = input_mapping_of(network).input_range
    else:
        size = network
    samples = load_samples(path, size, samples_key=samples_key, labels_key=labels_key)
    low, high = declared or samples.natural_range(input_bits)
    pixels = quantise_samples(samples.values, low, high, input_bits, owner=samples.source)
    labels = samples.labels
    if labels is None:
        return pixels, None
    if labels.dtype.kind == "f" or int(labels.min()) < 0 or int(labels.max()) >= 1 << 31:
        raise RanvierError(f"{samples.labels_source}: a label is not a class number from 0; correct or remove them")
    return pixels, labels.astype(np.int64)
