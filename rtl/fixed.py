"""Fixed-point arithmetic of one neuron in hardware: the rules of `model/fixed.py` under the same names."""

from __future__ import annotations

from amaranth.hdl import Mux, Value, ValueLike

from ranvier.model.fixed import DECAY_SHIFT, ROUNDING

__all__ = ["clamp", "decay_product", "decay_round", "popcount", "reset", "spike_count"]


def decay_product(x: Value, k: Value) -> Value:
    """First stage of `decay`: ``|x| * k``, unsigned."""
    magnitude = Mux(x < 0, -x, x)[:len(x)]
    return magnitude * k


def decay_round(product: Value, negative: Value, rounding: str) -> Value:
    """Second stage of `decay`: the rounded product with the sign of ``x`` again."""
    magnitude = (product + ROUNDING[rounding]) >> DECAY_SHIFT
    return Mux(negative, -magnitude, magnitude)


def spike_count(u: Value, theta: Value, strict: Value) -> Value:
    """1 where ``u`` reaches ``theta`` (exceeds it where ``strict``). Spikes are single bits."""
    return Mux(strict, u > theta, u >= theta)


def reset(u: Value, count: Value, theta: Value, v_reset: Value, kind: Value) -> Value:
    """Membrane after ``count`` spikes; ``kind`` is the code of `ranvier.model.semantics.RESETS`."""
    return Mux(count & kind[0], u - theta, Mux(count & kind[1], v_reset, u))


def clamp(x: Value, low: ValueLike, high: ValueLike) -> Value:
    """``x`` held within ``low`` to ``high``."""
    return Mux(x < low, low, Mux(x > high, high, x))


def popcount(bits: Value) -> Value:
    """Number of set bits."""
    if len(bits) == 1:
        return bits
    half = len(bits) // 2
    return popcount(bits[:half]) + popcount(bits[half:])
