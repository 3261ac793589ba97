"""Integrate and fire: `input`, `if`, `lif` and `li`, one pipeline with options.

    u     = decay(v, k) + contributions + bias
    count = spike_count(u, theta, strict)               0 for `li`
    v     = clamp(reset(u, count), v_min, v_max)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..fixed import NO_LEAK, clamp, decay, reset, spike_count
from ..limits import Ints
from .kind import Array, Batch, Family, Kind, Options, Parameter, PipelineTiming, Rule, StateWord, Step, assert_headroom, batch_dtype

__all__ = ["INTEGRATE", "Integrate"]

_NO_LEAK = {"k": NO_LEAK}


class _Batch(Batch):
    """Integrate-and-fire neurons of one population. A pass that would change nothing is left out."""

    def __init__(self, parameters: Mapping[str, Ints], rule: Rule, bounded: bool) -> None:
        self.dtype = dtype = batch_dtype(rule.state_bits)
        get = {name: parameters[name].astype(dtype) for name in ("theta", "v_reset", "v_init", "bias", "v_min", "v_max")}
        self.initial = get["v_init"]
        self.constant = get["bias"] if np.any(get["bias"]) else None
        self._rule, self._theta, self._v_reset = rule, get["theta"], get["v_reset"]
        self._k = parameters["k"] if np.any(parameters["k"] != NO_LEAK) else None
        self._bounds = (get["v_min"], get["v_max"]) if bounded else None

    def step(self, state: Array, drive: Array, spikes: Array | None) -> tuple[Array, Array | None]:
        v = self._leak(state) + drive
        if spikes is not None:
            # `fixed.spike_count` for spikes of one bit, without its division
            (np.greater if self._rule.strict else np.greater_equal)(v, self._theta, out=spikes)
            v = reset(v, spikes, self._theta, self._v_reset, self._rule.reset)
        if self._bounds is None:
            return v, None
        held = clamp(v, *self._bounds)
        return held, held != v

    def _leak(self, v: Array) -> Array:
        """Membranes after decay."""
        if self._k is None:
            return v
        return decay(v.astype(np.int64), self._k, self._rule.rounding).astype(self.dtype)


class Integrate(Family):
    """Integrate-and-fire neurons with a leak, and readouts that only integrate."""

    name = "integrate"
    kinds = (Kind("input", driven=True, constants=_NO_LEAK), Kind("if", constants=_NO_LEAK), Kind("lif"), Kind("li", spikes=False))
    parameters = (
        Parameter("theta", "drive", "threshold, at least 1", 1, least=1),
        Parameter("bias", "drive", "added every step", 0),
        Parameter("k", "dynamics", "decay factor, 65536 is no leak", NO_LEAK, bits=17, signed=False, most=NO_LEAK, effect="leak"),
        Parameter("v_reset", "dynamics", "membrane after a spike", 0, bounded=True),
        Parameter("v_min", "dynamics", "lower bound", "least"),
        Parameter("v_max", "dynamics", "upper bound", "most"),
        Parameter("v_init", "drive", "membrane at the beginning of a window", 0, bounded=True),
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
        current = (StateWord("i"),) if options.currents else ()
        flag = (StateWord("flag", 1),) if options.next_tick else ()
        return StateWord("v"), *current, *flag

    def step(self, parameters: Mapping[str, int], rule: Rule, state: int, contributions: Sequence[int]) -> Step:
        p = parameters
        leaked = decay(state, p["k"], rule.rounding)
        assert_headroom([leaked, p["bias"], *contributions], rule.state_bits)
        u = leaked + p["bias"]
        for contribution in contributions:
            u += contribution
        count = spike_count(u, p["theta"], rule.strict) if rule.spikes else 0
        w = reset(u, count, p["theta"], p["v_reset"], rule.reset)
        assert_headroom([w], rule.state_bits)
        held = clamp(w, p["v_min"], p["v_max"])
        return Step(held, count, held != w)

    def batch(self, parameters: Mapping[str, Ints], rule: Rule, *, bounded: bool) -> Batch:
        return _Batch(parameters, rule, bounded)

    def reach(self, parameters: Mapping[str, Ints], positive: Ints, negative: Ints) -> tuple[Ints, Ints]:
        bias, v_min, v_max = parameters["bias"], parameters["v_min"], parameters["v_max"]
        return (np.maximum(v_max, 0) + np.maximum(bias, 0) + positive,
                np.minimum(v_min, 0) + np.minimum(bias, 0) - negative)

    def interval(self, parameters: Mapping[str, Ints], rule: Rule, low: Ints, high: Ints, positive: Ints,
                 negative: Ints) -> tuple[Ints, Ints]:
        """Decay, sum and reset are monotone, so the ends of the interval give the ends of the next."""
        p = parameters
        least = decay(low, p["k"], rule.rounding) - negative + p["bias"]
        most = decay(high, p["k"], rule.rounding) + positive + p["bias"]
        if rule.reset == "none":
            return least, most
        silent = np.minimum(most, p["theta"] - 1 + int(rule.strict))
        if rule.reset == "subtract":
            # The smallest membrane that spikes leaves at least 0, or least - theta where all of them spike.
            return np.minimum(least, np.maximum(least - p["theta"], 0)), np.maximum(silent, most - p["theta"])
        return np.minimum(least, p["v_reset"]), np.maximum(silent, p["v_reset"])

    def rest(self, parameters: Mapping[str, int], rule: Rule) -> dict[str, int]:
        """The neuron's own parameters where it rests with them; else no bias and a membrane of 0, where its bounds allow that."""
        p = dict(parameters)
        stays = decay(p["v_init"], p["k"], rule.rounding) + p["bias"] == p["v_init"]
        if stays and p["v_init"] < p["theta"]:
            return p
        if p["v_min"] <= 0 <= p["v_max"]:
            return {**p, "bias": 0, "v_init": 0}
        low, high = -(1 << rule.state_bits - 1), (1 << rule.state_bits - 1) - 1
        return {**p, "bias": 0, "k": NO_LEAK, "v_min": low, "v_max": high, "v_init": 0}


INTEGRATE = Integrate()
