"""Hodgkin and Huxley's equations in double precision, against which the integers are held: Runge-Kutta, and their own scheme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .hodgkin_huxley import GATES, HODGKIN_HUXLEY
from .kind import Reals

__all__ = ["AxonRun", "axon_step", "run_axon"]


@dataclass(frozen=True, eq=False)
class AxonRun:
    """What axons did, each array (steps, axons): v in mV, the gates, and where v rose through ``v_spike``."""

    v: Reals
    m: Reals
    h: Reals
    n: Reals
    spikes: npt.NDArray[np.bool_]


def _membrane_rate(q: Mapping[str, float], v: Reals, m: Reals, h: Reals, n: Reals, current: Reals) -> Reals:
    found: Reals = (current + q["current"] - q["g_na"] * m**3 * h * (v - q["e_na"]) - q["g_k"] * n**4 * (v - q["e_k"])
                    - q["g_l"] * (v - q["e_l"])) / q["capacity"]
    return found


def axon_step(q: Mapping[str, float], state: tuple[Reals, Reals, Reals, Reals], current: Reals, dt: float) -> tuple[Reals, ...]:
    """A step as the integers take it: the gates over dt at v exactly, then v by two terms of its series, with the gates of after it."""
    v, *gates = state
    moved = [gate.infinity(v) + (x - gate.infinity(v)) * (1 - gate.moved(v, dt)) for gate, x in zip(GATES, gates, strict=True)]
    m, h, n = moved
    conductance = (q["g_na"] * m**3 * h + q["g_k"] * n**4 + q["g_l"]) / q["capacity"]
    return (v + dt * _membrane_rate(q, v, m, h, n, current) * (1 - dt / 2 * conductance), *moved)


def _slopes(q: Mapping[str, float], state: Reals, current: Reals) -> Reals:
    v, m, h, n = state
    rates = [gate.opening(v) * (1 - x) - gate.closing(v) * x for gate, x in zip(GATES, (m, h, n), strict=True)]
    return np.stack([_membrane_rate(q, v, m, h, n, current), *rates])


def _runge_kutta(q: Mapping[str, float], state: Reals, current: Reals, dt: float) -> Reals:
    first = _slopes(q, state, current)
    second = _slopes(q, state + dt / 2 * first, current)
    third = _slopes(q, state + dt / 2 * second, current)
    fourth = _slopes(q, state + dt * third, current)
    return state + dt / 6 * (first + 2 * second + 2 * third + fourth)


def run_axon(values: Mapping[str, float], current: Reals, dt: float, scheme: str = "runge_kutta") -> AxonRun:
    """Axons with quantities ``values`` of `HodgkinHuxley`, those left out at their defaults.

    ``current`` (steps, axons) is in uA/cm2, held through each step of ``dt`` ms, and comes on top of the quantity of that name.
    ``scheme`` is ``runge_kutta`` (classical, fourth order) or ``exponential_euler`` (`axon_step`).
    """
    q = {x.name: x.default for x in HODGKIN_HUXLEY.quantities if x.default is not None} | dict(values)
    steps, axons = current.shape
    v = np.full(axons, q["v_0"], np.float64)
    state = np.stack([v, *(gate.infinity(v) for gate in GATES)])
    found, spikes = np.empty((4, steps, axons)), np.empty((steps, axons), np.bool_)
    for step in range(steps):
        before = state[0]
        if scheme == "runge_kutta":
            state = _runge_kutta(q, state, current[step], dt)
        else:
            state = np.stack(axon_step(q, (state[0], state[1], state[2], state[3]), current[step], dt))
        found[:, step], spikes[step] = state, (before < q["v_spike"]) & (state[0] >= q["v_spike"])
    return AxonRun(found[0], found[1], found[2], found[3], spikes)
