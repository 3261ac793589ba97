"""Archives: zip files of plain numeric arrays, bounded before any of them is read."""

from __future__ import annotations

import ast
import io
import math
import os
import re
import struct
import warnings
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from .limits import MAX_CONTENT, MAX_DIRECTORY, MAX_ENTRIES, MAX_HEADER
from .safe import plain, read_bounded, shown

__all__ = ["Archive", "Array", "parse_npy"]

_NPY_TEXT = re.compile(r"[\w '\",:(){}<>|=]*\s*")


_NPY_DTYPE = re.compile(r"[<>|=]?[biuf][1248]")


#: Bytes of an npy file before its header: what marks it, its version, the header's length.
_MOST_BEFORE_HEADER = 12


_END_RECORD = struct.Struct("<4s4H2LH")


Array = npt.NDArray[Any]


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
                f"{self.path}: its directory is damaged ({plain(error)}); write the file again") from None
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
        if comment or entries > MAX_ENTRIES or size > MAX_DIRECTORY or before[:4] == b"PK\x06\x07":
            raise RanvierError(
                f"{self.path}: its directory is not one of at most {MAX_ENTRIES} entries; write the file again")

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
        size = self._entry(name, most).file_size
        data = self._inflated(name, size)
        if len(data) != size:
            raise RanvierError(f"{self.path}: entry {name}: cut short; write the file again")
        return data

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of the array in entry ``name``, of which no more than the header is inflated."""
        return self._header(name)[1]

    def array(self, name: str, most: int = MAX_CONTENT, *, rows: int | None = None) -> Array:
        """Entry ``name`` as a read-only array of bool, integers or floats of at most 8 bytes, up to four dimensions.

        The entry has at most ``most`` bytes. With ``rows`` the array is cut to so many along its first dimension, and no more of it
        is inflated (but where its order is Fortran's, which has rows everywhere); its checksum, which is over all of it, is then not
        compared.
        """
        self._entry(name, most)
        if rows is not None:
            dtype, shape, fortran, start = self._header(name)
            if shape and not fortran and rows < shape[0]:
                wanted = start + rows * math.prod(shape[1:]) * dtype.itemsize
                _check_size(self._owner(name), dtype, shape, self._entries[name].file_size - start)
                data = self._inflated(name, wanted)
                if len(data) != wanted:
                    raise RanvierError(f"{self.path}: entry {name}: cut short; write the file again")
                return np.frombuffer(data, dtype, offset=start).reshape(rows, *shape[1:])
        array = parse_npy(self.read(name, most), self._owner(name))
        return array if rows is None or not array.ndim else array[:rows]

    def _owner(self, name: str) -> str:
        return f"{self.path}: array {name.removesuffix('.npy')}"

    def _entry(self, name: str, most: int) -> zipfile.ZipInfo:
        entry = self._entries.get(name)
        if entry is None:
            raise RanvierError(f"{self.path}: entry {name} is missing; write the file again")
        if entry.file_size > most:
            raise RanvierError(f"{self.path}: entry {name}: {entry.file_size} bytes; at most {most} are read")
        return entry

    def _inflated(self, name: str, size: int) -> bytes:
        """The first ``size`` bytes of an entry, or all there are."""
        try:
            with self._zip.open(self._entry(name, MAX_CONTENT)) as file:
                # zipfile inflates no more than is asked for, and never beyond the declared size, which has been checked.
                return file.read(size)
        except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError, RuntimeError,
                struct.error) as error:
            raise RanvierError(f"{self.path}: entry {name}: damaged ({plain(error)}); write the file again") from None

    def _header(self, name: str) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
        return _npy_header(self._inflated(name, MAX_HEADER + _MOST_BEFORE_HEADER), self._owner(name))


def parse_npy(data: bytes, owner: str) -> Array:
    """The array of an npy file's content, under the same bounds as `Archive.array`. Raises `RanvierError`."""
    dtype, shape, fortran, start = _npy_header(data, owner)
    _check_size(owner, dtype, shape, len(data) - start)
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")


def _check_size(owner: str, dtype: np.dtype[Any], shape: tuple[int, ...], size: int) -> None:
    if math.prod(shape) * dtype.itemsize != size:
        raise RanvierError(f"{owner}: the header says {' x '.join(map(str, shape)) or 'one'} of {dtype}, "
                           f"{size} bytes follow; save it again")


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
    if length > MAX_HEADER or start + length > len(data):
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
