"""How far a step of the integer axon can be from the same step in exact arithmetic: a bound from tables, roundings and widths.

Both begin at the same state and end with the scheme of `squid_axon.axon_step`. The bound takes states with every gate in 0 to 1 and v
within `RANGE`, the quantities at their defaults, and currents that are whole in the words that hold them. It is a sum of worst cases:

- A line between entries h apart is off by at most h**2 / 8 times the largest second derivative, beside the rounding of the entries.
- A gate moves by p (x_inf - x): its error is at most that of p, since no way is longer than 1, and p times that of x_inf.
- A product of factors within 0 to 1 is off by at most the sum of what they are off, and half a unit for its rounding.
- A current is off by its conductance's error times the force, and the force is at most that at the ends of `RANGE`.

The largest second derivative is taken on a grid 64 times as fine as the tables; between two of its points it changes by less than the
margin of 2 % that is added.
"""

from __future__ import annotations

import numpy as np

from ..limits import Ints
from .hodgkin_huxley import (
    GATE_BITS,
    GATE_FRACTION,
    GATES,
    HODGKIN_HUXLEY,
    LEAK_FRACTION,
    POTASSIUM_FRACTION,
    PRODUCT_FRACTION,
    RESIDUE_BITS,
    SODIUM_FRACTION,
    STEP_MS,
    TABLE_ENTRIES,
    fraction_bits,
    gate_tables,
)
from .kind import LOWER, UPPER, Reals, Rule
from .squid_axon import axon_step

__all__ = ["RANGE", "step_bounds", "step_errors"]

#: Membranes for which the bound holds, in mV. A step from there does not meet the ends of v's word.
RANGE = (-100.0, 60.0)
_FINER_GRID, _MARGIN = 64, 1.02


def _line_error(values: Reals, pitch: float, entry: float) -> float:
    """Largest error of a table of ``pitch`` mV, from values on the finer grid, with entries rounded to ``entry``."""
    step = pitch / _FINER_GRID
    second = np.abs(np.diff(values, 2)).max() / step**2 * _MARGIN
    return float(pitch**2 / 8 * second) + entry / 2 + 2.0 ** -(GATE_FRACTION + 1)


def _gate_bounds() -> tuple[dict[str, float], float]:
    """The largest error of each gate after a step."""
    pitch = 256 / TABLE_ENTRIES
    v = np.arange(RANGE[0] - pitch, RANGE[1] + 2 * pitch, pitch / _FINER_GRID)
    found = {}
    for number, gate in enumerate(GATES):
        tables, moved = gate_tables(number), gate.moved(v)
        infinity_error = _line_error(gate.infinity(v), pitch, 2.0 ** -PRODUCT_FRACTION * 2)    # the last entry is held below 1
        entry = 2.0 ** -tables.moved_fraction
        moved_error = _line_error(moved, pitch, entry) - 2.0 ** -(GATE_FRACTION + 1) + entry / 64
        found[gate.name] = float(moved_error + moved.max() * infinity_error) + 2.0 ** -(GATE_FRACTION + 1)
    return found, pitch


def step_bounds(state_bits: int) -> dict[str, float]:
    """The largest error of a step: of ``v`` with its residue in mV, and of the gates ``m``, ``h`` and ``n``."""
    q = {x.name: x.default for x in HODGKIN_HUXLEY.quantities if x.default is not None}
    gates, _ = _gate_bounds()
    half = 2.0 ** -(PRODUCT_FRACTION + 1)    # of a unit of what is multiplied
    m, h, n = (gates[name] + half for name in ("m", "h", "n"))
    sodium_gates, potassium_gates = (2 * m + half) + (m + h + half) + half, 2 * (2 * n + half) + half
    scale = STEP_MS / q["capacity"]
    unit = 2.0 ** -(PRODUCT_FRACTION + 1)
    conductances = {
        "na": scale * q["g_na"] * sodium_gates + 2.0 ** -(SODIUM_FRACTION + 1) + unit,
        "k": scale * q["g_k"] * potassium_gates + 2.0 ** -(POTASSIUM_FRACTION + 1) + unit,
        "l": 2.0 ** -(LEAK_FRACTION + 1)}
    lsb = 2.0 ** -fraction_bits(state_bits)
    flow, largest = 2.0 ** -RESIDUE_BITS * lsb * 4 / 2, 0.0    # four roundings
    for name, error in conductances.items():
        force = max(abs(q[f"e_{name}"] - end) for end in RANGE)
        flow += error * (force + lsb) + scale * q[f"g_{name}"] * lsb / 2    # the reversal potential is rounded too
        largest += scale * q[f"g_{name}"] * force
    total = scale * (q["g_na"] + q["g_k"] + q["g_l"])
    total_error = sum(conductances.values()) + unit
    # v' = v + d (1 - c / 2) with d off by `flow`, c by `total_error`.
    v = flow * max(1.0, abs(1 - total / 2)) + (largest + flow) * total_error / 2 + 2.0 ** -RESIDUE_BITS * lsb / 2
    return {"v": v, **gates}


def step_errors(rng: np.random.Generator, states: int, state_bits: int) -> dict[str, float]:
    """The largest errors of a step from random states: a step of the integers beside `axon_step` from the same state."""
    fraction, family = fraction_bits(state_bits), HODGKIN_HUXLEY
    quantities = {x.name: np.full(1, x.default, np.float64) for x in family.quantities if x.default is not None}
    p = family.quantise(quantities, state_bits)
    p |= {x.name: np.full(1, x.fallback(state_bits), np.int64) for x in family.parameters if x.name not in p}
    low, high = p[LOWER], p[UPPER]
    assert low[0] < RANGE[0] * (1 << fraction) and high[0] > RANGE[1] * (1 << fraction)
    batch = family.batch(p, Rule(True, False, "none", "nearest", state_bits), bounded=True)
    v: Ints = rng.integers(int(RANGE[0] * (1 << fraction)), int(RANGE[1] * (1 << fraction)) + 1, states)
    gates = [rng.integers(0, 1 << GATE_BITS - 1, states) for _ in GATES]
    r: Ints = rng.integers(-(1 << RESIDUE_BITS - 1), 1 << RESIDUE_BITS - 1, states)
    (v_after, *gates_after, r_after), clamped = batch.step((v, *gates, r), np.zeros(states, np.int64), np.zeros(states, np.bool_))
    assert clamped is not None and not np.any(clamped)
    unit, fine = float(1 << fraction), float(1 << fraction + RESIDUE_BITS)
    m, h, n = (gate / (1 << GATE_FRACTION) for gate in gates)
    q = {name: float(value[0]) for name, value in quantities.items()}
    # The membrane's rates are those of v, to which the residue is only added.
    exact_v, *exact = axon_step(q, (v / unit, m, h, n), np.zeros(states), STEP_MS)
    found = {"v": float(np.abs(v_after / unit + r_after / fine - (exact_v + r / fine)).max())}
    for gate, after, expected in zip(GATES, gates_after, exact, strict=True):
        found[gate.name] = float(np.abs(after / (1 << GATE_FRACTION) - expected).max())
    return found
