"""Operators whose inputs are all known: they are worked out while the file is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from .node import Call
from .shapes import SHAPES
from .tensors import FLOATS, INTEGERS, tensor_constant
from .values import Constant, Value, bounded, finite

__all__ = ["CONSTANTS", "RANGES", "quantiser"]

Array = npt.NDArray[Any]
_T = onnx.TensorProto
#: Least and largest integer of the types that are quantised to.
RANGES: dict[int, tuple[int, int]] = {_T.UINT8: (0, 255), _T.INT8: (-128, 127), _T.UINT16: (0, 65535), _T.INT16: (-32768, 32767),
                                       _T.UINT4: (0, 15), _T.INT4: (-8, 7)}


def constant(call: Call) -> Value:
    """A Constant node: a tensor, a number, or a list of numbers."""
    given = [attribute for attribute in call.node.attribute if attribute.name.startswith("value")]
    attribute = given[0] if len(given) == 1 else onnx.AttributeProto()
    # Fields are read by the attribute's name, not by the type it claims: protobuf holds each to its own type.
    numbers = {"value_float": np.float64(attribute.f), "value_floats": np.array(attribute.floats, np.float64),
               "value_int": np.int64(attribute.i), "value_ints": np.array(attribute.ints, np.int64)}
    if attribute.name == "value":
        return tensor_constant(attribute.t, call.context.folder)
    if attribute.name not in numbers:
        raise call.fail("it is not a constant tensor; export the model with initializers")
    return Constant(np.asarray(numbers[attribute.name]))


def _numbers(call: Call, index: int) -> Array:
    array = call.constant(index, f"input {index + 1}").array
    if array.dtype.kind not in "fib":
        raise call.fail("it computes with something that is no known number (the size of the batch, or text); export with constant shapes")
    return array


def _computed(rule: Callable[..., Array]) -> Callable[[Call], Value]:
    """A handler for an operator that works element by element."""
    def handler(call: Call) -> Value:
        arrays = [_numbers(call, index) for index in range(len(call.values))]
        try:
            bounded(math.prod(np.broadcast_shapes(*(array.shape for array in arrays))), call.label)
            found = arrays[0] if len(arrays) > 1 else rule(arrays[0])
            for array in arrays[1:]:
                found = rule(found, array)
        except (ValueError, TypeError, ZeroDivisionError):
            raise call.fail("its constants do not fit; export the model again") from None
        return Constant(np.asarray(found))
    return handler


def _divided(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f" or b.dtype.kind == "f":
        return np.asarray(a / b)
    if not np.all(b):
        raise ValueError
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)))


def _power(a: Array, b: Array) -> Array:
    return np.asarray(np.power(a.astype(np.float64), b)).astype(a.dtype)


def matmul(call: Call) -> Value:
    """A product of two constants."""
    a, b = _numbers(call, 0), _numbers(call, 1)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise call.fail(f"it multiplies constants of shapes {a.shape} and {b.shape}; export the model with constants folded")
    bounded(a.shape[0] * b.shape[1], call.label)
    return Constant(a @ b)


def cast(call: Call) -> Value:
    """Another type, with the rounding of that type."""
    value, to = call.constant(0, "input"), call.integer("to", 0)
    if value.array.dtype == object:
        return value
    with np.errstate(all="ignore"):
        if to in FLOATS:
            # A cast to a type of more digits changes nothing.
            narrowed = value.array.astype(onnx.helper.tensor_dtype_to_np_dtype(to)).astype(np.float64)
            return Constant(narrowed, value.quantised if np.array_equal(narrowed, value.array) else None, to)
        if to in INTEGERS and to != _T.BOOL:
            return Constant(np.trunc(value.array).astype(np.int64), None, to)
    if to == _T.BOOL:
        return Constant(value.array != 0, None, to)
    raise call.fail(f"it casts to the type number {to}; export the model with float32 weights")


def constant_of_shape(call: Call) -> Value:
    """One value in a known shape."""
    sizes, tensor = call.whole(0, "shape"), call.tensor("value")
    if any(not isinstance(n, int) or n < 0 for n in sizes):
        raise call.fail("its shape depends on the batch; export with constant shapes")
    bounded(math.prod(sizes), call.label)
    fill = np.zeros(1) if tensor is None else tensor_constant(tensor, call.context.folder).array
    if fill.size != 1:
        raise call.fail("its value is not one number; export the model again")
    return Constant(np.full(sizes, fill.reshape(-1)[0]))


def expand(call: Call) -> Value:
    """A constant broadcast to a known shape."""
    array, sizes = call.constant(0, "input").array, call.whole(1, "shape")
    try:
        target = np.broadcast_shapes(array.shape, tuple(sizes))
    except (ValueError, TypeError):
        raise call.fail("its shape does not fit; export with constant shapes") from None
    bounded(math.prod(target), call.label)
    return Constant(np.broadcast_to(array, target))


def quantiser(call: Call, shape: tuple[int, ...]) -> tuple[Array, Array, int]:
    """Scale and zero point of a (De)QuantizeLinear, broadcast along ``shape``, and the zero point's type."""
    if call.integer("block_size", 0):
        raise call.fail("weights quantised in blocks are not supported; quantise for each tensor or channel")
    scale = call.floats(1, "scale")
    zero = Constant(np.zeros(scale.shape, np.int64)) if call.value(2) is None else call.constant(2, "zero point")
    if zero.array.dtype.kind != "i" or zero.array.size not in (1, scale.size) or not np.all(scale > 0):
        raise call.fail("its scale must be above 0 and its zero point a whole number; quantise the model again")
    parts = []
    for array in (scale, np.broadcast_to(zero.array.reshape(-1), (scale.size,))):
        if scale.size == 1:
            parts.append(np.broadcast_to(array.reshape(()), shape))
            continue
        axis = call.axis(call.integer("axis", 1), len(shape))
        if scale.ndim != 1 or scale.size != shape[axis]:
            raise call.fail(f"it has {scale.size} scales for {shape[axis]} channels; quantise the model again")
        parts.append(np.broadcast_to(array.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape))
    return parts[0], parts[1], zero.kind


def quantize(call: Call) -> Value:
    """Floats to integers, halves to even."""
    array = call.floats(0, "input")
    scale, zero, kind = quantiser(call, array.shape)
    kind = kind or call.integer("output_dtype", 0) or _T.UINT8
    if kind not in RANGES:
        raise call.fail(f"it quantises to the type number {kind}; quantise to 4, 8 or 16 bits")
    return Constant(np.clip(np.rint(array / scale) + zero, *RANGES[kind]).astype(np.int64), None, kind)


def dequantize(call: Call) -> Value:
    """Integers to floats; the integers stay known."""
    array = call.constant(0, "input").array
    if array.dtype.kind != "i":
        raise call.fail(f"it takes {array.dtype}; quantise to 4, 8 or 16 bits")
    scale, zero, _ = quantiser(call, array.shape)
    return Constant(finite((array - zero) * scale, call.label, "its result"), (array - zero, scale))


def size(call: Call) -> Value:
    """The number of elements."""
    return Constant(np.asarray(call.constant(0, "input").array.size))


#: Handlers by operator, with the least and the largest number of inputs.
CONSTANTS: dict[str, tuple[Callable[[Call], Value], int, int]] = SHAPES | {
    "Constant": (constant, 0, 0), "Cast": (cast, 1, 1), "ConstantOfShape": (constant_of_shape, 1, 1), "Expand": (expand, 2, 2),
    "MatMul": (matmul, 2, 2), "QuantizeLinear": (quantize, 2, 3), "DequantizeLinear": (dequantize, 2, 3), "Size": (size, 1, 1),
    "Add": (_computed(np.add), 2, 2), "Sub": (_computed(np.subtract), 2, 2), "Mul": (_computed(np.multiply), 2, 2),
    "Div": (_computed(_divided), 2, 2), "Max": (_computed(np.maximum), 1, 16), "Min": (_computed(np.minimum), 1, 16),
    "Pow": (_computed(_power), 2, 2), "Sqrt": (_computed(np.sqrt), 1, 1), "Neg": (_computed(np.negative), 1, 1),
    "Reciprocal": (_computed(np.reciprocal), 1, 1), "Exp": (_computed(np.exp), 1, 1), "Abs": (_computed(np.abs), 1, 1),
}
