"""Arithmetic on `Data`: affine maps are composed exactly in float64, and an activation closes a layer.

Every function takes the label of the node for its messages, and refuses what would mix samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...model.errors import RanvierError
from ..conventional import Floats, Integers
from ..synapses import Shape, Synapses
from .values import BATCH, LARGEST, Block, Constant, Data, Linear, Stage, bounded, finite

__all__ = ["add", "broadcast", "clip", "concatenate", "identity_data", "in_image_order", "is_image", "matmul", "matrix_of", "mixes",
           "moved", "reshaped", "scaled", "shifted", "with_blocks"]


def mixes(label: str) -> RanvierError:
    """What is said where one sample's answer would depend on other samples."""
    return RanvierError(f"{label}: it mixes the samples of a batch; export the model so that each sample is a row of its own")


def identity_data(stage: Stage, shape: tuple[int, ...], batch: int | None) -> Data:
    """The values of a stage themselves, under ``shape``."""
    return Data(stage, batch, None, np.arange(stage.size).reshape(shape), np.ones(shape), np.zeros(shape))


# Images


def in_image_order(shape: tuple[int, ...]) -> tuple[Integers, Shape]:
    """Where the values of a tensor (1, channels, y, x) or (1, channels, x) lie in the order (y, x, channel), and that shape.

    Tensors of other ranks stay as they are: (1, 1, size).
    """
    size = math.prod(shape)
    if len(shape) not in (3, 4) or shape[0] != 1 or not size:
        return np.arange(size), (1, 1, size)
    channels, height, width = shape[1], 1 if len(shape) == 3 else shape[2], shape[-1]
    return np.arange(size).reshape(channels, height, width).transpose(1, 2, 0).ravel(), (height, width, channels)


def is_image(data: Data) -> bool:
    """Whether it comes from a convolution, so that a matrix would be a waste."""
    return bool(data.linear.blocks) if data.linear is not None else any(stage.shape for stage in data.stage.parts)


def with_blocks(data: Data, label: str) -> Data:
    """The same values as a sum of blocks, whose columns are in the order of `in_image_order`; a convolution stays one."""
    order, shape = in_image_order(data.shape)
    index, scale = data.index.ravel()[order], data.scale.ravel()[order]
    sizes = tuple(stage.size for stage in data.stage.parts)
    even = bool(np.all(scale.reshape(-1, shape[2]) == scale[:shape[2]]))
    linear, name = data.linear, "" if data.linear is None else data.linear.name
    if linear is None and len(sizes) == 1 and even and shape[:2] != (1, 1) and np.array_equal(np.sort(index), np.arange(sizes[0])):
        natural = np.array_equal(index, np.arange(index.size))
        block = Block(0, Synapses.pointwise(scale[:shape[2]], shape), None if natural else index)
        made = Linear(None, name, label, None, (block,), sizes)
    elif linear is not None and linear.blocks and even and np.array_equal(index, np.arange(linear.size)):
        made = linear.times(scale)
    else:
        matrix = matrix_of(data, label)[0][:, order]
        made = Linear(None, name, label, None, Linear(matrix, name, label).split(sizes), sizes)
    back = np.empty(order.size, np.int64)
    back[order] = np.arange(order.size)
    return replace(data, linear=made, index=back.reshape(data.shape), scale=np.ones(data.shape))


# Constants, element by element


def broadcast(data: Data, shape: tuple[int, ...], label: str) -> Data:
    """``data`` broadcast with a constant of ``shape``, by the rules of ONNX (those of numpy)."""
    rank = max(len(shape), len(data.shape))
    own, other = (1,) * (rank - len(data.shape)) + data.shape, (1,) * (rank - len(shape)) + shape
    batch = None if data.batch is None else data.batch + rank - len(data.shape)
    if batch is not None and other[batch] != 1:
        raise RanvierError(f"{label}: shapes {data.shown()} and {shape} do not fit, or the constant differs from sample to sample; "
                           "use one value, or one for each output")
    if any(a != b and 1 not in (a, b) or b == 0 for a, b in zip(own, other, strict=True)):
        raise RanvierError(f"{label}: shapes {data.shown()} and {shape} do not fit; export the model again")
    target = tuple(max(a, b) for a, b in zip(own, other, strict=True))
    if target == data.shape:
        return data
    bounded(math.prod(target), label)
    return data.with_arrays(lambda array: np.broadcast_to(array.reshape(own), target), batch)


def scaled(data: Data, factor: Floats, label: str) -> Data:
    """data * factor."""
    data = broadcast(data, factor.shape, label)
    bounded(2 * data.size, label)
    return replace(data, scale=data.scale * factor, shift=data.shift * factor)


def shifted(data: Data, addend: Floats, label: str) -> Data:
    """data + addend."""
    data = broadcast(data, addend.shape, label)
    bounded(data.size, label)
    return replace(data, shift=data.shift + addend)


# Matrices


def matrix_of(data: Data, label: str) -> tuple[Floats, Floats]:
    """``data`` as stage @ matrix + offset: float64 (stage size, size) and (size,)."""
    index, scale = data.index.ravel(), data.scale.ravel()
    bounded(data.stage.size * data.size, label)
    if data.linear is not None:
        matrix = data.linear.matrix
        return matrix if data.whole() else matrix[:, index] * scale, data.shift.ravel()
    matrix = np.zeros((data.stage.size, data.size))
    matrix[index, np.arange(data.size)] = scale
    return matrix, data.shift.ravel()


def _of_matrix(data: Data, matrix: Floats, offset: Floats, shape: tuple[int, ...], batch: int | None, names: tuple[str, str],
               quantised: tuple[Integers, Floats] | None = None) -> Data:
    linear = Linear(finite(matrix, names[1], "the folded weights"), *names, quantised)
    return Data(data.stage, batch, linear, np.arange(offset.size).reshape(shape), np.ones(shape), offset.reshape(shape))


def matmul(data: Data, weights: Constant, names: tuple[str, str], *, left: bool = False) -> Data:
    """data @ weights or, with ``left``, weights @ data; ``names`` are the layer's name and the node's label."""
    label, weight, shape, batch = names[1], weights.array, data.shape, data.batch
    if not shape or weight.ndim == 0 or weight.size == 0:
        raise RanvierError(f"{label}: its weights are {weight.shape}, its data {data.shown()}; a dense layer has a matrix")
    inner = -2 if left and len(shape) > 1 else -1
    if batch is not None and batch == len(shape) + inner:
        raise mixes(label)
    if shape[inner] != weight.shape[-1 if left or weight.ndim == 1 else -2]:
        raise RanvierError(
            f"{label}: its weights are {weight.shape}; the data before it has {shape[inner]} values, in the shape {data.shown()}")
    target = _product_shape(shape, weight.shape, left)
    if target is None:
        raise RanvierError(f"{label}: its weights are {weight.shape}, its data {data.shown()}; they do not fit")
    lift = max(weight.ndim - len(shape), 0)
    if batch is not None and weight.ndim > 2 and len(shape) - batch > 2:
        beside = weight.ndim - (len(shape) - batch)    # the axis of the weights that meets the samples
        if beside >= 0 and weight.shape[beside] != 1:
            raise mixes(label)
    after = _batch_after(data, weight.ndim, lift, left)
    bounded(data.stage.size * math.prod(target), label)
    if weight.ndim <= 2 and data.size == shape[inner]:
        columns = weight if weight.ndim == 1 else weight.T if left else weight
        columns = columns.reshape(columns.shape[0], -1)
        return _by_vector(data, columns, weights, target, after, names, left)
    matrix, offset = matrix_of(data, label)
    both = np.vstack([matrix, offset]).reshape(-1, *(1,) * lift, *shape)
    vector = len(shape) == 1
    if left:
        made = np.matmul(weight, both[..., None])[..., 0] if vector else np.matmul(weight, both)
    else:
        made = np.matmul(both[..., None, :], weight)[..., 0, :] if vector and weight.ndim > 1 else np.matmul(both, weight)
    made = made.reshape(data.stage.size + 1, -1)
    return _of_matrix(data, made[:-1], made[-1], target, after, names)


def _product_shape(shape: tuple[int, ...], weight: tuple[int, ...], left: bool) -> tuple[int, ...] | None:
    """Shape of a product whose inner sizes agree."""
    a, b = (weight, shape) if left else (shape, weight)
    try:
        outer = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        return None
    return (*outer, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))


def _batch_after(data: Data, weight_rank: int, lift: int, left: bool) -> int | None:
    """The axis of the samples behind a product."""
    if data.batch is None:
        return None
    axis = data.batch + lift
    # A vector on the left takes the axis before the last away, one on the right the last.
    return axis - 1 if left and weight_rank == 1 and axis == max(len(data.shape), 2) - 1 else axis


def _by_vector(data: Data, columns: Floats, weights: Constant, shape: tuple[int, ...], batch: int | None, names: tuple[str, str],
               left: bool) -> Data:
    """The usual case: one vector a sample, (n,) @ columns (n, m)."""
    index, scale, offset = data.index.ravel(), data.scale.ravel(), data.shift.ravel() @ columns
    if data.linear is not None:
        return _of_matrix(data, matrix_of(data, names[1])[0] @ columns, offset, shape, batch, names)
    plain = data.plain()
    matrix = columns if data.whole() else np.zeros((data.stage.size, columns.shape[1]))
    if matrix is columns:
        pass
    elif plain:
        matrix[index] = scale[:, None] * columns
    else:
        np.add.at(matrix, index, scale[:, None] * columns)
    quantised = None
    if weights.quantised is not None and weights.array.ndim == 2 and plain and scale.size and np.all(scale == scale[0]) and scale[0]:
        integers, steps = (part.T if left else part for part in weights.quantised)
        if np.all(steps == steps[0]):
            placed = np.zeros(matrix.shape, np.int64)
            placed[index] = integers * (1 if scale[0] > 0 else -1)
            quantised = placed, steps[0] * abs(scale[0])
    return _of_matrix(data, matrix, offset, shape, batch, names, quantised)


def _together(parts: Sequence[Data]) -> list[Data]:
    """The same values, all of one stage: where they come from several, that is all of these, one behind the other."""
    stages = list(dict.fromkeys(stage for part in parts for stage in part.stage.parts))
    if all(part.stage is parts[0].stage for part in parts):
        return list(parts)
    sizes = tuple(stage.size for stage in stages)
    joined = Stage(sum(sizes), joined=tuple(stages))
    starts = np.cumsum([0, *sizes])
    found = []
    for part in parts:
        places = [stages.index(stage) for stage in part.stage.parts]
        if part.linear is None:
            index = np.concatenate([starts[place] + np.arange(sizes[place]) for place in places])[part.index]
            found.append(replace(part, stage=joined, index=index))
            continue
        own = part.linear.split(tuple(stage.size for stage in part.stage.parts))
        blocks = tuple(replace(block, part=places[block.part]) for block in own)
        found.append(replace(part, stage=joined, linear=replace(part.linear, given=None, quantised=None, blocks=blocks, sizes=sizes)))
    return found


def add(a: Data, b: Data, sign: float, names: tuple[str, str]) -> Data:
    """a + sign * b: of the same values, or of two branches."""
    target = np.broadcast_shapes(a.shape, b.shape) if _compatible(a, b) else None
    if target is None:
        raise RanvierError(f"{names[1]}: shapes {a.shown()} and {b.shown()} do not fit; export the model again")
    a, b = (broadcast(part, target, names[1]) for part in (a, b))
    if a.stage is b.stage and not (is_image(a) or is_image(b)):
        (left, shift), (right, other) = matrix_of(a, names[1]), matrix_of(b, names[1])
        return _of_matrix(a, left + sign * right, shift + sign * other, target, a.batch, names)
    b = replace(b, scale=sign * b.scale, shift=sign * b.shift)
    parts = [with_blocks(part, names[1]) for part in (a, b)]
    a, b = _together(parts)
    assert a.linear is not None and b.linear is not None
    linear = Linear(None, *names, None, a.linear.blocks + b.linear.blocks, a.linear.sizes)
    return Data(a.stage, a.batch, linear, a.index, np.ones(target), a.shift + b.shift)


def _compatible(a: Data, b: Data) -> bool:
    same = len(a.shape) == len(b.shape) and a.batch == b.batch
    return same and all(x == y or 1 in (x, y) for x, y in zip(a.shape, b.shape, strict=True))


def concatenate(parts: list[Data], axis: int, names: tuple[str, str]) -> Data:
    """Parts of one layer or of several, one behind the other along ``axis``."""
    first = parts[0]
    if first.batch == axis:
        raise mixes(names[1])
    if any(part.batch != first.batch or len(part.shape) != len(first.shape) or any(
            x != y for i, (x, y) in enumerate(zip(part.shape, first.shape, strict=True)) if i != axis) for part in parts):
        raise RanvierError(f"{names[1]}: shapes {' and '.join(part.shown() for part in parts[:4])} do not fit; export the model again")
    bounded(sum(part.size for part in parts), names[1])
    parts = _together(parts)
    first = parts[0]
    if any(part.linear is not first.linear for part in parts):
        pairs = [matrix_of(part, names[1]) for part in parts]
        bounded(first.stage.size * sum(part.size for part in parts), names[1])
        starts = np.cumsum([0, *(part.size for part in parts[:-1])])
        linear = Linear(np.hstack([matrix for matrix, _ in pairs]), *names)
        parts = [Data(first.stage, first.batch, linear, start + np.arange(part.size).reshape(part.shape), np.ones(part.shape),
                      part.shift) for part, start in zip(parts, starts, strict=True)]
    return replace(parts[0], index=np.concatenate([part.index for part in parts], axis),
                   scale=np.concatenate([part.scale for part in parts], axis), shift=np.concatenate([part.shift for part in parts], axis))


# Activations


def clip(data: Data, low: Floats, high: Floats, label: str) -> Data:
    """min(max(data, low), high); the bounds may be infinite. A linear map before it becomes a layer."""
    data = broadcast(data, np.broadcast_shapes(low.shape, high.shape), label)
    low, high = (np.where(np.abs(bound) > LARGEST, np.copysign(np.inf, bound), bound) for bound in (low, high))
    low, high = (np.broadcast_to(bound, data.shape).ravel() for bound in (low, high))
    if np.all(low == -np.inf) and np.all(high == np.inf):
        return data
    if np.any(high - low < 1 / LARGEST):
        raise RanvierError(f"{label}: its upper bound is not above its lower bound; train or export the model again")
    if data.linear is None:
        return _narrowed(data, low, high, label)
    if np.any((low == -np.inf) & (high == np.inf)):
        raise RanvierError(f"{label}: it bounds some values and leaves others; only one kind of activation a layer is supported")
    # max(v, low) is low + relu(v - low), min(v, high) is high - relu(high - v).
    rising = low > -np.inf
    sign, anchor = np.where(rising, 1.0, -1.0), np.where(rising, low, high)
    upper = np.where(rising, high - anchor, np.inf)
    bias, factor, index = sign * (data.shift.ravel() - anchor), sign * data.scale.ravel(), data.index.ravel()
    finite(bias, label, "the folded bias")
    after = Data(data.stage, data.batch, None, np.arange(data.size).reshape(data.shape), sign.reshape(data.shape),
                 anchor.reshape(data.shape))
    linear = data.linear
    if linear.given is not None:
        finite(linear.given, label, "the folded weights")
    if linear.blocks and data.size == linear.size and data.plain():
        # The outputs of a convolution stay in its order, (y, x, channel).
        back = np.argsort(index)
        shape = next((block.synapses.output_shape for block in linear.blocks if not block.synapses.is_dense), None)
        stage = Stage(data.size, data.stage, linear.times(factor[back]), bias[back], upper[back], linear.name, shape)
        return replace(after, stage=stage, index=data.index)
    stage = Stage(data.size, data.stage, linear.columns(index, factor), bias, upper, linear.name)
    return replace(after, stage=stage)


def _narrowed(data: Data, low: Floats, high: Floats, label: str) -> Data:
    """A clip behind an activation: the layer's own bounds become narrower, which is the same."""
    stage = data.stage
    if stage.linear is None or stage.upper is None or stage.bias is None:
        raise RanvierError(f"{label}: no dense layer stands directly before it; put one there or remove it")
    if not data.plain():
        raise RanvierError(f"{label}: it clips copies of the same value in different ways; export the model without it")
    index, scale, shift = data.index.ravel(), data.scale.ravel(), data.shift.ravel().copy()
    top = stage.upper[index]
    ends = np.sort([shift, np.where(scale == 0, shift, scale * top + shift)], axis=0)
    ends = np.clip(ends, low, high)
    still = ends[0] == ends[1]    # one value whatever the neuron does
    with np.errstate(all="ignore"):
        bounds = np.sort([(ends[0] - shift) / scale, (ends[1] - shift) / scale], axis=0)
    least, most = np.where(still, 0, np.maximum(bounds[0], 0)), np.where(still, top, np.minimum(bounds[1], top))
    bias, upper = stage.bias.copy(), stage.upper.copy()
    bias[index] -= least
    upper[index] = most - least
    shift = np.where(still, ends[0], shift + scale * least)
    if np.array_equal(bias, stage.bias) and np.array_equal(upper, stage.upper) and not still.any():
        return data
    scale = np.where(still, 0, scale)
    # A neuron that stands for the negative, as min(x, high) makes it, turns round once it has both bounds: what is 0 then is silent.
    turned = (scale < 0) & np.isfinite(upper[index])
    places = index[turned]
    linear = stage.linear
    if turned.any():
        signs = np.ones(stage.size)
        signs[places] = -1
        linear = linear.times(signs)
    bias[places] = upper[places] - bias[places]
    shift = np.where(turned, shift + scale * upper[index], shift)
    after = replace(stage, linear=linear, bias=finite(bias, label, "the folded bias"), upper=upper)
    return replace(data, stage=after, scale=np.where(turned, -scale, scale).reshape(data.shape), shift=shift.reshape(data.shape))


# Shapes


def moved(data: Data, order: list[int]) -> Data:
    """A transposition."""
    return data.with_arrays(lambda array: array.transpose(order), None if data.batch is None else order.index(data.batch))


def reshaped(data: Data, target: list[Any], known_batch: int | None, label: str) -> Data:
    """``data`` under the sizes ``target``: whole numbers, -1 for what is left, `BATCH` for the samples.

    ``known_batch`` is the number of samples that the file was made for, if it says one.
    """
    if data.batch is None:
        sizes = _resolved(target, data.size)
        if sizes is None:
            raise _misfit(data, target, label)
        return data.with_arrays(lambda array: array.reshape(sizes), None)
    if BATCH in target:
        places = [i for i, n in enumerate(target) if n is BATCH]
    else:
        # Where the file leaves one size to be found that is the samples', unless all of a sample must go there.
        places = [i for i, n in enumerate(target) if n == -1] + [i for i, n in enumerate(target) if n in (known_batch, 1)]
    mixed = False
    for place in places:
        sizes = _resolved([*target[:place], *target[place + 1:]], data.size)
        if sizes is None:
            continue
        # Rows stay rows only if nothing but the samples is counted before them.
        if math.prod(data.shape[:data.batch]) == 1 and math.prod(sizes[:place]) == 1:
            whole = (*sizes[:place], 1, *sizes[place:])
            return data.with_arrays(lambda array, whole=whole: array.reshape(whole), place)
        mixed = True
    raise mixes(label) if mixed else _misfit(data, target, label)


def _resolved(target: list[Any], size: int) -> tuple[int, ...] | None:
    """``target`` with its one -1 replaced, if it makes ``size``."""
    if any(n is BATCH or n < -1 for n in target) or target.count(-1) > 1:
        return None
    rest = math.prod(n for n in target if n != -1)
    if -1 in target and rest and size % rest == 0:
        target = [size // rest if n == -1 else n for n in target]
    sizes = tuple(int(n) for n in target)
    return sizes if -1 not in sizes and math.prod(sizes) == size else None


def _misfit(data: Data, target: list[Any], label: str) -> RanvierError:
    return RanvierError(f"{label}: its target shape ({', '.join(map(str, target[:8]))}) does not fit data of shape {data.shown()}; "
                        "export the model again")

