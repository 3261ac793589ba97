"""The stages of a walk as dense layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...model.errors import RanvierError
from ..conventional import Activation, Answer, Clip, DenseLayer, Floats, Integers, Relu
from .affine import matrix_of
from .node import Context
from .values import Data, Stage, finite

__all__ = ["layers_of"]


def layers_of(data: Data, answer: Answer, context: Context, owner: str) -> tuple[tuple[DenseLayer, ...], Answer]:
    """The layers that give ``data``, and the answer with what stands behind the last of them."""
    data, answer, last = _last(data, answer, context, owner)
    stages: list[Stage] = []
    stage: Stage | None = data.stage
    while stage is not None and stage.before is not None:
        stages.append(stage)
        stage = stage.before
    found: list[DenseLayer] = []
    names, gain = {"input"}, None    # gain: what the layer before is to be multiplied with
    for stage in (*reversed(stages), last):
        assert stage.weight is not None and stage.bias is not None
        weight, bias, quantised = stage.weight, stage.bias, stage.quantised
        if gain is not None:
            weight, quantised = gain[:, None] * weight, None
        activation, gain = (None, None) if stage is last else _activation(stage, owner)
        if gain is not None:
            weight, bias = weight / gain, bias / gain
            quantised = None if quantised is None else (quantised[0], quantised[1] / gain)
        where = f"layer {len(found) + 1}"
        finite(weight, where, "the folded weights")
        finite(bias, where, "the folded bias")
        found.append(DenseLayer(_named(stage.name, len(found) + 1, names), np.ascontiguousarray(weight), bias.copy(), activation,
                                _exact(weight, quantised)))
    return tuple(found), answer


def _exact(weight: Floats, quantised: tuple[Integers, Floats] | None) -> tuple[Integers, Floats] | None:
    """The integers, where they are still the weights."""
    if quantised is None or not np.allclose(quantised[0] * quantised[1], weight, rtol=1e-12, atol=0):
        return None
    return np.ascontiguousarray(quantised[0]), quantised[1].copy()


def _last(data: Data, answer: Answer, context: Context, owner: str) -> tuple[Data, Answer, Stage]:
    """The last layer, which has no activation, with what is before it and the answer."""
    stage = data.stage
    if data.linear is not None:
        matrix, offset = matrix_of(data, owner)
        integers = data.linear.quantised
        index, scale = data.index.ravel(), data.scale.ravel()
        quantised = None if integers is None or np.any(scale == 0) else (
            integers[0][:, index] * np.sign(scale).astype(np.int64), integers[1][index] * np.abs(scale))
        return data, answer, Stage(data.size, stage, matrix, offset, None, data.linear.name, quantised)
    if stage.before is None or stage.weight is None or stage.bias is None or stage.upper is None:
        raise RanvierError(f"{owner}: there is no dense layer on the way to it; give a model with at least one")
    index, scale = data.index.ravel(), data.scale.ravel()
    if data.plain() and np.all(scale > 0) and not np.any(data.shift) and np.all(np.isinf(stage.upper[index])):
        if answer.kind == "binary" and answer.threshold < 0:
            raise RanvierError(f"{owner}: its threshold is below what the Relu before it gives; train or export the model again")
        if answer.kind == "class":
            context.note("the Relu behind the last layer was left out: the largest value stays the largest; where all are below 0 "
                         "the file gives only zeros")
        else:
            context.note("the Relu behind the last layer is not part of it: the answer is 0 where the layer's value is below 0")
        quantised = None if stage.quantised is None else (stage.quantised[0][:, index], stage.quantised[1][index] * scale)
        last = Stage(data.size, stage.before, stage.weight[:, index] * scale, stage.bias[index] * scale, None, stage.name, quantised)
        return replace(data, stage=stage.before), replace(answer, final="relu"), last
    context.note("the last activation is bounded, scaled or shifted, so it stays a layer of its own; a layer that reads it was added")
    matrix, offset = matrix_of(data, owner)
    return data, answer, Stage(data.size, stage, matrix, offset, None, "output")


def _activation(stage: Stage, owner: str) -> tuple[Activation, Floats | None]:
    """The activation of a layer, and what its outputs are divided by so that one bound holds for all."""
    assert stage.upper is not None
    if np.all(np.isinf(stage.upper)):
        return Relu(), None
    if np.any(np.isinf(stage.upper)):
        raise RanvierError(f"{owner}: a layer before it has outputs with an upper bound and outputs without; "
                           "only one kind of activation a layer is supported")
    if np.all(stage.upper == stage.upper[0]):
        return Clip(float(stage.upper[0])), None
    return Clip(1.0), stage.upper


def _named(given: str, place: int, taken: set[str]) -> str:
    """A name that a population may have, once."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_-./") else "_" for c in given[:48])
    name = plain.strip("_./") or f"layer{place}"
    while name in taken:
        name = f"{name[:48]}.{place}"
    taken.add(name)
    return name
