"""The stages of a walk as layers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...model.errors import RanvierError
from ..conventional import Activation, Answer, Clip, DenseLayer, Floats, GraphLayer, Integers, Layer, Relu
from ..synapses import Shape, Synapses
from .affine import matrix_of
from .node import Context
from .values import Block, Data, Linear, Stage, bounded, finite

__all__ = ["Layers", "layers_of"]

#: What a projection takes; beyond, synapses become a matrix.
_MOST_STEP = 1024


@dataclass(frozen=True)
class Layers:
    """The layers, what their answer means, and how they read a sample: see `Conventional`."""

    layers: tuple[Layer, ...]
    answer: Answer
    input_shape: Shape | None
    channels_first: bool


@dataclass(eq=False)
class _Place:
    """Where the values of a stage are in the network.

    ``order`` says which of the stage's values is each of the layer's, None: as they are. ``gain`` is what the layer's outputs are to
    be multiplied with.
    """

    name: str
    shape: Shape
    order: Integers | None = None
    gain: Floats | None = None
    fixed: bool = False


def layers_of(data: Data, answer: Answer, context: Context, owner: str) -> Layers:
    """The layers that give ``data``, and the answer with what stands behind the last of them."""
    data, answer, last = _last(data, answer, context, owner)
    stages = _in_order(last)
    places = _places(stages)
    found: list[Layer] = []
    names = {"input"}
    for stage in stages:
        if stage.before is None:
            continue
        place = places[stage]
        place.name = _named(stage.name, len(found) + 1, names)
        activation, place.gain = (None, None) if stage is last else _activation(stage, owner)
        found.append(_layer(stage, places, activation, f"layer {len(found) + 1}", found[-1].name if found else "input"))
    source = places[next(stage for stage in stages if stage.before is None)]
    shaped = None if source.shape[:2] == (1, 1) else source.shape
    return Layers(tuple(found), answer, shaped, source.order is not None)


def _in_order(last: Stage) -> list[Stage]:
    """All stages, each behind those that it reads."""
    found: list[Stage] = []
    waiting: list[tuple[Stage, bool]] = [(last, False)]
    while waiting:
        stage, ready = waiting.pop()
        if stage in found:
            continue
        if ready or stage.before is None:
            found.append(stage)
            continue
        waiting.append((stage, True))
        waiting += [(part, False) for part in reversed(stage.before.parts)]
    return found


def _places(stages: list[Stage]) -> dict[Stage, _Place]:
    """A place for each stage. Where no convolution made its values, the first that reads them says their shape and order."""
    places = {stage: _Place("input", stage.shape or (1, 1, stage.size), fixed=stage.shape is not None) for stage in stages}
    for stage in stages:
        for block, part in _blocks(stage):
            place = places[part]
            if block.synapses.is_dense or place.fixed:
                continue
            if part.before is not None or block.order is None or np.array_equal(block.order, _channels_first(block.synapses.shape)):
                place.shape, place.order, place.fixed = block.synapses.shape, block.order, True
    return places


def _channels_first(shape: Shape) -> Integers:
    height, width, channels = shape
    return np.arange(math.prod(shape)).reshape(channels, height, width).transpose(1, 2, 0).ravel()


def _blocks(stage: Stage) -> list[tuple[Block, Stage]]:
    """What a stage reads, and of which stage."""
    if stage.before is None or stage.linear is None:
        return []
    parts = stage.before.parts
    return [(block, parts[block.part]) for block in stage.linear.split(tuple(part.size for part in parts))]


def _layer(stage: Stage, places: dict[Stage, _Place], activation: Activation, where: str, before: str) -> Layer:
    """The layer of ``stage``; ``before`` is the name of the layer directly before."""
    place = places[stage]
    assert stage.linear is not None and stage.bias is not None
    quantised, bias = stage.linear.quantised, stage.bias
    synapses: list[Synapses] = []
    for block, part in _blocks(stage):
        made = _read(block, places[part], place.shape)
        if places[part].gain is not None:
            quantised = None
        same = next((i for i, other in enumerate(synapses) if _alike(other, made)), None)
        if same is None:
            synapses.append(made)
        else:
            synapses[same] = replace(made, weight=made.weight + synapses[same].weight)
    if place.gain is not None:
        pixels = place.gain.reshape(-1, place.shape[2])
        if not np.all(pixels == pixels[0]):
            synapses = [_matrix(part) for part in synapses]
        synapses = [replace(part, weight=part.weight / (place.gain if part.is_dense else pixels[0])) for part in synapses]
        bias = bias / place.gain
        quantised = None if quantised is None else (quantised[0], quantised[1] / place.gain)
    if place.order is not None:
        # A matrix gives the values, and a convolution reads them in its own order.
        synapses = [replace(part, weight=part.weight[..., place.order]) for part in synapses]
        bias = bias[place.order]
        quantised = None if quantised is None else (quantised[0][:, place.order], quantised[1][place.order])
    for made in synapses:
        finite(made.weight, where, "the folded weights")
    finite(bias, where, "the folded bias")
    only = synapses[0]
    if len(synapses) == 1 and only.is_dense and place.shape[:2] == (1, 1) and only.source == before:
        weight = np.ascontiguousarray(only.weight[0, 0])
        return DenseLayer(place.name, weight, bias.copy(), activation, _exact(weight, _rows(quantised, stage, places)))
    return GraphLayer(place.name, place.shape, tuple(synapses), bias.copy(), activation)


def _rows(quantised: tuple[Integers, Floats] | None, stage: Stage, places: dict[Stage, _Place]) -> tuple[Integers, Floats] | None:
    """Integers of a matrix in the order of what it reads."""
    assert stage.before is not None
    order = places[stage.before.parts[0]].order
    return quantised if quantised is None or order is None else (quantised[0][order], quantised[1])


def _read(block: Block, place: _Place, shape: Shape) -> Synapses:
    """Synapses of ``block`` from the layer at ``place`` to one of ``shape``."""
    synapses = replace(block.synapses, source=place.name)
    natural = (block.order is None if place.order is None
               else block.order is not None and np.array_equal(block.order, place.order))
    fits = (synapses.shape == place.shape and natural and max(*synapses.stride, *synapses.dilation) <= _MOST_STEP
            and all(pad < extent for pad, extent in zip(synapses.padding, np.repeat(synapses.extent, 2), strict=True)))
    if not synapses.is_dense and (not fits or synapses.output_shape != shape):
        synapses = _matrix(synapses)
    gain = place.gain
    if synapses.is_dense:
        # Row j of the matrix reads value order[j] of the stage; the layer has value place.order[j] at j.
        rows = np.arange(synapses.size)
        if block.order is not None:
            rows = np.argsort(block.order)
        if place.order is not None:
            rows = rows[place.order]
        synapses = synapses if np.array_equal(rows, np.arange(rows.size)) else replace(synapses, weight=synapses.weight[:, :, rows])
        return synapses if gain is None else replace(synapses, weight=synapses.weight * _placed(gain, place)[:, None])
    return synapses if gain is None else synapses.scaled(_placed(gain, place))


def _placed(gain: Floats, place: _Place) -> Floats:
    """``gain`` of a stage in the order of its layer."""
    return gain if place.order is None else gain[place.order]


def _matrix(synapses: Synapses) -> Synapses:
    if synapses.is_dense:
        return synapses
    bounded(synapses.size * math.prod(synapses.output_shape), "a convolution as a matrix")
    return Synapses.dense(synapses.matrix(), synapses.source)


def _alike(a: Synapses, b: Synapses) -> bool:
    """Whether two read the same values with kernels of one form."""
    return (a.weight.shape, *_form(a)) == (b.weight.shape, *_form(b))


def _form(a: Synapses) -> tuple[object, ...]:
    return a.source, a.shape, a.stride, a.padding, a.dilation, a.groups


def _exact(weight: Floats, quantised: tuple[Integers, Floats] | None) -> tuple[Integers, Floats] | None:
    """The integers, where they are still the weights."""
    if quantised is None or not np.allclose(quantised[0] * quantised[1], weight, rtol=1e-12, atol=0):
        return None
    return np.ascontiguousarray(quantised[0]), quantised[1].copy()


def _last(data: Data, answer: Answer, context: Context, owner: str) -> tuple[Data, Answer, Stage]:
    """The last layer, which has no activation, with what is before it and the answer."""
    stage, index, scale = data.stage, data.index.ravel(), data.scale.ravel()
    if data.linear is not None:
        return data, answer, Stage(data.size, stage, data.linear.columns(index, scale), data.shift.ravel(), None, data.linear.name)
    joined = bool(stage.joined)
    if not joined and (stage.before is None or stage.linear is None or stage.bias is None or stage.upper is None):
        raise RanvierError(f"{owner}: there is no dense layer on the way to it; give a model with at least one")
    if not joined and data.plain() and np.all(scale > 0) and not np.any(data.shift) and np.all(np.isinf(_upper(stage)[index])):
        if answer.kind == "binary" and answer.threshold < 0:
            raise RanvierError(f"{owner}: its threshold is below what the Relu before it gives; train or export the model again")
        if answer.kind == "class":
            context.note("the Relu behind the last layer was left out: the largest value stays the largest; where all are below 0 "
                         "the file gives only zeros")
        else:
            context.note("the Relu behind the last layer is not part of it: the answer is 0 where the layer's value is below 0")
        assert stage.before is not None and stage.linear is not None and stage.bias is not None
        last = Stage(data.size, stage.before, stage.linear.columns(index, scale), stage.bias[index] * scale, None, stage.name)
        return replace(data, stage=stage.before), replace(answer, final="relu"), last
    context.note("the last activation is bounded, scaled or shifted, so it stays a layer of its own; a layer that reads it was added")
    matrix, offset = matrix_of(data, owner)
    return data, answer, Stage(data.size, stage, Linear(matrix, "output", owner), offset, None, "output")


def _upper(stage: Stage) -> Floats:
    assert stage.upper is not None
    return stage.upper


def _activation(stage: Stage, owner: str) -> tuple[Activation, Floats | None]:
    """The activation of a layer, and what its outputs are divided by so that one bound holds for all."""
    upper = _upper(stage)
    if np.all(np.isinf(upper)):
        return Relu(), None
    if np.any(np.isinf(upper)):
        raise RanvierError(f"{owner}: a layer before it has outputs with an upper bound and outputs without; "
                           "only one kind of activation a layer is supported")
    if np.all(upper == upper[0]):
        return Clip(float(upper[0])), None
    return Clip(1.0), upper


def _named(given: str, place: int, taken: set[str]) -> str:
    """A name that a population may have, once."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_-./") else "_" for c in given[:48])
    name = plain.strip("_./") or f"layer{place}"
    while name in taken:
        name = f"{name[:48]}.{place}"
    taken.add(name)
    return name
