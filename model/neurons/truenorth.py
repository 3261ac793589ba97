"""TrueNorth's neuron: `truenorth` (Cassidy et al., "Cognitive computing building block", IJCNN 2013; resets as public in NeMo).

    v    += contributions
    v    += omega * (c ? (|leak| >= rho) * sgn(leak) : leak)       omega = epsilon ? sgn(v) : 1, of the v after the synapses
    eta   = rho_t & (2**tm - 1)
    spike at v >= alpha + eta (v > alpha + eta where strict):      gamma 0: v = v_reset; 1: v -= alpha + eta; 2: v stays
    else at v < -beta where kappa, v < -(beta + eta) where not (<= where inclusive):
                                       kappa: v = -beta; otherwise gamma 0: v = -v_reset; 1: v += beta + eta; 2: v stays
    v'    = clamp(v, v_min, v_max)

rho (8 bits) and rho_t (18 bits) are parts of one number of `model/prng.py`, drawn for the neuron's seed, step and number: the chip's own
generator is not public. A population that draws none needs no generator. Whether neurons reset, and how, is theirs to say: what the
population's `Semantics` says of resets does not concern them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..fixed import clamp
from ..limits import Ints
from ..prng import Purpose, draw, key, prng
from .kind import (
    DRAW_LATENCY,
    DRAWN,
    INITIAL,
    LOWER,
    UPPER,
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

__all__ = ["LEAK_BITS", "RHO_BITS", "THRESHOLD_BITS", "TRUENORTH", "TrueNorth", "sum_bits"]

#: Bits of alpha and beta, and so of the random part of the threshold.
THRESHOLD_BITS = 18
#: Bits of the leak, and of the number that a random one is compared with: the lowest of the drawn word, below those of the threshold's.
LEAK_BITS, RHO_BITS = 9, 8


def sum_bits(state_bits: int) -> int:
    """Width that holds a membrane with a threshold and its random part added."""
    return max(state_bits, THRESHOLD_BITS + 2) + 1


def _drawn(number: Any, tm: Any) -> tuple[Any, Any]:
    """rho and eta of the random word ``number``, for integers and int64 arrays alike."""
    return number & (1 << RHO_BITS) - 1, (number >> RHO_BITS) & ((1 << tm) - 1)


def _sign(x: int) -> int:
    return (x > 0) - (x < 0)


class _Batch(Batch):
    """Neurons of one population."""

    constant = None

    def __init__(self, parameters: Mapping[str, Ints], rule: Rule) -> None:
        self.dtype = batch_dtype(sum_bits(rule.state_bits))
        self._strict = rule.strict
        self._p = {name: values.astype(self.dtype) for name, values in parameters.items() if name not in ("seed", "number")}
        self.initial = (self._p[INITIAL],)
        self._draws = bool(np.any(parameters["c"]) or np.any(parameters["tm"]))
        self._seed, self._number = parameters["seed"].astype(np.uint32), parameters["number"].astype(np.uint32)

    def step(self, state: tuple[Array, ...], drive: Array, spikes: Array | None) -> tuple[tuple[Array, ...], Array | None]:
        return self.step_at(0, state, drive, spikes)

    def step_at(self, step: int, state: tuple[Array, ...], drive: Array, spikes: Array | None) -> tuple[tuple[Array, ...], Array | None]:
        p, v = self._p, state[0] + drive
        rho, eta = self._random(step)
        leak = p["leak"] if rho is None else np.where(p["c"] != 0, (np.abs(p["leak"]) >= rho) * np.sign(p["leak"]), p["leak"])
        v = v + np.where(p["epsilon"] != 0, np.sign(v), 1).astype(self.dtype) * leak
        upper, lower = p["alpha"] + eta, p["beta"] + np.where(p["kappa"] != 0, 0, eta)
        above = (v > upper if self._strict else v >= upper) & (spikes is not None)
        below = ~above & np.where(p["inclusive"] != 0, v <= -lower, v < -lower)
        if spikes is not None:
            spikes[...] = above
        low = np.where(p["kappa"] != 0, -p["beta"], np.choose(p["gamma"], [-p["v_reset"], v + lower, v]))
        w = np.where(above, np.choose(p["gamma"], [p["v_reset"], v - upper, v]), np.where(below, low, v))
        held = clamp(w, p[LOWER], p[UPPER]).astype(self.dtype)
        return (held,), held != w

    def _random(self, step: int) -> tuple[Array | None, Array | int]:
        """rho and eta of every neuron; without draws a population has neither."""
        if not self._draws:
            return None, 0
        word: npt.NDArray[np.uint32] = np.full(1, step, np.uint32)
        purpose = np.full(1, int(Purpose.NEURON), np.uint32)
        number = draw(key(self._seed, word, purpose), self._number).astype(np.int64)
        rho, eta = _drawn(number, self._p["tm"].astype(np.int64))
        return rho.astype(self.dtype), eta.astype(self.dtype)


class TrueNorth(Family):
    """Neurons of 4 leak modes and 6 resets, with random leaks and thresholds."""

    name = "truenorth"
    kinds = (Kind("truenorth", own_reset=True),)
    parameters = (
        Parameter("alpha", "drive", "threshold", 1, bits=THRESHOLD_BITS, signed=False),
        Parameter("beta", "dynamics", "negative threshold, its magnitude", 0, bits=THRESHOLD_BITS, signed=False),
        Parameter("leak", "dynamics", "lambda, added every step", 0, bits=LEAK_BITS),
        Parameter("epsilon", "dynamics", "1: the leak has the membrane's sign", 0, bits=1, signed=False),
        Parameter("kappa", "dynamics", "1: the membrane stays at -beta", 0, bits=1, signed=False),
        Parameter("gamma", "dynamics", "0 to v_reset, 1 less the threshold, 2 none", 0, bits=2, signed=False, most=2),
        Parameter("v_reset", "dynamics", "R, the membrane after a spike", 0, bounded=(LOWER, UPPER)),
        Parameter("inclusive", "dynamics", "1: the negative threshold acts where it is met", 0, bits=1, signed=False),
        Parameter(LOWER, "dynamics", "lower bound", "least"),
        Parameter(UPPER, "dynamics", "upper bound", "most"),
        Parameter(INITIAL, "drive", "membrane at the beginning of a window", 0, bounded=(LOWER, UPPER)),
        Parameter("c", "dynamics", "1: the leak is random", 0, bits=1, signed=False, option="random"),
        Parameter("tm", "dynamics", "random bits of the threshold", 0, bits=5, signed=False, most=THRESHOLD_BITS, option="random"),
        Parameter("number", "drive", "the neuron's number for the generator", "number", bits=20, signed=False, option="random"),
        Parameter("seed", "row", "of the random numbers", 0, bits=31, signed=False, option="random"),
    )

    def timing(self, options: Options) -> PipelineTiming:
        """Six clocks from the sum on; what is drawn comes `DRAWN` clocks after the neuron's words."""
        leaks = DRAWN if options.random else 1
        random = {"number": DRAWN - DRAW_LATENCY, "c": leaks, "tm": leaks} if options.random else {}
        return PipelineTiming(latency=leaks + 5, spikes=leaks + 4, needs={
            "leak": leaks, "epsilon": leaks, "alpha": leaks + 1, "beta": leaks + 1, "kappa": leaks + 1, "gamma": leaks + 3,
            "v_reset": leaks + 3, "inclusive": leaks + 3, LOWER: leaks + 4, UPPER: leaks + 4, INITIAL: leaks + 5, **random})

    def draws(self, parameters: Mapping[str, Any]) -> bool:
        return any(np.any(parameters.get(name, 0)) for name in ("c", "tm"))

    def step(self, parameters: Mapping[str, int], rule: Rule, state: State, contributions: Sequence[int]) -> Step:
        return self.step_at(0, parameters, rule, state, contributions)

    def step_at(self, step: int, parameters: Mapping[str, int], rule: Rule, state: State, contributions: Sequence[int]) -> Step:
        p, (v,) = parameters, state
        number = prng(p["seed"], step, p["number"], int(Purpose.NEURON)) if p["c"] or p["tm"] else 0
        rho, eta = _drawn(number, p["tm"])
        leak = p["leak"]
        assert_headroom([v, *contributions], rule.state_bits)
        v += sum(contributions)
        if p["c"]:
            leak = _sign(leak) if abs(leak) >= rho else 0
        v += leak * _sign(v) if p["epsilon"] else leak
        assert_headroom([v], rule.state_bits)
        upper = p["alpha"] + eta
        lower = p["beta"] if p["kappa"] else p["beta"] + eta
        spike = rule.spikes and (v > upper if rule.strict else v >= upper)
        w = v
        if spike:
            w = (p["v_reset"], v - upper, v)[p["gamma"]]
        elif v <= -lower if p["inclusive"] else v < -lower:
            w = -p["beta"] if p["kappa"] else (-p["v_reset"], v + lower, v)[p["gamma"]]
        held = clamp(w, p[LOWER], p[UPPER])
        return Step((held,), int(spike), int(held != w))

    def batch(self, parameters: Mapping[str, Ints], rule: Rule, *, bounded: bool) -> Batch:
        return _Batch(parameters, rule)

    def reach(self, parameters: Mapping[str, Ints], rule: Rule, positive: Ints, negative: Ints) -> tuple[Reach, ...]:
        p = parameters
        both = np.where(p["epsilon"] != 0, np.abs(p["leak"]), 0)
        up, down = np.maximum(np.maximum(p["leak"], 0), both), np.minimum(np.minimum(p["leak"], 0), -both)
        return (Reach("membrane", LOWER, UPPER, np.maximum(p[UPPER], 0) + positive + up, np.minimum(p[LOWER], 0) - negative + down),)

    def rest(self, parameters: Mapping[str, int], rule: Rule) -> dict[str, int]:
        high = (1 << rule.state_bits - 1) - 1
        most = (1 << THRESHOLD_BITS) - 1
        return {**parameters, "alpha": most, "beta": most, "leak": 0, "c": 0, "tm": 0, INITIAL: 0, LOWER: -high - 1, UPPER: high}


TRUENORTH = TrueNorth()
