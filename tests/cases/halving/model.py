"""Neurons that leak by a shift and halve their membrane at a spike.

    u     = v - (v >> shift) + contributions
    count = 1 where u >= level (u > level where strict)
    v     = clamp(u >> count, v_min, v_max)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ranvier.model.fixed import clamp
from ranvier.model.limits import Ints
from ranvier.model.neurons.kind import (
    Array,
    Batch,
    Family,
    Kind,
    Options,
    Parameter,
    PipelineTiming,
    Reach,
    Rule,
    State,
    Step,
    assert_headroom,
    batch_dtype,
)

__all__ = ["HALVING"]


class _Batch(Batch):
    constant = None

    def __init__(self, parameters: Mapping[str, Ints], rule: Rule) -> None:
        self.dtype = batch_dtype(rule.state_bits)
        self.strict = rule.strict
        get = {name: values.astype(self.dtype) for name, values in parameters.items()}
        self.initial, self.shift, self.level, self.bounds = (get["v_init"],), get["shift"], get["level"], (get["v_min"], get["v_max"])

    def step(self, state: tuple[Array, ...], drive: Array, spikes: Array | None) -> tuple[tuple[Array, ...], Array | None]:
        (v,) = state
        u = v - (v >> self.shift) + drive
        if spikes is not None:
            (np.greater if self.strict else np.greater_equal)(u, self.level, out=spikes)
            u = np.where(spikes, u >> 1, u)
        held = clamp(u, *self.bounds)
        return (held,), held != u


class Halving(Family):
    name = "halving"
    kinds = (Kind("halving"), Kind("halving_readout", spikes=False))
    parameters = (
        Parameter("level", "drive", "threshold, at least 1", 1, least=1, most=200),
        Parameter("shift", "dynamics", "the leak is the membrane shifted by so much", 7, bits=3, signed=False),
        Parameter("v_min", "dynamics", "lower bound", "least"),
        Parameter("v_max", "dynamics", "upper bound", "most"),
        Parameter("v_init", "drive", "membrane at the beginning of a window", 0, bounded=("v_min", "v_max")),
    )

    def timing(self, options: Options) -> PipelineTiming:
        return PipelineTiming(latency=5, spikes=4, needs={"shift": 0, "level": 3, "v_min": 4, "v_max": 4, "v_init": 5})

    def step(self, parameters: Mapping[str, int], rule: Rule, state: State, contributions: Sequence[int]) -> Step:
        (v,) = state
        leaked = v - (v >> parameters["shift"])
        assert_headroom([leaked, *contributions], rule.state_bits)
        u = leaked + sum(contributions)
        count = int(u > parameters["level"] if rule.strict else u >= parameters["level"]) if rule.spikes else 0
        held = clamp(u >> count, parameters["v_min"], parameters["v_max"])
        return Step((held,), count, int(held != u >> count))

    def batch(self, parameters: Mapping[str, Ints], rule: Rule, *, bounded: bool) -> Batch:
        return _Batch(parameters, rule)

    def reach(self, parameters: Mapping[str, Ints], rule: Rule, positive: Ints, negative: Ints) -> tuple[Reach, ...]:
        return (Reach("membrane", "v_min", "v_max", np.maximum(parameters["v_max"], 0) + positive,
                      np.minimum(parameters["v_min"], 0) - negative),)

    def rest(self, parameters: Mapping[str, int], rule: Rule) -> dict[str, int]:
        high = (1 << rule.state_bits - 1) - 1
        return {**parameters, "v_init": 0, "v_min": -high - 1, "v_max": high}


HALVING = Halving()
