"""Files: networks (`.ranvier`), pictures (`.npz`), and writing without half-written output.

A `.ranvier` file is a zip of uncompressed entries with fixed dates, so equal networks give equal bytes:

- ``network.json``: format, version, number format, populations, projections, info;
- ``projection-0000.npy``: the kernel of projection 0, int8 or int16, four dimensions;
- ``population-0000.theta.npy``: a parameter of population 0 that differs from neuron to neuron, int32.

Readers trust nothing: sizes are bounded before anything is read, headers are compared with the bytes that follow
them before an array is made, and there is no pickle. Every failure is one `RanvierError` line,
"file: field: problem; mend".
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import math
import os
import re
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .model.errors import RanvierError
from .model.network import PARAMETERS, Network, Population, Projection
from .model.semantics import Semantics

__all__ = ["Archive", "load_json", "load_network", "load_pictures", "read_bounded", "save_network", "shown", "write_atomic",
           "write_json"]

FORMAT, VERSION = "ranvier-network", 1
#: Largest file, and largest sum of its entries after decompression, in bytes.
MAX_FILE, MAX_CONTENT = 256 << 20, 512 << 20
_MAX_ENTRIES, _MAX_DIRECTORY, _MAX_JSON, _MAX_HEADER, _MAX_NEURONS = 1024, 1 << 20, 16 << 20, 4096, 1 << 20
_FORMAT_FIELDS = ("state_bits", "weight_bits", "input_bits", "spike_bits", "rounding")
_JSON = "network.json"
_ARRAY = "array"
_NPY_TEXT = re.compile(r"[\w '\",:(){}<>|=]*\s*")
_NPY_DTYPE = re.compile(r"[<>|=]?[biuf][1248]")
_END_RECORD = struct.Struct("<4s4H2LH")

Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


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

    An older file of that name is replaced. Raises `RanvierError` where the folder cannot be written.
    """
    target = Path(path)
    temporary = target.parent / f".{target.name}.{os.getpid()}.tmp"
    try:
        try:
            temporary.write_bytes(data)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RanvierError(
            f"{shown(path)}: cannot be written: {reason.lower()}; check the folder and its permissions") from None


def _json_bytes(value: Any, owner: str) -> bytes:
    try:
        return (json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()
    except (TypeError, ValueError, RecursionError):
        raise RanvierError(
            f"{owner}: it holds something that JSON cannot; use finite numbers, text, lists and objects") from None


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write plain JSON values with `write_atomic`; NaN and infinity are refused."""
    write_atomic(path, _json_bytes(value, shown(path)))


class Archive:
    """A zip file in memory whose entries are bounded in number, name and size before any is read.

    Only stored and deflated entries without encryption are accepted, and neither comments behind the directory
    nor zip64 directories (their sizes would have to be trusted before they can be checked).
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the directory of ``path``; raises `RanvierError`."""
        self.path = shown(path)
        data = read_bounded(path)
        self._check_end(data)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error, EOFError) as error:
            raise RanvierError(
                f"{self.path}: its directory is damaged ({_plain(error)}); write the file again") from None
        entries = self._zip.infolist()
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            self._check_entry(entry)
            self._entries[entry.filename] = entry
        if sum(entry.file_size for entry in entries) > MAX_CONTENT:
            raise RanvierError(
                f"{self.path}: its entries are larger than {MAX_CONTENT >> 20} MiB together; "
                "use fewer or smaller arrays")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries, in the file's order."""
        return tuple(self._entries)

    def _check_end(self, data: bytes) -> None:
        tail = data[-_END_RECORD.size:]
        if data[:2] != b"PK" or len(tail) < _END_RECORD.size or tail[:4] != b"PK\x05\x06":
            raise RanvierError(f"{self.path}: it is not a zip file or it is cut short; write the file again")
        _, _, _, _, entries, size, _, comment = _END_RECORD.unpack(tail)
        before = data[-_END_RECORD.size - 20:-_END_RECORD.size]
        if comment or entries > _MAX_ENTRIES or size > _MAX_DIRECTORY or before[:4] == b"PK\x06\x07":
            raise RanvierError(
                f"{self.path}: its directory is not one of at most {_MAX_ENTRIES} entries; write the file again")

    def _check_entry(self, entry: zipfile.ZipInfo) -> None:
        name = entry.filename
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", name, re.ASCII):
            raise RanvierError(
                f"{self.path}: entry {name[:60]!r}: the name is not plain; use letters, digits and _ . -")
        if name in self._entries:
            raise RanvierError(f"{self.path}: entry {name}: it is there twice; keep one")
        if entry.flag_bits & 0x1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RanvierError(
                f"{self.path}: entry {name}: it is encrypted or packed unusually; save it with numpy.savez")
        if entry.file_size > MAX_CONTENT:
            raise RanvierError(f"{self.path}: entry {name}: {entry.file_size} bytes; at most {MAX_CONTENT} are read")

    def read(self, name: str, most: int = MAX_CONTENT) -> bytes:
        """The content of entry ``name``, at most ``most`` bytes, its checksum compared."""
        entry = self._entries.get(name)
        if entry is None:
            raise RanvierError(f"{self.path}: entry {name} is missing; write the file again")
        if entry.file_size > most:
            raise RanvierError(f"{self.path}: entry {name}: {entry.file_size} bytes; at most {most} are read")
        try:
            # zipfile never inflates beyond the declared size, which has been checked.
            data = self._zip.read(entry)
        except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError, RuntimeError,
                struct.error) as error:
            raise RanvierError(f"{self.path}: entry {name}: damaged ({_plain(error)}); write the file again") from None
        if len(data) != entry.file_size:
            raise RanvierError(f"{self.path}: entry {name}: cut short; write the file again")
        return data

    def array(self, name: str, most: int = MAX_CONTENT) -> Array:
        """Entry ``name`` as a read-only array of bool, integers or floats of at most 8 bytes, up to four dimensions."""
        owner = f"{self.path}: array {name.removesuffix('.npy')}"
        data = self.read(name, most)
        dtype, shape, fortran, start = _npy_header(data, owner)
        if math.prod(shape) * dtype.itemsize != len(data) - start:
            raise RanvierError(f"{owner}: the header says {' x '.join(map(str, shape)) or 'one'} of {dtype}, "
                               f"{len(data) - start} bytes follow; save it again")
        return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def _plain(error: BaseException) -> str:
    """The text of a foreign exception, on one line and not long."""
    text = " ".join(str(error).split())[:120]
    return text if text.isprintable() and text else type(error).__name__


def _npy_header(data: bytes, owner: str) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    """Type, shape, order and length of an npy header, with none of it believed yet.

    The format is numpy's ("NEP 1: a simple file format for NumPy arrays"), versions 1.0 and 2.0. numpy's own
    reader would also accept objects and repair headers of Python 2, which is more than a hostile file should reach.
    """
    bad = RanvierError(f"{owner}: it is not a plain numeric array of up to 4 dimensions; save it with numpy.savez")
    if data[:6] != b"\x93NUMPY" or len(data) < 12 or data[6] not in (1, 2) or data[7]:
        raise bad
    width = 2 if data[6] == 1 else 4
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    if length > _MAX_HEADER or start + length > len(data):
        raise bad
    text = data[start:start + length].decode("latin-1")
    # Characters and nesting are limited first, so that the parser meets nothing deep.
    if not _NPY_TEXT.fullmatch(text, re.ASCII) or text.count("(") > 2 or text.count("{") > 1:
        raise bad
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise bad from None
    if not isinstance(header, dict) or header.keys() != {"descr", "fortran_order", "shape"}:
        raise bad
    descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    if not isinstance(descr, str) or not _NPY_DTYPE.fullmatch(descr) or not isinstance(fortran, bool):
        raise bad
    if not isinstance(shape, tuple) or len(shape) > 4 or any(type(n) is not int or not 0 <= n < 1 << 31 for n in shape):
        raise bad
    try:
        dtype = np.dtype(descr)
    except TypeError:
        raise bad from None
    return dtype, shape, fortran, start + length


# Networks


def _npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _entries_of(network: Network) -> Iterator[tuple[str, bytes]]:
    populations = []
    arrays: list[tuple[str, bytes]] = []
    for index, population in enumerate(network.populations):
        parameters: dict[str, Any] = {}
        for name in sorted(population.parameters):
            value = np.asarray(population.parameters[name])
            if value.size == 1:
                parameters[name] = int(value.reshape(-1)[0])
            else:
                parameters[name] = _ARRAY
                # `Population.parameter` has held every value within 32 bits.
                arrays.append((f"population-{index:04}.{name}.npy", _npy(value.astype("<i4"))))
        populations.append({"name": population.name, "shape": list(population.shape), "kind": population.kind,
                            "parameters": parameters, "semantics": population.semantics.to_json()})
    projections = []
    kind = "<i1" if network.weight_bits <= 8 else "<i2"
    for index, projection in enumerate(network.projections):
        arrays.append((f"projection-{index:04}.npy", _npy(projection.weights.astype(kind))))
        projections.append({"source": projection.source, "destination": projection.destination,
                            "delay": projection.delay, "exponent": projection.exponent})
    described = {"format": FORMAT, "version": VERSION, **{name: getattr(network, name) for name in _FORMAT_FIELDS},
                 "populations": populations, "projections": projections, "info": network.info}
    yield _JSON, _json_bytes(described, "network: info")
    yield from arrays


def save_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write ``network`` to ``path``; equal networks give equal bytes. Raises `RanvierError` and then writes nothing."""
    entries = list(_entries_of(network))
    if len(entries) > _MAX_ENTRIES:
        raise RanvierError(f"{shown(path)}: the network has {len(entries)} arrays; a file holds {_MAX_ENTRIES}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries:
            # Everything that zipfile would take from the clock or the system is fixed.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, data)
    write_atomic(path, buffer.getvalue())


def load_network(path: str | os.PathLike[str]) -> Network:
    """Read what `save_network` wrote; every failure is one `RanvierError` line that begins with the file's name."""
    archive = Archive(path)
    value = _parse_json(archive.read(_JSON, _MAX_JSON), f"{archive.path}: {_JSON}")
    try:
        return _network(archive, value)
    except RanvierError as error:
        message, start = str(error), f"{archive.path}: "
        raise RanvierError(message if message.startswith(start) else start + message) from None


def load_json(path: str | os.PathLike[str]) -> Any:
    """The value in a JSON file, read as strictly as a network's."""
    return _parse_json(read_bounded(path), shown(path))


def _parse_json(data: bytes, owner: str) -> Any:
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
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else _plain(error)
        raise RanvierError(f"{owner}: {reason}; write the file again") from None
    return value


def _object(value: Any, keys: set[str], owner: str) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise RanvierError(f"{owner}: the fields must be exactly {', '.join(sorted(keys))}; write the file again")
    return value


def _typed(value: Any, kinds: type | tuple[type, ...], owner: str, kind_name: str) -> Any:
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)
    # Not isinstance: True is an int to Python, but not to a network.
    if type(value) not in allowed:
        raise RanvierError(f"{owner}: it must be {kind_name}; write the file again")
    return value


def _network(archive: Archive, value: Any) -> Network:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise RanvierError(
            f"format: this is not a network of Ranvier (no format {FORMAT!r}); write it with ranvier convert")
    if value.get("version") != VERSION or type(value["version"]) is not int:
        raise RanvierError(
            f"version: this release reads version {VERSION}; convert the network again or update Ranvier")
    _object(value, {"format", "version", "populations", "projections", "info", *_FORMAT_FIELDS}, "network")
    used = {_JSON}
    populations, neurons = [], 0
    for index, item in enumerate(_typed(value["populations"], list, "populations", "a list")):
        populations.append(_population(archive, index, item, used))
        neurons += populations[-1].size
        if neurons > _MAX_NEURONS:
            raise RanvierError(f"populations: more than {_MAX_NEURONS} neurons; use a smaller network")
    projections = [_projection(archive, index, item, used)
                   for index, item in enumerate(_typed(value["projections"], list, "projections", "a list"))]
    unused = sorted(set(archive.names) - used)
    if unused:
        raise RanvierError(f"entry {unused[0]}: nothing in {_JSON} refers to it; write the file again")
    info = _typed(value["info"], dict, "info", "an object")
    bits = {name: _typed(value[name], int, name, "an integer") for name in _FORMAT_FIELDS if name != "rounding"}
    rounding = _typed(value["rounding"], str, "rounding", "text")
    return Network(tuple(populations), tuple(projections), info=info, rounding=rounding, **bits)


def _population(archive: Archive, index: int, value: Any, used: set[str]) -> Population:
    owner = f"population {index}"
    item = _object(value, {"name", "shape", "kind", "parameters", "semantics"}, owner)
    shape = _typed(item["shape"], list, f"{owner}: shape", "a list of three integers")
    if len(shape) != 3 or any(type(n) is not int for n in shape):
        raise RanvierError(f"{owner}: shape: it must be a list of three integers; write the file again")
    semantics = _object(item["semantics"], {f.name for f in fields(Semantics)}, f"{owner}: semantics")
    if isinstance(semantics["dt"], bool):
        raise RanvierError(f"{owner}: semantics: dt must be a number of seconds or null; write the file again")
    parameters: dict[str, Any] = {}
    for name, found in _typed(item["parameters"], dict, f"{owner}: parameters", "an object").items():
        if found == _ARRAY and name in PARAMETERS:
            entry = f"population-{index:04}.{name}.npy"
            used.add(entry)
            array = archive.array(entry)
            if array.dtype != np.dtype("<i4"):
                raise RanvierError(f"{owner}: {name}: its array is {array.dtype}, not int32; write the file again")
            parameters[name] = array.astype(np.int64)
        else:
            parameters[name] = _typed(found, int, f"{owner}: {name[:40]!r}", f"an integer or {_ARRAY!r}")
            if not -(1 << 31) <= found < 1 << 31:
                raise RanvierError(f"{owner}: {name[:40]!r}: it does not fit 32 bits; use a smaller value")
    return Population(_typed(item["name"], str, f"{owner}: name", "text"), (shape[0], shape[1], shape[2]),
                      _typed(item["kind"], str, f"{owner}: kind", "text"), parameters, Semantics(**semantics))


def _projection(archive: Archive, index: int, value: Any, used: set[str]) -> Projection:
    owner = f"projection {index}"
    item = _object(value, {"source", "destination", "delay", "exponent"}, owner)
    entry = f"projection-{index:04}.npy"
    used.add(entry)
    weights = archive.array(entry)
    if weights.dtype not in (np.dtype("<i1"), np.dtype("<i2")):
        raise RanvierError(f"{owner}: its weights are {weights.dtype}, not int8 or int16; write the file again")
    for name in ("source", "destination"):
        _typed(item[name], str, f"{owner}: {name}", "text")
    for name in ("delay", "exponent"):
        _typed(item[name], int, f"{owner}: {name}", "an integer")
    return Projection(item["source"], item["destination"], weights.astype(np.int64), item["delay"], item["exponent"])


# Pictures


def load_pictures(path: str | os.PathLike[str], network: Network | int,
                  input_bits: int = 8) -> tuple[Pixels, npt.NDArray[np.int64] | None]:
    """Pictures for a network's inputs, and their labels where the file has them.

    ``path`` is an npz file. The pictures are its array ``pictures``, or its only array besides ``labels``: shape
    (n, size), or with more dimensions that flatten to it; integers 0 to 2**input_bits - 1, or floats in 0 to 1, which
    are scaled to that range and rounded. ``network`` is the network (all its input populations, in its order) or the
    number of inputs, then with ``input_bits``.

    Returns pictures (n, size), uint8 up to 8 input bits and else uint16, and labels (n,), int64, or None.
    """
    if isinstance(network, Network):
        size, input_bits = sum(p.size for p in network.inputs), network.input_bits
    else:
        size = network
    archive = Archive(path)
    arrays = [name for name in archive.names if name.endswith(".npy") and name != "labels.npy"]
    if "pictures.npy" in arrays:
        name = "pictures.npy"
    elif len(arrays) == 1:
        name = arrays[0]
    else:
        found = ", ".join(n.removesuffix(".npy") for n in arrays[:8]) or "none"
        raise RanvierError(
            f"{archive.path}: pictures: no array of that name (there: {found}); "
            "save them as numpy.savez(file, pictures=...)")
    pictures = _pixels(archive.array(name), size, (1 << input_bits) - 1, f"{archive.path}: {name.removesuffix('.npy')}")
    if "labels.npy" not in archive.names:
        return pictures, None
    labels = archive.array("labels.npy")
    if labels.dtype.kind not in "iu" or labels.shape != (len(pictures),):
        raise RanvierError(
            f"{archive.path}: labels: they must be {len(pictures)} integers, one for each picture; "
            "correct or remove them")
    if int(labels.min()) < 0 or int(labels.max()) >= 1 << 31:
        raise RanvierError(f"{archive.path}: labels: a label is not a class number from 0; correct or remove them")
    return pictures, labels.astype(np.int64)


def _pixels(array: Array, size: int, top: int, owner: str) -> Pixels:
    """``array`` as integers 0 to ``top`` of shape (n, size); anything that does not fit is refused, not clipped."""
    if array.ndim < 2 or math.prod(array.shape[1:]) != size or len(array) == 0:
        raise RanvierError(
            f"{owner}: shape {array.shape}; the network needs (n, {size}) with n at least 1: reshape them")
    flat = array.reshape(len(array), size)
    if array.dtype.kind == "f":
        # One extremum says it all: NaN and infinity carry through to it.
        low, high = float(flat.min()), float(flat.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RanvierError(f"{owner}: a value is NaN or infinite; replace it")
        if low < 0 or high > 1:
            raise RanvierError(
                f"{owner}: floats from {low:.6g} to {high:.6g}; they must lie in 0 to 1: divide by the largest value")
        flat = np.rint(flat.astype(np.float64) * top)
    elif array.dtype.kind not in "iu":
        raise RanvierError(f"{owner}: type {array.dtype}; they must be integers or floats: convert them")
    elif int(flat.min()) < 0 or int(flat.max()) > top:
        raise RanvierError(
            f"{owner}: values from {flat.min()} to {flat.max()}; the inputs take 0 to {top}: rescale them")
    return flat.astype(np.uint8) if top < 256 else flat.astype(np.uint16)
