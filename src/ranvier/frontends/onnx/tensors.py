"""The tensors of a file: types, sizes compared with what is there before anything is allocated, and external data."""

from __future__ import annotations

import math
import os
import stat
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from ...files.limits import MAX_FILE
from ...model.errors import RanvierError
from .values import MAX_ELEMENTS, Constant, bounded

__all__ = ["FLOATS", "INTEGERS", "quoted", "tensor_constant"]

_T = onnx.TensorProto
#: Types of numbers that are read, and the bits of one element.
FLOATS: dict[int, int] = {_T.FLOAT: 32, _T.DOUBLE: 64, _T.FLOAT16: 16, _T.BFLOAT16: 16}
INTEGERS: dict[int, int] = {_T.INT64: 64, _T.INT32: 32, _T.INT16: 16, _T.INT8: 8, _T.UINT8: 8, _T.UINT16: 16, _T.UINT32: 32, _T.UINT64: 64,
            _T.BOOL: 8, _T.INT4: 4, _T.UINT4: 4}
_BITS = FLOATS | INTEGERS
#: Fields that hold one element an entry.
_SINGLE = {_T.FLOAT: "float_data", _T.DOUBLE: "double_data", _T.INT64: "int64_data", _T.UINT32: "uint64_data", _T.UINT64: "uint64_data"}


def quoted(name: str) -> str:
    """A name from the file, on one line and not long."""
    return repr(name[:60])


def tensor_constant(tensor: Any, folder: str | None) -> Constant:
    """The values of a tensor: float64, int64, bool, or texts as bytes.

    ``folder`` is where external data may lie, None where there is no such place.
    """
    name = f"tensor {quoted(tensor.name)}"
    dims = tuple(tensor.dims)
    count = math.prod(dims) if all(0 <= n <= MAX_ELEMENTS for n in dims) and len(dims) <= 8 else -1
    if not 0 <= count <= MAX_ELEMENTS or tensor.HasField("segment"):
        raise RanvierError(f"{name}: its shape does not fit its data; export the model again")
    bounded(count, name)
    if tensor.data_type == _T.STRING:
        if count != len(tensor.string_data):
            raise RanvierError(f"{name}: its shape does not fit its data; export the model again")
        texts = np.empty(count, object)
        texts[:] = list(tensor.string_data)
        return Constant(texts.reshape(dims))
    if tensor.data_type not in _BITS:
        raise RanvierError(f"{name} has the type number {tensor.data_type}; export the model with float32 weights")
    size = -(-count * _BITS[tensor.data_type] // 8)
    if tensor.data_location == _T.EXTERNAL or tensor.external_data:
        copy = onnx.TensorProto(dims=dims, data_type=tensor.data_type, raw_data=_external(tensor, size, folder, name))
        return Constant(_decoded(copy, name), None, tensor.data_type)
    if _present(tensor, count) != size:
        raise RanvierError(f"{name}: its shape does not fit its data; export the model again")
    return Constant(_decoded(tensor, name), None, tensor.data_type)


def _present(tensor: Any, count: int) -> int:
    """Bytes of data that a tensor holds, as if they were raw."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    field = getattr(tensor, _SINGLE.get(tensor.data_type, "int32_data"))
    bits = _BITS[tensor.data_type]
    entries = -(-count // 2) if bits == 4 else count
    return -(-count * bits // 8) if len(field) == entries else -1


def _decoded(tensor: Any, name: str) -> npt.NDArray[Any]:
    try:
        # A signalling NaN warns in the cast; it is refused with all other NaNs where it is used.
        with np.errstate(all="ignore"):
            array = np.asarray(numpy_helper.to_array(tensor))
            if tensor.data_type in FLOATS:
                return array.astype(np.float64)
            return array.astype(np.bool_ if tensor.data_type == _T.BOOL else np.int64)
    except (ValueError, TypeError, OverflowError):
        raise RanvierError(f"{name}: its data cannot be read; export the model again") from None


def _external(tensor: Any, size: int, folder: str | None, name: str) -> bytes:
    """The bytes of a tensor that lies in a file beside the model: a plain file of the same folder, no link, no path."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if len(entries) != len(tensor.external_data):
        raise RanvierError(f"{name}: an entry of its external data is there twice; export the model again")
    place = entries.get("location", "")
    if folder is None:
        raise RanvierError(f"{name} lies in another file; give load_onnx the path of the model, not the model")
    if not place or place in (".", "..") or not place.isprintable() or any(c in place for c in "/\\:"):
        raise RanvierError(f"{name} lies in {quoted(place)}; its file must be beside the model, so move it there and save the model again")
    offset, length = _number(entries, "offset", 0, name), _number(entries, "length", size, name)
    if length != size or tensor.HasField("raw_data"):
        raise RanvierError(f"{name}: its shape needs {size} bytes, {quoted(place)} keeps {length} for it; export the model again")
    try:
        handle = os.open(os.path.join(folder, place), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        reason = "it is a link" if os.path.islink(os.path.join(folder, place)) else str(error.strerror).lower()
        raise RanvierError(f"{name} lies in {quoted(place)}: {reason}; put that file beside the model, under its own name") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise RanvierError(f"{name} lies in {quoted(place)}: it is not a regular file; export the model again")
    with os.fdopen(handle, "rb") as file:
        if offset + length > status.st_size or status.st_size > MAX_FILE:
            raise RanvierError(
                f"{name}: bytes {offset} to {offset + length} of {quoted(place)}, which has {status.st_size} (at most {MAX_FILE} are "
                "read); copy the file again or export the model again")
        file.seek(offset)
        data = file.read(length)
    if len(data) != length:
        raise RanvierError(f"{name}: {quoted(place)} is shorter than it was; export the model again")
    return data


def _number(entries: dict[str, str], key: str, default: int, name: str) -> int:
    text = entries.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise RanvierError(f"{name}: its {key} {quoted(text)} is not a whole number; export the model again")
    return int(text)
