"""Hodgkin and Huxley's squid axon (1952): a membrane with sodium, potassium and leak, in steps of 0.01 ms.

Gates move by the exact solution of their linear equation over a step (exponential Euler). Then the membrane moves, with the gates of after
the step, by two terms of its own series: forward Euler alone would be what limits the times of spikes. With F = S - 8 fraction bits of
V, v in S bits and r, what rounding left of it, in 8 bits below those::

    x_inf, p = table lookups at v                                       p = 1 - exp(-dt / tau), for each gate x = m, h, n
    x'  = x + rounded(p * (x_inf - x), bits of p)                       gates have 23 fraction bits
    c   = rounded(g_na * m'**3 h', 15), rounded(g_k * n'**4, 17), rounded(g_l, 7)         products of gates in 17 fraction bits
    d   = rounded(saturated(x * gain, 30) + bias, 16 - F) + rounded(c_na * (e_na - v), 9) + rounded(c_k * (e_k - v), 9)
                                                         + rounded(g_l * (e_l - v), 16)
    w   = 2**8 v + r + d - rounded((c_na + c_k + c_l) * d, 18)
    v'  = clamp(rounded(w, 8), v_min, v_max),  r' = w - 2**8 rounded(w, 8), or 0 where a bound changed v'

It spikes where v comes from below theta and reaches it; nothing is reset. x is the sum of what arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np

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

__all__ = ["CURRENT_BITS", "CURRENT_FRACTION", "ENTRY_BITS", "FINER_BITS", "GATES", "GATE_BITS", "GATE_FRACTION", "HODGKIN_HUXLEY",
           "INDEX_BITS", "LEAK_FRACTION", "POTASSIUM_FRACTION", "PRODUCT_FRACTION", "RESIDUE_BITS", "SODIUM_FRACTION", "STEP_MS",
           "TABLE_ENTRIES", "Gate", "GateTables", "HodgkinHuxley", "fraction_bits", "gate_tables", "interpolated"]

#: Milliseconds of a step, for which the tables are made.
STEP_MS = 0.01
#: Integer bits of v with its sign: -128 to 128 mV.
_WHOLE_BITS = 8
#: Entries of a table, which cover the range of v.
TABLE_ENTRIES = 1 << 10
INDEX_BITS = TABLE_ENTRIES.bit_length() - 1
#: Bits of a table's entry; those of x_inf are 17 fraction bits.
ENTRY_BITS, _INFINITY_FRACTION = 18, 17
#: Gates: their word, its fraction bits, and those with which they are multiplied.
GATE_BITS, GATE_FRACTION, PRODUCT_FRACTION = 24, 23, 17
#: Bits that interpolation adds to an entry.
FINER_BITS = GATE_FRACTION - _INFINITY_FRACTION
#: Bits of r, and of the current that arrives, 2**-24 mV a step.
RESIDUE_BITS, CURRENT_BITS = 8, 30
#: Fraction bits of what conductances are in a step: g dt / C.
SODIUM_FRACTION, POTASSIUM_FRACTION, LEAK_FRACTION, CURRENT_FRACTION = 15, 17, 24, 24

_Int = TypeVar("_Int", int, Ints)


def fraction_bits(state_bits: int) -> int:
    """Fraction bits F of v, in mV, in a state word of so many bits."""
    return state_bits - _WHOLE_BITS


def _ratio(x: Reals) -> Reals:
    """``x / (1 - exp(-x))``, 1 at 0."""
    small = np.abs(x) < 1e-6
    safe = np.where(small, 1.0, x)
    return np.where(small, 1 + x / 2, safe / -np.expm1(-safe))


@dataclass(frozen=True)
class Gate:
    """A gate by its rates, in 1/ms, at a membrane of so many mV; at rest -65 mV."""

    name: str
    opening: Callable[[Reals], Reals]
    closing: Callable[[Reals], Reals]

    def infinity(self, v: Reals) -> Reals:
        """Where it goes."""
        opening: Reals = self.opening(v)
        return opening / (opening + self.closing(v))

    def moved(self, v: Reals, dt: float = STEP_MS) -> Reals:
        """The part of the way there that it goes in ``dt`` ms."""
        found: Reals = -np.expm1(-dt * (self.opening(v) + self.closing(v)))
        return found


#: The gates of the squid's axon at 6.3 degrees.
GATES = (
    Gate("m", lambda v: _ratio((v + 40) / 10), lambda v: 4 * np.exp(-(v + 65) / 18)),
    Gate("h", lambda v: 0.07 * np.exp(-(v + 65) / 20), lambda v: 1 / (1 + np.exp(-(v + 35) / 10))),
    Gate("n", lambda v: 0.1 * _ratio((v + 55) / 10), lambda v: 0.125 * np.exp(-(v + 65) / 80)),
)


@dataclass(frozen=True, eq=False)
class GateTables:
    """Tables of a gate at -128, -127.75 ... 127.75 mV, unsigned words of 18 bits.

    infinity
        x_inf, 2**-17.
    moved
        1 - exp(-dt / tau), ``2**-moved_fraction``, as fine as the largest entry allows.
    """

    gate: Gate
    infinity: tuple[int, ...]
    moved: tuple[int, ...]
    moved_fraction: int

    @property
    def shift(self) -> int:
        """Fraction bits of an interpolated ``moved``."""
        return self.moved_fraction + FINER_BITS


@cache
def gate_tables(number: int) -> GateTables:
    """Tables of gate ``number`` of `GATES`."""
    gate, v = GATES[number], np.arange(TABLE_ENTRIES) * (1 << _WHOLE_BITS) / TABLE_ENTRIES - (1 << _WHOLE_BITS - 1)
    moved = gate.moved(v)
    fraction = ENTRY_BITS - 1 - int(np.ceil(np.log2(moved.max())))
    infinity = np.minimum(np.rint(gate.infinity(v) * (1 << _INFINITY_FRACTION)), (1 << _INFINITY_FRACTION) - 1)
    return GateTables(gate, tuple(int(x) for x in infinity), tuple(int(x) for x in np.rint(moved * (1 << fraction))), fraction)


@cache
def _array(table: tuple[int, ...]) -> Ints:
    return np.array(table, np.int64)


def interpolated(table: tuple[int, ...], v: _Int, state_bits: int) -> _Int:
    """A table at ``v``, on the line between two entries, with six bits more than they have; beyond the last entry that one."""
    below = state_bits - INDEX_BITS
    index, rest = (v >> below) + TABLE_ENTRIES // 2, v & (1 << below) - 1
    if isinstance(index, int):
        first, second = table[index], table[min(index + 1, TABLE_ENTRIES - 1)]
        return (first << FINER_BITS) + rounded((second - first) * rest, below - FINER_BITS)
    entries = _array(table)
    left, right = entries[index], entries[np.minimum(index + 1, TABLE_ENTRIES - 1)]
    found: Ints = (left << FINER_BITS) + rounded((right - left) * rest, below - FINER_BITS)
    return found


def _moved_gates(v: _Int, gates: Sequence[_Int], state_bits: int) -> list[_Int]:
    """The gates after a step at ``v``."""
    found = []
    for number, x in enumerate(gates):
        tables = gate_tables(number)
        way = interpolated(tables.infinity, v, state_bits) - x
        found.append(x + rounded(interpolated(tables.moved, v, state_bits) * way, tables.shift))
    return found


def _product(a: _Int, b: _Int) -> _Int:
    return rounded(a * b, PRODUCT_FRACTION)


def _membrane(p: Mapping[str, _Int], v: _Int, r: _Int, gates: Sequence[_Int], x: _Int, state_bits: int) -> tuple[_Int, _Int, _Int]:
    """v with r below it after a step with these gates; the current of the synapses, and what it was before its word held it."""
    fraction = fraction_bits(state_bits)
    m, h, n = (rounded(gate, GATE_FRACTION - PRODUCT_FRACTION) for gate in gates)
    sodium = rounded(p["g_sodium"] * _product(_product(m, m), _product(m, h)), SODIUM_FRACTION)
    n_squared = _product(n, n)
    potassium = rounded(p["g_potassium"] * _product(n_squared, n_squared), POTASSIUM_FRACTION)
    leak = p["g_leakage"]
    free = x * p["gain"]
    current = saturated(free, CURRENT_BITS)
    flow = rounded(current + p["bias"], CURRENT_FRACTION - RESIDUE_BITS - fraction)
    flow = flow + rounded(sodium * (p["e_sodium"] - v), PRODUCT_FRACTION - RESIDUE_BITS)
    flow = flow + rounded(potassium * (p["e_potassium"] - v), PRODUCT_FRACTION - RESIDUE_BITS)
    flow = flow + rounded(leak * (p["e_leakage"] - v), LEAK_FRACTION - RESIDUE_BITS)
    open_part = sodium + potassium + rounded(leak, LEAK_FRACTION - PRODUCT_FRACTION)
    return (v << RESIDUE_BITS) + r + flow - rounded(open_part * flow, PRODUCT_FRACTION + 1), current, free


class _Batch(Batch):
    """Neurons of one population. Products have up to 52 bits."""

    constant = None
    dtype = np.int64

    def __init__(self, parameters: Mapping[str, Ints], rule: Rule) -> None:
        self._parameters, self._rule = parameters, rule
        self.initial = tuple(parameters[name] for name in (INITIAL, "m_init", "h_init", "n_init", "r_init"))

    def step(self, state: tuple[Array, ...], drive: Array, spikes: Array | None) -> tuple[tuple[Array, ...], Array | None]:
        assert spikes is not None, "each kind of the family spikes"
        p, rule = self._parameters, self._rule
        v, *gates, r = state
        gates = _moved_gates(v, gates, rule.state_bits)
        total, current, free = _membrane(p, v, r, gates, drive, rule.state_bits)
        new = rounded(total, RESIDUE_BITS)
        held = clamp(new, p[LOWER], p[UPPER])
        spikes[...] = (held > p["theta"]) & (v <= p["theta"]) if rule.strict else (held >= p["theta"]) & (v < p["theta"])
        r = np.where(held == new, total - (new << RESIDUE_BITS), 0)
        return (held, *gates, r), ((held != new) | (current != free)).astype(np.uint8)


class HodgkinHuxley(Family):
    """The squid's axon; a spike is where the membrane rises through a threshold."""

    name = "hodgkin_huxley"
    kinds = (Kind("hodgkin_huxley", own_reset=True),)
    state_range = (16, 24)
    parameters = (
        Parameter("theta", "dynamics", "where a rising membrane is a spike", 0),
        Parameter("g_sodium", "dynamics", "sodium's conductance times dt / C, 2**-15", 0, bits=18, signed=False),
        Parameter("g_potassium", "dynamics", "potassium's, 2**-17", 0, bits=18, signed=False),
        Parameter("g_leakage", "dynamics", "the leak's, 2**-24", 0, bits=18, signed=False),
        Parameter("e_sodium", "dynamics", "sodium's reversal potential", 0),
        Parameter("e_potassium", "dynamics", "potassium's", 0),
        Parameter("e_leakage", "dynamics", "the leak's", 0),
        Parameter("gain", "dynamics", "of what arrives, 2**-24 mV a step for 1", 0, bits=18, signed=False),
        Parameter("bias", "drive", "constant current, 2**-24 mV a step", 0, bits=26),
        Parameter(LOWER, "dynamics", "lower bound of v", "least"),
        Parameter(UPPER, "dynamics", "upper bound of v", "most"),
        Parameter(INITIAL, "drive", "v at the beginning of a window", 0, bounded=(LOWER, UPPER)),
        Parameter("m_init", "drive", "m at the beginning of a window, 2**-23", 0, bits=GATE_BITS, least=0),
        Parameter("h_init", "drive", "h at the beginning of a window, 2**-23", 0, bits=GATE_BITS, least=0),
        Parameter("n_init", "drive", "n at the beginning of a window, 2**-23", 0, bits=GATE_BITS, least=0),
        Parameter("r_init", "drive", "r at the beginning of a window", 0, bits=RESIDUE_BITS),
    )
    quantities = (
        Quantity("dt", "ms", "a step", STEP_MS, STEP_MS, STEP_MS),
        Quantity("capacity", "uF/cm2", "of the membrane", 1, 0.01, 100),
        Quantity("g_na", "mS/cm2", "sodium's conductance", 120, 0, 1000),
        Quantity("g_k", "mS/cm2", "potassium's conductance", 36, 0, 1000),
        Quantity("g_l", "mS/cm2", "leak", 0.3, 0, 100),
        Quantity("e_na", "mV", "sodium's reversal potential", 50, -128, 127),
        Quantity("e_k", "mV", "potassium's reversal potential", -77, -128, 127),
        Quantity("e_l", "mV", "the leak's reversal potential", -54.387, -128, 127),
        Quantity("v_spike", "mV", "where a rising membrane is a spike", 0, -128, 127),
        Quantity("weight", "uA/cm2", "current of a synaptic sum of 1", 0.1, 0, 100),
        Quantity("current", "uA/cm2", "constant current", 0, -10000, 10000),
        Quantity("v_0", "mV", "v at the beginning of a window; gates are where they then would come to rest", -65, -128, 127),
    )

    def timing(self, options: Options) -> PipelineTiming:
        """Seven clocks to the gates, eight more to the membrane's sum, one for its bounds and one for the spike."""
        gated = 7
        summed = gated + 8
        ends = dict.fromkeys((INITIAL, "m_init", "h_init", "n_init", "r_init"), summed + 2)
        conducting = dict.fromkeys(("g_sodium", "g_potassium", "e_sodium", "e_potassium", "e_leakage"), gated + 2)
        return PipelineTiming(latency=summed + 2, spikes=summed + 2, needs={
            "gain": 0, "bias": 2, **conducting, "g_leakage": gated + 3, LOWER: summed, UPPER: summed, "theta": summed + 1, **ends})

    def words(self, options: Options) -> tuple[StateWord, ...]:
        return (StateWord("v", initial=INITIAL), *(StateWord(gate.name, GATE_BITS, f"{gate.name}_init") for gate in GATES),
                StateWord("r", RESIDUE_BITS, "r_init"))

    def step(self, parameters: Mapping[str, int], rule: Rule, state: State, contributions: Sequence[int]) -> Step:
        assert_headroom(contributions, rule.state_bits)
        p = parameters
        v, *gates, r = state
        gates = _moved_gates(v, gates, rule.state_bits)
        total, current, free = _membrane(p, v, r, gates, sum(contributions), rule.state_bits)
        new = rounded(total, RESIDUE_BITS)
        held = clamp(new, p[LOWER], p[UPPER])
        rises = held > p["theta"] >= v if rule.strict else held >= p["theta"] > v
        r = total - (new << RESIDUE_BITS) if held == new else 0
        return Step((held, *gates, r), int(rises and rule.spikes), int(held != new or current != free))

    def batch(self, parameters: Mapping[str, Ints], rule: Rule, *, bounded: bool) -> Batch:
        return _Batch(parameters, rule)

    def reach(self, parameters: Mapping[str, Ints], rule: Rule, positive: Ints, negative: Ints) -> tuple[Reach, ...]:
        """Only what arrives is summed in a state word."""
        return (Reach("sum", "", "", positive, -negative),)

    def rest(self, parameters: Mapping[str, int], rule: Rule) -> dict[str, int]:
        v, high = parameters[INITIAL], (1 << rule.state_bits - 1) - 1
        gates = {f"{gate.name}_init": interpolated(gate_tables(number).infinity, v, rule.state_bits) for number, gate in enumerate(GATES)}
        still = dict.fromkeys(("g_sodium", "g_potassium", "g_leakage", "gain", "bias", "r_init"), 0)
        return {**parameters, **still, **gates, LOWER: -high - 1, UPPER: high}

    def quantise(self, values: Mapping[str, Reals], state_bits: int) -> dict[str, Ints]:
        q, v = values, 1 << fraction_bits(state_bits)
        step = q["dt"] / q["capacity"]
        total = step * (q["g_na"] + q["g_k"] + q["g_l"])
        bad = np.flatnonzero(total >= 2)
        if bad.size:
            raise RanvierError(f"the conductances are {total[bad[0]] / step[bad[0]]:g} mS/cm2 in all, which a step of {STEP_MS:g} ms makes "
                               f"{total[bad[0]]:.3g} times the capacity; it must be less than 2, or the membrane is unstable: use smaller "
                               "conductances or a larger capacity")
        v_init = np.rint(q["v_0"] * v).astype(np.int64)
        made = {
            "theta": q["v_spike"] * v, "g_sodium": step * q["g_na"] * (1 << SODIUM_FRACTION),
            "g_potassium": step * q["g_k"] * (1 << POTASSIUM_FRACTION), "g_leakage": step * q["g_l"] * (1 << LEAK_FRACTION),
            "e_sodium": q["e_na"] * v, "e_potassium": q["e_k"] * v, "e_leakage": q["e_l"] * v,
            "gain": step * q["weight"] * (1 << CURRENT_FRACTION), "bias": step * q["current"] * (1 << CURRENT_FRACTION),
        }
        widths = {p.name: p for p in self.parameters}
        named = {"g_sodium": "g_na", "g_potassium": "g_k", "g_leakage": "g_l", "gain": "weight", "bias": "current"}
        integers = {name: np.rint(value).astype(np.int64) for name, value in made.items()}
        for name, quantity in named.items():
            least, most = widths[name].range(state_bits)
            bad = np.flatnonzero((integers[name] < least) | (integers[name] > most))
            if bad.size:
                scale = q[quantity][bad[0]] / made[name][bad[0]]
                raise RanvierError(f"{quantity} of neuron {bad[0]} is {q[quantity][bad[0]]:g}; with dt {STEP_MS:g} ms and its capacity it "
                                   f"must be {least * scale:.4g} to {most * scale:.4g}")
        gates = {f"{gate.name}_init": interpolated(gate_tables(number).infinity, v_init, state_bits) for number, gate in enumerate(GATES)}
        return {**integers, INITIAL: v_init, **gates}

    def meant(self, parameters: Mapping[str, Ints], state_bits: int) -> dict[str, Reals]:
        """With a capacity of 1 uF/cm2: integers hold only ratios to it."""
        p, v = {name: value.astype(np.float64) for name, value in parameters.items()}, 1 << fraction_bits(state_bits)
        fractions = {"g_na": ("g_sodium", SODIUM_FRACTION), "g_k": ("g_potassium", POTASSIUM_FRACTION), "g_l": ("g_leakage", LEAK_FRACTION),
                     "weight": ("gain", CURRENT_FRACTION), "current": ("bias", CURRENT_FRACTION)}
        return {**{name: p[integer] / (1 << fraction) / STEP_MS for name, (integer, fraction) in fractions.items()},
                "e_na": p["e_sodium"] / v, "e_k": p["e_potassium"] / v, "e_l": p["e_leakage"] / v, "v_spike": p["theta"] / v,
                "v_0": p[INITIAL] / v}

    def plausible(self, rng: np.random.Generator, size: int, state_bits: int) -> dict[str, Ints]:
        """The axon, with a current that makes most of them spike."""
        default = {q.name: np.full(size, q.default, np.float64) for q in self.quantities if q.default is not None}
        draw = {"current": rng.uniform(0, 100, size), "weight": rng.uniform(0, 1.5, size), "v_0": rng.uniform(-75, 20, size)}
        return self.quantise(default | draw, state_bits)


HODGKIN_HUXLEY = HodgkinHuxley()
