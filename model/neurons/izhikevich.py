"""Izhikevich's neuron (2003), two equations that spike, burst and adapt as cells of the cortex do.

    i  = saturated(x * gain, 28)                                        x: the sum of what arrives
    f  = rounded((rounded(square * v, 4 + F) + linear) * v, F) + constant - u + i + bias
    v' = clamp(v + rounded(rate_v * f, 32 - F), v_min, v_max)           twice: two half steps
    e  = rounded(slope * v', F) + offset - recovers * u
    u' = saturated(u + rounded(rate_u * e, 17) + (jump if it spikes), 24)

It spikes where v' reaches theta (exceeds it where strict), and v' then becomes v_reset.

F = S - 8 fraction bits hold v within -128 to 128 mV; everything else has 16. It is the paper's program, half steps and all, but that v
stays within its bounds: beyond the peak the program lets v run far off in the step of a spike, and u a little with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import RanvierError
from ..fixed import clamp, rounded, saturated
from ..limits import Ints
from .kind import (
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
    Quantity,
    Reach,
    Reals,
    Rule,
    State,
    StateWord,
    Step,
    assert_headroom,
)

__all__ = ["CURRENT_BITS", "FRACTION", "IZHIKEVICH", "RATE_U_FRACTION", "RECOVERY_BITS", "SQUARE_FRACTION", "Izhikevich",
           "float_izhikevich", "fraction_bits"]

#: Integer bits of v, with its sign: -128 to 128 mV.
_WHOLE_BITS = 8
#: Fraction bits of everything but v, ``square`` and ``rate_u``.
FRACTION = 16
#: Fraction bits of ``square`` and of ``rate_u``.
SQUARE_FRACTION, RATE_U_FRACTION = 20, 17
#: Bits of u, and of the current that arrives, before the bias: -128 to 128 mV, and -2048 to 2048 mV/ms.
RECOVERY_BITS, CURRENT_BITS = 24, 28

_Int = TypeVar("_Int", int, Ints)


def fraction_bits(state_bits: int) -> int:
    """Fraction bits F of v, in mV, in a state word of so many bits."""
    return state_bits - _WHOLE_BITS


def _current(p: Mapping[str, _Int], x: _Int) -> tuple[_Int, _Int]:
    """What drives the neuron, and the part of it that comes from synapses before it was held within its word."""
    free = x * p["gain"]
    return saturated(free, CURRENT_BITS), free


def _half_step(p: Mapping[str, _Int], v: _Int, u: _Int, i: _Int, fraction: int) -> _Int:
    """v after half a step, before its bounds act."""
    slope = rounded(p["square"] * v, SQUARE_FRACTION + fraction - FRACTION) + p["linear"]
    f = rounded(slope * v, fraction) + p["constant"] - u + i + p["bias"]
    return v + rounded(p["rate_v"] * f, 2 * FRACTION - fraction)


def _recovered(p: Mapping[str, _Int], v: _Int, u: _Int, fraction: int) -> _Int:
    """u after a step to ``v``, before a spike adds to it and its word bounds it."""
    e = rounded(p["slope"] * v, fraction) + p["offset"] - p["recovers"] * u
    return u + rounded(p["rate_u"] * e, RATE_U_FRACTION)


class _Batch(Batch):
    """Izhikevich's neurons of one population. Products have up to 47 bits."""

    constant = None
    dtype = np.int64

    def __init__(self, parameters: Mapping[str, Ints], rule: Rule) -> None:
        self._parameters, self._rule = parameters, rule
        self.initial = parameters[INITIAL], parameters["u_init"]

    def step(self, state: tuple[Array, ...], drive: Array, spikes: Array | None) -> tuple[tuple[Array, ...], Array | None]:
        assert spikes is not None, "each kind of the family spikes"
        p, fraction = self._parameters, fraction_bits(self._rule.state_bits)
        v, u = state
        i, free = _current(p, drive)
        wrong = i != free
        for _ in range(2):
            free = _half_step(p, v, u, i, fraction)
            v = clamp(free, p[LOWER], p[UPPER])
            wrong |= v != free
        count = v > p["theta"] if self._rule.strict else v >= p["theta"]
        spikes[...] = count
        free = _recovered(p, v, u, fraction) + np.where(count, p["jump"], 0)
        u = saturated(free, RECOVERY_BITS)
        return (np.where(count, p["v_reset"], v), u), np.add(wrong, u != free, dtype=np.uint8)


class Izhikevich(Family):
    """Izhikevich's neurons, whose spikes reset v and add to u."""

    name = "izhikevich"
    kinds = (Kind("izhikevich", own_reset=True),)
    state_range = (12, 24)
    parameters = (
        Parameter("rate_v", "dynamics", "half a step, 2**-16 ms", 0, bits=16, signed=False),
        Parameter("rate_u", "dynamics", "a step times a, 2**-17", 0, bits=18),
        Parameter("square", "dynamics", "factor of v**2, 2**-20 / (mV ms)", 0, bits=17, signed=False),
        Parameter("linear", "dynamics", "factor of v, 2**-16 / ms", 0, bits=20),
        Parameter("constant", "dynamics", "constant term, 2**-16 mV/ms", 0, bits=25),
        Parameter("slope", "dynamics", "b, 2**-16", 0, bits=18),
        Parameter("offset", "dynamics", "added to b v, 2**-16 mV", 0, bits=24),
        Parameter("recovers", "dynamics", "1: u decays; 0: it only integrates", 1, bits=1, signed=False),
        Parameter("theta", "dynamics", "peak at which it spikes", "most"),
        Parameter("v_reset", "dynamics", "c: v after a spike", 0, bounded=(LOWER, UPPER)),
        Parameter("jump", "dynamics", "d: added to u at a spike, 2**-16 mV", 0, bits=24),
        Parameter("gain", "dynamics", "of what arrives, 2**-16 mV/ms for 1", 0, bits=17, signed=False),
        Parameter("bias", "drive", "constant current, 2**-16 mV/ms", 0, bits=24),
        Parameter(LOWER, "dynamics", "lower bound of v", "least"),
        Parameter(UPPER, "dynamics", "upper bound of v", "most"),
        Parameter(INITIAL, "drive", "v at the beginning of a window", 0, bounded=(LOWER, UPPER)),
        Parameter("u_init", "drive", "u at the beginning of a window, 2**-16 mV", 0, bits=RECOVERY_BITS),
    )
    quantities = (
        Quantity("a", "1/ms", "rate of u", 0.02, -16, 16),
        Quantity("b", "", "how u follows v", 0.2, -2, 1.9999),
        Quantity("c", "mV", "v after a spike", -65, -128, 127),
        Quantity("d", "mV", "added to u at a spike", 8, -128, 127),
        Quantity("dt", "ms", "a step, of which v takes two halves", 1, 0.001, 1.9999),
        Quantity("v_peak", "mV", "where it spikes", 30, -128, 127),
        Quantity("weight", "mV/ms", "current of a synaptic sum of 1", 1 / 64, 0, 1.9999),
        Quantity("current", "mV/ms", "constant current", 0, -128, 127.99),
        Quantity("v_0", "mV", "v at the beginning of a window", -65, -128, 127),
        Quantity("u_0", "mV", "u at the beginning of a window; b v_0 where it is not given", None, -128, 127.99),
        Quantity("k_2", "1/(mV ms)", "factor of v**2", 0.04, 0, 0.1249),
        Quantity("k_1", "1/ms", "factor of v", 5, -8, 7.9999),
        Quantity("k_0", "mV/ms", "constant term", 140, -256, 255.99),
        Quantity("u_offset", "mV", "added to b v", 0, -128, 127.99),
        Quantity("u_decays", "", "1: u' = a (b v + u_offset - u); 0: u' = a (b v + u_offset)", 1, 0, 1),
    )

    def timing(self, options: Options) -> PipelineTiming:
        """Six clocks for each half step, the second a clock after the first's bound, five for u and its bound."""
        first, second = 0, 7
        recovers = second + 7
        return PipelineTiming(latency=recovers + 5, spikes=recovers + 1, needs={
            "gain": 0, "square": first, "linear": first + 1, "bias": first + 1, "constant": first + 1, "rate_v": first + 4,
            LOWER: first + 6, UPPER: first + 6, "slope": recovers, "theta": recovers, "offset": recovers + 1, "recovers": recovers + 1,
            "rate_u": recovers + 2, "jump": recovers + 3, "v_reset": recovers + 5, INITIAL: recovers + 5, "u_init": recovers + 5})

    def words(self, options: Options) -> tuple[StateWord, ...]:
        return StateWord("v", initial=INITIAL), StateWord("u", RECOVERY_BITS, "u_init")

    def step(self, parameters: Mapping[str, int], rule: Rule, state: State, contributions: Sequence[int]) -> Step:
        assert_headroom(contributions, rule.state_bits)
        p, fraction = parameters, fraction_bits(rule.state_bits)
        v, u = state
        i, free = _current(p, sum(contributions))
        wrong = i != free
        for _ in range(2):
            free = _half_step(p, v, u, i, fraction)
            v = clamp(free, p[LOWER], p[UPPER])
            wrong |= v != free
        count = rule.spikes and (v > p["theta"] if rule.strict else v >= p["theta"])
        free = _recovered(p, v, u, fraction) + (p["jump"] if count else 0)
        u = saturated(free, RECOVERY_BITS)
        return Step((p["v_reset"] if count else v, u), int(count), int(wrong) + int(u != free))

    def batch(self, parameters: Mapping[str, Ints], rule: Rule, *, bounded: bool) -> Batch:
        return _Batch(parameters, rule)

    def reach(self, parameters: Mapping[str, Ints], rule: Rule, positive: Ints, negative: Ints) -> tuple[Reach, ...]:
        """Only what arrives is summed in a state word."""
        return (Reach("sum", "", "", positive, -negative),)

    def rest(self, parameters: Mapping[str, int], rule: Rule) -> dict[str, int]:
        high = (1 << rule.state_bits - 1) - 1
        return {**parameters, "rate_v": 0, "rate_u": 0, "theta": high, LOWER: -high - 1, UPPER: high,
                INITIAL: min(parameters[INITIAL], high - 1)}

    def quantise(self, values: Mapping[str, Reals], state_bits: int) -> dict[str, Ints]:
        v, one = 1 << fraction_bits(state_bits), 1 << FRACTION
        q, dt = values, values["dt"]
        rate = q["a"] * dt
        bad = np.flatnonzero(np.abs(rate) >= 0.99999)
        if bad.size:
            raise RanvierError(f"dt is {dt[bad[0]]:g} ms and a is {q['a'][bad[0]]:g} / ms; a times dt must lie between -1 and 1, or u is "
                               "unstable: use a smaller dt")
        u_init = q["u_0"] if "u_0" in q else np.clip(q["b"] * q["v_0"], -128, 127.99)
        made = {
            "rate_v": dt / 2 * one, "rate_u": rate * (1 << RATE_U_FRACTION), "square": q["k_2"] * (1 << SQUARE_FRACTION),
            "linear": q["k_1"] * one, "constant": q["k_0"] * one, "slope": q["b"] * one, "offset": q["u_offset"] * one,
            "recovers": q["u_decays"], "theta": q["v_peak"] * v, "v_reset": q["c"] * v, "jump": q["d"] * one, "gain": q["weight"] * one,
            "bias": q["current"] * one, INITIAL: q["v_0"] * v, "u_init": u_init * one,
        }
        return {name: np.rint(value).astype(np.int64) for name, value in made.items()}

    def meant(self, parameters: Mapping[str, Ints], state_bits: int) -> dict[str, Reals]:
        v, one, p = 1 << fraction_bits(state_bits), 1 << FRACTION, {name: value.astype(np.float64) for name, value in parameters.items()}
        dt = p["rate_v"] * 2 / one
        return {
            "a": p["rate_u"] / (1 << RATE_U_FRACTION) / np.where(dt > 0, dt, 1), "b": p["slope"] / one, "c": p["v_reset"] / v,
            "d": p["jump"] / one, "dt": dt, "v_peak": p["theta"] / v, "weight": p["gain"] / one, "current": p["bias"] / one,
            "v_0": p[INITIAL] / v, "u_0": p["u_init"] / one, "k_2": p["square"] / (1 << SQUARE_FRACTION), "k_1": p["linear"] / one,
            "k_0": p["constant"] / one, "u_offset": p["offset"] / one, "u_decays": p["recovers"],
        }

    def plausible(self, rng: np.random.Generator, size: int, state_bits: int) -> dict[str, Ints]:
        """Cells of the cortex, with a current that makes most of them spike."""
        draw = {
            "a": rng.uniform(0.02, 0.1, size), "b": rng.uniform(0.2, 0.25, size), "c": rng.uniform(-65, -50, size),
            "d": rng.uniform(0, 8, size), "current": rng.uniform(0, 40, size), "dt": np.full(size, rng.choice([0.1, 0.5, 1.0])),
            "weight": rng.uniform(0, 1.9, size)}
        default = {q.name: np.full(size, q.default, np.float64) for q in self.quantities if q.default is not None}
        return self.quantise(default | draw, state_bits)


def float_izhikevich(values: Mapping[str, float], steps: int, current: Reals) -> tuple[Reals, Reals, npt.NDArray[np.bool_]]:
    """One neuron in double precision, in the same steps as the integers take: v and u after each step, and where it spiked.

    ``values`` are quantities of `Izhikevich`, those left out at their defaults, and ``current`` (steps,) is in mV/ms and comes on top.
    """
    q = {x.name: x.default for x in Izhikevich.quantities if x.default is not None} | dict(values)
    v, found_v, found_u, spikes = float(q["v_0"]), np.zeros(steps), np.zeros(steps), np.zeros(steps, np.bool_)
    u = q.get("u_0", q["b"] * v)
    for step in range(steps):
        for _ in range(2):
            f = (q["k_2"] * v + q["k_1"]) * v + q["k_0"] - u + q["current"] + current[step]
            v = min(max(v + q["dt"] / 2 * f, -128.0), 128.0)
        u += q["a"] * q["dt"] * (q["b"] * v + q["u_offset"] - q["u_decays"] * u)
        if v >= q["v_peak"]:
            v, u, spikes[step] = q["c"], u + q["d"], True
        found_v[step], found_u[step] = v, u
    return found_v, found_u, spikes


IZHIKEVICH = Izhikevich()
