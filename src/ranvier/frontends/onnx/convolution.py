"""Convolution and pooling: both are convolutions of an image, (samples, channels, y, x) or (samples, channels, x)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..conventional import Floats
from ..synapses import Shape, Synapses
from .affine import clip, in_image_order, matrix_of, scaled, shifted, with_blocks
from .node import Call
from .values import Data, Linear, Value, bounded

__all__ = ["CONVOLUTIONS"]

#: Largest size, stride, dilation or padding of a kernel; beyond is damage.
_LARGEST = 1 << 12


@dataclass(frozen=True)
class _Window:
    """Geometry of a kernel: sizes for both axes, padding (top, bottom, left, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]


def _image(call: Call) -> tuple[Data, Shape]:
    """The data, and (height, width, channels)."""
    data = call.data(0)
    if len(data.shape) not in (3, 4) or data.batch not in (0, None) or data.shape[0] != 1 or not data.size:
        raise call.fail(f"its data has shape {data.shown()}; images of shape (batch, channels, y, x) are supported, and "
                        "(batch, channels, x)")
    return data, in_image_order(data.shape)[1]


def _both(call: Call, name: str, axes: int, default: int, least: int) -> tuple[int, int]:
    """An attribute for y and x; y has ``default`` where there is only x."""
    given = call.integers(name)
    given = [default] * axes if given is None else given
    if len(given) != axes or not all(least <= n <= _LARGEST for n in given):
        raise call.fail(f"its {name} are {given[:8]}; they must be {axes} numbers of at least {least}")
    return (default, given[0]) if axes == 1 else (given[0], given[1])


def _window(call: Call, shape: Shape, axes: int, kernel: tuple[int, int]) -> _Window:
    """The geometry that the attributes give, with ``auto_pad`` worked out."""
    stride, dilation = _both(call, "strides", axes, 1, 1), _both(call, "dilations", axes, 1, 1)
    auto, given = call.text("auto_pad", "NOTSET"), call.integers("pads") or [0] * 2 * axes
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise call.fail(f"its auto_pad is {auto[:20]!r}; it must be NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    if len(given) != 2 * axes or not all(0 <= n <= _LARGEST for n in given):
        raise call.fail(f"its pads are {given[:8]}; they must be {2 * axes} numbers that are not negative")
    pads = [0, 0, given[0], given[1]] if axes == 1 else [given[0], given[2], given[1], given[3]]
    if auto == "VALID":
        pads = [0] * 4
    elif auto != "NOTSET":
        for axis in (0, 1):
            made = -(-shape[axis] // stride[axis])
            missing = max(0, (made - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1 - shape[axis])
            less, more = missing // 2, missing - missing // 2
            pads[2 * axis:2 * axis + 2] = (less, more) if auto == "SAME_UPPER" else (more, less)
    return _Window(kernel, stride, (pads[0], pads[1], pads[2], pads[3]), dilation)


def _behind(call: Call, data: Data, kernel: Synapses) -> Data:
    """``kernel`` behind ``data``, without a bias."""
    height, width, channels = kernel.output_shape
    if height < 1 or width < 1:
        raise call.fail(f"its kernel spans {kernel.extent[0]} x {kernel.extent[1]} pixels, more than its data {data.shown()} with its "
                        "padding; export the model again")
    order, shape = in_image_order(data.shape)
    padded = (shape[0] + sum(kernel.padding[:2])) * (shape[1] + sum(kernel.padding[2:])) * shape[2]
    bounded(2 * height * width * channels + padded, call.label)
    shift = kernel.apply(data.shift.ravel()[order][None])[0] if np.any(data.shift) else np.zeros(height * width * channels)
    made = _convolved(call, data, kernel)
    target = (1, channels, width) if len(data.shape) == 3 else (1, channels, height, width)
    after, _ = in_image_order(target)
    back = np.empty(after.size, np.int64)
    back[after] = np.arange(after.size)
    return Data(made[0].stage, data.batch, made[1], back.reshape(target), np.ones(target), shift[back].reshape(target))


def _convolved(call: Call, data: Data, kernel: Synapses) -> tuple[Data, Linear]:
    """The data, which may have become a layer of its own, and ``kernel`` behind it."""
    both = _joined(call, data, kernel)
    if both is None and _averages(data):
        # A mean of activations is one, so it can be a layer, which the kernel then reads as it is.
        call.context.note(f"{data.linear.label if data.linear else ''}: the pooling is a layer of its own, because {call.label} behind it "
                          "pads its values with zeros")
        data = _as_layer(data)
        both = _joined(call, data, kernel)
    if both is not None:
        return data, both
    order, _ = in_image_order(data.shape)
    bounded(data.stage.size * math.prod(kernel.output_shape), call.label)
    return data, Linear(kernel.apply(matrix_of(data, call.label)[0][:, order]), *call.names)


def _joined(call: Call, data: Data, kernel: Synapses) -> Linear | None:
    """Blocks of ``data`` and ``kernel`` as blocks; None where one of them cannot be a convolution."""
    found = with_blocks(data, call.label).linear
    assert found is not None
    blocks = []
    for block in found.blocks:
        both = block.synapses.then(kernel)
        if both is None:
            return None
        bounded(both.weight.size, call.label)
        blocks.append(replace(block, synapses=both))
    return Linear(None, *call.names, None, tuple(blocks), found.sizes)


def _averages(data: Data) -> bool:
    """Whether the values are sums of activations with weights that are not negative."""
    return (data.linear is not None and bool(data.linear.blocks) and not np.any(data.shift) and bool(np.all(data.scale > 0))
            and all(stage.before is not None for stage in data.stage.parts)
            and all(np.all(block.synapses.weight >= 0) for block in data.linear.blocks))


def _as_layer(data: Data) -> Data:
    """The values as the outputs of a layer, which are never below 0 nor above the largest that they can be."""
    assert data.linear is not None
    most = np.inf
    uppers = [stage.upper for stage in data.stage.parts]
    if all(upper is not None and np.all(np.isfinite(upper)) for upper in uppers):
        each = sum(block.synapses.apply((upper if block.order is None else upper[block.order])[None])[0]
                   for block in data.linear.blocks for upper in [uppers[block.part]] if upper is not None)
        most = float((each[data.index] * data.scale).max())
    return clip(data, np.array(0.0), np.array(most), data.linear.label)


def conv(call: Call) -> Value:
    """Conv, with constant weights (channels, channels of the data / group, y, x)."""
    data, shape = _image(call)
    axes, weight, group = len(data.shape) - 2, call.floats(1, "weights"), call.integer("group", 1)
    if weight.ndim != axes + 2 or 0 in weight.shape:
        raise call.fail(f"its weights are {weight.shape}, its data {data.shown()}; they do not fit")
    if group < 1 or weight.shape[0] % group or weight.shape[1] * group != shape[2]:
        raise call.fail(f"its weights are {weight.shape} in {group} groups, its data has {shape[2]} channels; they do not fit")
    weight = weight[:, :, None] if axes == 1 else weight
    kernel = (weight.shape[2], weight.shape[3])
    if call.integers("kernel_shape") not in (None, list(kernel[2 - axes:])):
        raise call.fail("its kernel_shape is not that of its weights; export the model again")
    window = _window(call, shape, axes, kernel)
    made = _behind(call, data, Synapses(np.ascontiguousarray(weight.transpose(2, 3, 1, 0)), shape, window.stride, window.padding,
                                        window.dilation, group))
    if call.value(2) is None:
        return made
    bias = call.floats(2, "bias")
    if bias.shape != weight.shape[:1]:
        raise call.fail(f"its bias has shape {bias.shape}; it must be ({weight.shape[0]},)")
    return shifted(made, bias.reshape(-1, *(1,) * axes), call.label)


def average_pool(call: Call) -> Value:
    """AveragePool: a kernel of equal weights for each channel."""
    data, shape = _image(call)
    axes = len(data.shape) - 2
    if not call.has("kernel_shape"):
        raise call.fail("it has no kernel_shape; export the model again")
    window = _window(call, shape, axes, _both(call, "kernel_shape", axes, 1, 1))
    whole = _pooling(window, (*shape[:2], 1))
    if call.integer("ceil_mode", 0) and any(
            (shape[axis] + sum(window.padding[2 * axis:2 * axis + 2]) - whole.extent[axis]) % window.stride[axis] for axis in (0, 1)):
        raise call.fail("its ceil_mode makes windows that reach beyond the image; pad the image, or choose sizes that divide it")
    if any(pad >= extent for pad, extent in zip(window.padding, np.repeat(whole.extent, 2), strict=True)):
        raise call.fail(f"its pads are {list(window.padding)}, as many pixels as its kernel spans; use less padding")
    made = _behind(call, data, _pooling(window, shape))
    if call.integer("count_include_pad", 0) or not any(window.padding):
        return made
    # Pixels of the padding do not count, so that windows at the border have other weights.
    share: Floats = whole.apply(np.ones((1, shape[0] * shape[1])))[0]
    return scaled(made, (1 / share).reshape(made.shape[2:]), call.label)


def _pooling(window: _Window, shape: Shape) -> Synapses:
    kh, kw = window.kernel
    return Synapses(np.full((kh, kw, 1, shape[2]), 1 / (kh * kw)), shape, window.stride, window.padding, window.dilation, shape[2])


def global_average_pool(call: Call) -> Value:
    """GlobalAveragePool: the mean of each channel."""
    data, shape = _image(call)
    return _behind(call, data, _pooling(_Window(shape[:2], (1, 1), (0, 0, 0, 0), (1, 1)), shape))


#: Handlers by operator, with the least and the largest number of inputs.
CONVOLUTIONS: dict[str, tuple[Callable[[Call], Value], int, int]] = {
    "AveragePool": (average_pool, 1, 1), "Conv": (conv, 2, 3), "GlobalAveragePool": (global_average_pool, 1, 1)}
