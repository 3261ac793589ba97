"""Integrate and fire: `input`, `if`, `lif` and `li`, and with synaptic currents `cubalif` and `cubali`; one pipeline with options.

    i'    = clamp(decay(i, k_i) + contributions, i_min, i_max)      with currents only
    u     = decay(v, k) + contributions + bias                      with currents i' or i, for the contributions
    count = spike_count(u, theta, strict, spike_bits)               0 for a kind that never spikes
    v'    = clamp(reset(u, count), v_min, v_max)

A reset in the next step moves what acts, not what is counted. To subtract, the stored membrane is ``decay(u) - theta * count``, and
the next sum takes it as it is. To a value, a flag is stored, and with it the whole next u is ``v_reset``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..fixed import NO_LEAK, clamp, decay, reset, spike_count
from ..limits import Ints
from .kind import (
    INITIAL,
    LOWER,
    UPPER,
    Array,
    Batch,
    Default,
    Family,
    Kind,
    Options,
    Parameter,
    PipelineTiming,
    Reach,
    Rule,
    State,
    StateWord,
    Step,
    assert_headroom,
    batch_dtype,
)

__all__ = ["INTEGRATE", "Integrate"]

_NO_CURRENT: dict[str, Default] = {"k_i": 0, "i_min": "least", "i_max": "most", "i_init": 0}
_NO_LEAK: dict[str, Default] = {"k": NO_LEAK}
#: Bits that a membrane's sum needs beyond its word, where it takes a current, which can be as large as itself, and a bias.
_CURRENT_SUM = 2


def _sum_bits(rule: Rule) -> int:
    """Width of the membrane's sum."""
    return rule.state_bits + _CURRENT_SUM * rule.currents


class _Batch(Batch):
    """Integrate-and-fire neurons of one population. A pass that would change nothing is left out."""

    def __init__(self, family: Integrate, parameters: Mapping[str, Ints], rule: Rule, bounded: bool) -> None:
        self.dtype = dtype = batch_dtype(_sum_bits(rule))
        get = {name: values.astype(dtype) for name, values in parameters.items() if name not in ("k", "k_i")}
        self._words = [word.name for word in family.words(rule.options)]
        zero = np.zeros_like(get["theta"])
        self.initial = tuple(get[word.initial] if word.initial else zero for word in family.words(rule.options))
        bias = get["bias"] if np.any(get["bias"]) else None
        # A current takes what arrives, the membrane the bias.
        self.constant = None if rule.currents else bias
        self._bias = bias if rule.currents else None
        self._rule, self._theta, self._v_reset = rule, _one(get["theta"]), get["v_reset"]
        self._k, self._k_i = (parameters[name] if np.any(parameters[name] != NO_LEAK) else None for name in ("k", "k_i"))
        self._bounds = (get[LOWER], get[UPPER]) if bounded else None
        self._current_bounds = get["i_min"], get["i_max"]

    def step(self, state: tuple[Array, ...], drive: Array, spikes: Array | None) -> tuple[tuple[Array, ...], Array | None]:
        rule, words = self._rule, dict(zip(self._words, state, strict=True))
        clamped: Array | None = None
        if rule.currents:
            drive, words["i"], clamped = self._current(words["i"], drive)
        later = rule.reset if rule.next_tick else ""
        v = (words["v"] if later == "subtract" else self._leak(words["v"], self._k)) + drive
        if later == "value":
            v = np.where(words["flag"] != 0, self._v_reset, v)
        if spikes is not None:
            self._count(v, spikes)
            if later == "subtract":
                v = self._leak(v, self._k)
            if later == "value":
                words["flag"] = (spikes != 0).astype(self.dtype)
            else:
                v = reset(v, spikes, self._theta, self._v_reset, rule.reset)
        if self._bounds is None:
            words["v"] = v
        else:
            words["v"] = clamp(v, *self._bounds)
            changed = words["v"] != v
            clamped = changed if clamped is None else np.add(clamped, changed, dtype=np.uint8)
        return tuple(words.values()), clamped

    def _current(self, i: Array, drive: Array) -> tuple[Array, Array, Array]:
        """What the membrane receives, the current after the step, and where a bound changed it."""
        summed = self._leak(i, self._k_i) + drive
        held = clamp(summed, *self._current_bounds)
        given = i if self._rule.before else held
        return given if self._bias is None else given + self._bias, held, held != summed

    def _count(self, v: Array, spikes: Array) -> None:
        """`fixed.spike_count`, for spikes of one bit without its division."""
        if spikes.dtype == np.bool_:
            (np.greater if self._rule.strict else np.greater_equal)(v, self._theta, out=spikes)
        else:
            spikes[...] = spike_count(v, self._theta, self._rule.strict, self._rule.options.spike_bits)

    def _leak(self, x: Array, k: Array | None) -> Array:
        """A state word after decay."""
        if k is None:
            return x
        return decay(x.astype(np.int64), k, self._rule.rounding).astype(self.dtype)


def _one(values: Array) -> Any:
    """One number for all neurons, where they are equal: numpy divides by one much faster than by many."""
    return values[:1] if np.all(values == values[0]) else values


class Integrate(Family):
    """Integrate-and-fire neurons with a leak, readouts that only integrate, and both with synaptic currents."""

    name = "integrate"
    kinds = (
        Kind("input", driven=True, constants=_NO_LEAK | _NO_CURRENT),
        Kind("if", constants=_NO_LEAK | _NO_CURRENT),
        Kind("lif", constants=_NO_CURRENT),
        Kind("li", spikes=False, constants=_NO_CURRENT),
        Kind("cubalif", currents=True),
        Kind("cubali", spikes=False, currents=True),
    )
    parameters = (
        Parameter("theta", "drive", "threshold, at least 1", 1, least=1),
        Parameter("bias", "drive", "added every step", 0),
        Parameter("k", "dynamics", "decay factor, 65536 is no leak", NO_LEAK, bits=17, signed=False, most=NO_LEAK, effect="leak"),
        Parameter("v_reset", "dynamics", "membrane after a spike", 0, bounded=(LOWER, UPPER)),
        Parameter(LOWER, "dynamics", "lower bound", "least"),
        Parameter(UPPER, "dynamics", "upper bound", "most"),
        Parameter(INITIAL, "drive", "membrane at the beginning of a window", 0, bounded=(LOWER, UPPER)),
        Parameter("k_i", "dynamics", "decay factor of the synaptic current, 65536 is no leak", NO_LEAK, bits=17, signed=False,
                  most=NO_LEAK, effect="synaptic current", option="currents"),
        Parameter("i_min", "dynamics", "lower bound of the synaptic current", "least", effect="synaptic current", option="currents"),
        Parameter("i_max", "dynamics", "upper bound of the synaptic current", "most", effect="synaptic current", option="currents"),
        Parameter("i_init", "dynamics", "synaptic current at the beginning of a window", 0, bounded=("i_min", "i_max"),
                  effect="synaptic current", option="currents"),
    )

    def timing(self, options: Options) -> PipelineTiming:
        """A current takes three clocks before the sum, each plane of the count one after it; a reset in the next tick takes one or two."""
        arrives = 3 if options.currents else 0
        summed = arrives + 2
        counted = summed + options.spike_bits
        bounded = max(summed + 2, counted) + 1 if options.next_tick else counted
        currents = {"k_i": 0, "i_min": 2, "i_max": 2, "i_init": bounded + 1} if options.currents else {}
        return PipelineTiming(latency=bounded + 1, spikes=counted, needs={
            "k": arrives, "bias": arrives, "theta": summed, "v_min": bounded, "v_max": bounded,
            "v_reset": arrives if options.next_tick else bounded, "v_init": bounded + 1, **currents})

    def words(self, options: Options) -> tuple[StateWord, ...]:
        return (StateWord("v", initial=INITIAL), *[StateWord("i", initial="i_init")] * options.currents,
                *[StateWord("flag", 1)] * options.next_tick)

    def step(self, parameters: Mapping[str, int], rule: Rule, state: State, contributions: Sequence[int]) -> Step:
        p, clamps = parameters, 0
        words = {word.name: value for word, value in zip(self.words(rule.options), state, strict=True)}
        if rule.currents:
            i = decay(words["i"], p["k_i"], rule.rounding)
            assert_headroom([i, *contributions], rule.state_bits)
            for contribution in contributions:
                i += contribution
            held = clamp(i, p["i_min"], p["i_max"])
            contributions, clamps = [words["i"] if rule.before else held], int(held != i)
            words["i"] = held
        leaked = words["v"] if rule.next_tick and rule.reset == "subtract" else decay(words["v"], p["k"], rule.rounding)
        assert_headroom([leaked, p["bias"], *contributions], _sum_bits(rule))
        u = leaked + p["bias"]
        for contribution in contributions:
            u += contribution
        if rule.next_tick and rule.reset == "value" and words["flag"]:
            u = p["v_reset"]
        count = spike_count(u, p["theta"], rule.strict, rule.options.spike_bits) if rule.spikes else 0
        if not rule.next_tick:
            w = reset(u, count, p["theta"], p["v_reset"], rule.reset)
        elif rule.reset == "subtract":
            w = reset(decay(u, p["k"], rule.rounding), count, p["theta"], p["v_reset"], rule.reset)
        else:
            w, words["flag"] = u, int(count > 0)
        assert_headroom([w], _sum_bits(rule))
        words["v"] = clamp(w, p[LOWER], p[UPPER])
        return Step(tuple(words.values()), count, clamps + int(words["v"] != w))

    def batch(self, parameters: Mapping[str, Ints], rule: Rule, *, bounded: bool) -> Batch:
        return _Batch(self, parameters, rule, bounded)

    def reach(self, parameters: Mapping[str, Ints], rule: Rule, positive: Ints, negative: Ints) -> tuple[Reach, ...]:
        """With a current it is the current that takes what arrives; the membrane's sum then has room for any."""
        p = parameters
        if rule.currents:
            return (Reach("synaptic current", "i_min", "i_max", np.maximum(p["i_max"], 0) + positive,
                          np.minimum(p["i_min"], 0) - negative),)
        later = rule.next_tick and rule.reset == "subtract"
        subtracted = p["theta"] * ((1 << rule.options.spike_bits) - 1) if later else 0
        return (Reach("membrane", LOWER, UPPER, np.maximum(p[UPPER], 0) + np.maximum(p["bias"], 0) + positive,
                      np.minimum(p[LOWER], 0) + np.minimum(p["bias"], 0) - negative - subtracted, later),)

    def interval(self, parameters: Mapping[str, Ints], rule: Rule, low: Ints, high: Ints, positive: Ints,
                 negative: Ints) -> tuple[Ints, Ints] | None:
        """Decay, sum and reset are monotone, so the ends of the interval give the ends of the next."""
        if rule.currents or rule.next_tick:
            return None
        p = parameters
        least = decay(low, p["k"], rule.rounding) - negative + p["bias"]
        most = decay(high, p["k"], rule.rounding) + positive + p["bias"]
        if rule.reset == "none":
            return least, most
        silent = np.minimum(most, p["theta"] - 1 + int(rule.strict))
        if rule.reset == "subtract":
            # What spikes leaves at least 0, or least - taken where even the least membrane spikes as often as a count can say.
            taken = p["theta"] * ((1 << rule.options.spike_bits) - 1)
            return np.minimum(least, np.maximum(least - taken, 0)), np.maximum(silent, most - taken)
        return np.minimum(least, p["v_reset"]), np.maximum(silent, p["v_reset"])

    def rest(self, parameters: Mapping[str, int], rule: Rule) -> dict[str, int]:
        """The neuron's own parameters where it rests with them; else no bias, and a membrane and a current of 0, where bounds allow it."""
        p = dict(parameters)
        if self._rests(p, rule) and p[INITIAL] < p["theta"]:
            return p
        low, high = -(1 << rule.state_bits - 1), (1 << rule.state_bits - 1) - 1
        if rule.currents:
            p["i_init"] = 0
            if not p["i_min"] <= 0 <= p["i_max"]:
                p |= {"i_min": low, "i_max": high}
        if p[LOWER] <= 0 <= p[UPPER]:
            return {**p, "bias": 0, INITIAL: 0}
        return {**p, "bias": 0, "k": NO_LEAK, LOWER: low, UPPER: high, INITIAL: 0}

    def _rests(self, p: Mapping[str, int], rule: Rule) -> bool:
        """Whether the membrane stays as it begins, without input, spike and current."""
        if rule.currents and p["i_init"]:
            return False
        v = p[INITIAL]
        if rule.next_tick and rule.reset == "subtract":
            return decay(v + p["bias"], p["k"], rule.rounding) == v and v + p["bias"] < p["theta"]
        return decay(v, p["k"], rule.rounding) + p["bias"] == v


INTEGRATE = Integrate()
