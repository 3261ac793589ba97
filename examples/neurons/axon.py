"""Hodgkin and Huxley's squid axon (J. Physiol. 117, 1952) in double precision, in today's sign convention, at 6.3 degrees.

    C V' = I - g_Na m^3 h (V - E_Na) - g_K n^4 (V - E_K) - g_L (V - E_L)         x' = alpha_x(V) (1 - x) - beta_x(V) x for x of m, h, n

V in mV, t in ms, I in uA/cm2, conductances in mS/cm2, C = 1 uF/cm2. Two integrators, written apart from `ranvier.model`, so that there is
something to compare it with: classical Runge-Kutta of fourth order, and exponential Euler for the gates with forward Euler for V, of first
order, which is what the fabric's neuron is made after.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["REST", "State", "crossings", "exponential_euler", "rates", "runge_kutta", "spike_times", "steady", "trace"]

Floats = npt.NDArray[np.float64]
#: uA/cm2 at a time in ms.
Current = Callable[[float], float]
#: V, m, h and n. Plain numbers: for four of them numpy is ten times slower.
State = tuple[float, ...]
Method = Callable[[State, float, Current, float], State]

E_NA, E_K, E_L = 50.0, -77.0, -54.3
G_NA, G_K, G_L = 120.0, 36.0, 0.3
#: Where the membrane begins, in mV.
REST = -65.0


def _linear_exponential(x: float, y: float) -> float:
    """x / (1 - exp(-x / y)), and its limit y at 0."""
    return y + x / 2 if abs(x) < 1e-6 else x / -math.expm1(-x / y)


def rates(v: float) -> tuple[State, State]:
    """alpha and beta of m, h and n at a membrane, in 1/ms."""
    return ((0.1 * _linear_exponential(v + 40, 10), 0.07 * math.exp(-(v + 65) / 20), 0.01 * _linear_exponential(v + 55, 10)),
            (4 * math.exp(-(v + 65) / 18), 1 / (1 + math.exp(-(v + 35) / 10)), 0.125 * math.exp(-(v + 65) / 80)))


def steady(v: float = REST) -> State:
    """The state in which every gate has come to rest at ``v``."""
    return (v, *(alpha / (alpha + beta) for alpha, beta in zip(*rates(v), strict=True)))


def membrane_slope(state: State, current: float) -> float:
    """V' of a state."""
    v, m, h, n = state
    return current - G_NA * m ** 3 * h * (v - E_NA) - G_K * n ** 4 * (v - E_K) - G_L * (v - E_L)


def _slope(state: State, current: float) -> State:
    gates = zip(state[1:], *rates(state[0]), strict=True)
    return (membrane_slope(state, current), *(alpha * (1 - x) - beta * x for x, alpha, beta in gates))


def runge_kutta(state: State, t: float, current: Current, dt: float) -> State:
    """A step of fourth order."""
    # A current that jumps does so between steps: the middle of the step says which side this one is on.
    i = current(t + dt / 2)
    k_1 = _slope(state, i)
    k_2 = _slope(tuple(x + dt / 2 * k for x, k in zip(state, k_1, strict=True)), i)
    k_3 = _slope(tuple(x + dt / 2 * k for x, k in zip(state, k_2, strict=True)), i)
    k_4 = _slope(tuple(x + dt * k for x, k in zip(state, k_3, strict=True)), i)
    return tuple(x + dt / 6 * (a + 2 * b + 2 * c + d) for x, a, b, c, d in zip(state, k_1, k_2, k_3, k_4, strict=True))


def exponential_euler(state: State, t: float, current: Current, dt: float) -> State:
    """A step of first order: V forwards with the gates of before, and the gates exactly at the V of before."""
    gates = []
    for x, alpha, beta in zip(state[1:], *rates(state[0]), strict=True):
        rest = alpha / (alpha + beta)
        gates.append(rest + (x - rest) * math.exp(-dt * (alpha + beta)))
    return (state[0] + dt * membrane_slope(state, current(t + dt / 2)), *gates)


def trace(method: Method, current: Current, dt: float, steps: int) -> Floats:
    """States, float64 (steps + 1, 4), from rest."""
    states = [steady()]
    for step in range(steps):
        states.append(method(states[-1], step * dt, current, dt))
    return np.array(states)


def crossings(v: Floats, dt: float, level: float = 0.0) -> Floats:
    """Times at which a membrane crosses ``level`` upwards, on straight lines between its samples."""
    k = np.flatnonzero((v[:-1] < level) & (v[1:] >= level))
    return (k + (level - v[k]) / (v[k + 1] - v[k])) * dt


def spike_times(method: Method, current: Current, dt: float, duration: float) -> Floats:
    """Spikes of ``duration`` ms from rest, in ms."""
    return crossings(trace(method, current, dt, round(duration / dt))[:, 0], dt)
