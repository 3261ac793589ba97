"""Operators that only move values: the same for constants and for data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from .affine import concatenate, mixes, moved, reshaped
from .node import Call
from .values import BATCH, Constant, Data, Value, bounded

__all__ = ["SHAPES"]

Array = npt.NDArray[Any]


def _each(value: Constant, change: Callable[[Array], Array]) -> Constant:
    """A constant in another order, with the integers that it is made of."""
    both = None if value.quantised is None else (change(value.quantised[0]), change(value.quantised[1]))
    array = np.asarray(change(value.array))    # a single object stays an array
    if array.dtype == object and all(type(item) is int for item in array.ravel().tolist()):
        array = array.astype(np.int64)    # sizes of which none is the samples' are plain numbers
    return replace(value, array=array, quantised=both)


def _subject(call: Call) -> Constant | Data:
    value = call.value(0)
    if not isinstance(value, Constant | Data):
        raise call.fail("its first input is no tensor that it can move; export the model again")
    return value


def _to(call: Call, value: Constant | Data, target: list[Any]) -> Value:
    if isinstance(value, Data):
        return reshaped(value, target, call.context.known_batch, call.label)
    try:
        return _each(value, lambda array: array.reshape(target))
    except (ValueError, TypeError):
        raise call.fail(f"its target shape {target[:8]} does not fit a constant of shape {value.array.shape}; "
                        "export the model again") from None


def _sizes(value: Constant | Data) -> list[Any]:
    """Sizes with `BATCH` for the samples."""
    if isinstance(value, Constant):
        return list(value.array.shape)
    return [BATCH if axis == value.batch else n for axis, n in enumerate(value.shape)]


def identity(call: Call) -> Value:
    """The same values."""
    return _subject(call)


def reshape(call: Call) -> Value:
    """Reshape to a known shape, with 0 for "as before" unless ``allowzero``."""
    value, target = _subject(call), call.whole(1, "shape", sizes=True)
    before = _sizes(value)
    if not call.integer("allowzero", 0):
        if any(n == 0 and i >= len(before) for i, n in enumerate(target)):
            raise call.fail("its target shape copies a size that is not there; export the model again")
        target = [before[i] if n == 0 else n for i, n in enumerate(target)]
    return _to(call, value, target)


def flatten(call: Call) -> Value:
    """Two axes: those before ``axis``, and the others."""
    value = _subject(call)
    sizes, given = _sizes(value), call.integer("axis", 1)
    axis = len(sizes) if given == len(sizes) else call.axis(given, len(sizes))
    parts = sizes[:axis], sizes[axis:]
    if any(BATCH in part and math.prod(n for n in part if n is not BATCH) != 1 for part in parts):
        raise call.fail(f"axis is {given}; it must be 1, so that a sample stays one row")
    return _to(call, value, [BATCH if BATCH in part else math.prod(part) for part in parts])


def transpose(call: Call) -> Value:
    """A permutation of the axes."""
    value = _subject(call)
    rank = len(_sizes(value))
    order = call.integers("perm") if call.has("perm") else list(range(rank))[::-1]
    if order is None or sorted(order) != list(range(rank)):
        raise call.fail(f"perm is {order}, its data has {rank} axes; export the model again")
    return moved(value, order) if isinstance(value, Data) else _each(value, lambda array: array.transpose(order))


def _axes_changed(value: Constant | Data, change: Callable[[Array], Array], place: Callable[[int], int]) -> Value:
    """Axes of size 1 more or fewer; ``place`` says where an axis goes."""
    if isinstance(value, Constant):
        return _each(value, change)
    return value.with_arrays(change, None if value.batch is None else place(value.batch))


def squeeze(call: Call) -> Value:
    """Axes of size 1 go."""
    value = _subject(call)
    sizes, axes = _sizes(value), call.axes(len(_sizes(value)))
    gone = [i for i, n in enumerate(sizes) if n == 1] if axes is None else [call.axis(axis, len(sizes)) for axis in axes]
    if any(sizes[axis] is BATCH for axis in gone):
        raise mixes(call.label)
    if any(sizes[axis] != 1 for axis in gone):
        raise call.fail("it removes an axis whose size is not 1; export the model again")
    return _axes_changed(value, lambda array: np.squeeze(array, tuple(gone)), lambda axis: axis - sum(i < axis for i in gone))


def unsqueeze(call: Call) -> Value:
    """New axes of size 1."""
    value = _subject(call)
    sizes, axes = _sizes(value), call.axes(0) or []
    rank = len(sizes) + len(axes)
    new = {call.axis(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise call.fail("its axes are there twice; export the model again")
    old = [i for i in range(rank) if i not in new]    # where the axes that are there go
    return _axes_changed(value, lambda array: np.expand_dims(array, tuple(new)), lambda axis: old[axis])


def concat(call: Call) -> Value:
    """Tensors one behind the other."""
    if all(isinstance(value, Constant) for value in call.values):
        arrays = [value.array for value in call.values if isinstance(value, Constant)]
        bounded(sum(array.size for array in arrays), call.label)
        axis = call.axis(call.integer("axis", 0), max(array.ndim for array in arrays))
        try:
            return Constant(np.concatenate(arrays, axis))
        except ValueError:
            raise call.fail("its inputs do not fit; export the model again") from None
    parts = [call.data(index, f"input {index + 1}") for index in range(len(call.values))]
    return concatenate(parts, call.axis(call.integer("axis", 1), len(parts[0].shape)), call.names)


def _taken(call: Call, axis: int, change: Callable[[Array], Array]) -> Value:
    """Part of the values, along an axis that is not the samples'."""
    value = _subject(call)
    if isinstance(value, Constant):
        return _each(value, change)
    if value.batch == axis:
        raise mixes(call.label)
    found = value.with_arrays(change, value.batch)
    if not found.size:
        raise call.fail("nothing is left of its data; export the model again")
    return found


def gather(call: Call) -> Value:
    """Values by their place along an axis."""
    value = _subject(call)
    rank, places = len(_sizes(value)), call.constant(1, "indices").array
    axis = call.axis(call.integer("axis", 0), rank)
    size = _sizes(value)[axis]
    if places.dtype.kind != "i" or isinstance(size, int) and places.size and not -size <= places.min() <= places.max() < size:
        raise call.fail("its indices are not those of its data; export the model again")
    if isinstance(value, Data) and value.batch is not None and axis < value.batch and places.ndim != 1:
        raise call.fail("it moves the axis of the samples; export the model with the batch first")
    bounded(places.size * math.prod(n for i, n in enumerate(_sizes(value)) if i != axis and n is not BATCH), call.label)
    return _taken(call, axis, lambda array: np.take(array, places, axis))


def feature_extractor(call: Call) -> Value:
    """Values by their place along the last axis (scikit-learn)."""
    rank = len(_sizes(_subject(call)))
    places = call.constant(1, "indices").array
    size = _sizes(_subject(call))[-1] if rank else 0
    if places.dtype.kind != "i" or not places.size or size is BATCH or not 0 <= places.min() <= places.max() < size:
        raise call.fail("its indices are not those of its data; export the model again")
    return _taken(call, rank - 1, lambda array: np.take(array, places.ravel(), -1))


def slice_(call: Call) -> Value:
    """Ranges of values along axes."""
    value = _subject(call)
    if call.context.opset < 10:
        starts, ends, axes, steps = call.integers("starts"), call.integers("ends"), call.integers("axes"), None
    else:
        starts, ends = call.whole(1, "starts"), call.whole(2, "ends")
        axes = None if call.value(3) is None else call.whole(3, "axes")
        steps = None if call.value(4) is None else call.whole(4, "steps")
    starts, ends = starts or [], ends or []
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise call.fail("its ranges do not fit; export the model again")
    for start, end, given, step in zip(starts, ends, axes, steps, strict=True):
        axis = call.axis(given, len(_sizes(value)))
        if _sizes(value)[axis] is BATCH and (start, step) == (0, 1) and end >= 1 << 31:
            continue    # all samples
        part = (slice(None),) * axis + (slice(start, end, step),)
        call.values[0] = _taken(call, axis, itemgetter(part))
        value = _subject(call)
    return value


def shape(call: Call) -> Value:
    """The sizes themselves."""
    sizes = _sizes(_subject(call))
    start, end = call.integer("start", 0), call.integer("end", len(sizes))
    found = np.empty(len(sizes[start:end]), object if BATCH in sizes else np.int64)
    found[:] = sizes[start:end]
    return Constant(found)


#: Handlers by operator, with the least and the largest number of inputs.
SHAPES: dict[str, tuple[Callable[[Call], Value], int, int]] = {
    "Concat": (concat, 1, 64), "Flatten": (flatten, 1, 1), "Gather": (gather, 2, 2), "Identity": (identity, 1, 1),
    "Reshape": (reshape, 2, 2), "Shape": (shape, 1, 1), "Slice": (slice_, 1, 5), "Squeeze": (squeeze, 1, 2),
    "Transpose": (transpose, 1, 1), "Unsqueeze": (unsqueeze, 1, 2), "ai.onnx.ml.ArrayFeatureExtractor": (feature_extractor, 2, 2),
}
