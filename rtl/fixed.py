"""Fixed-point arithmetic of one neuron in hardware: the rules of `model/fixed.py` under the same names."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Value

from ranvier.model.fixed import DECAY_SHIFT

__all__ = ["add_with_carry", "clamp_choice", "decay_carry", "decay_product", "decay_whole", "popcount", "spike_count"]


def decay_product(x: Value, k: Value) -> Value:
    """First part of `decay`: ``x`` times the lower bits of ``k``, read as a signed number.

    So the factor lacks 1 where ``k`` is at least one half: `decay_whole` adds that. A multiplier for signed words of 16
    bits is then enough, and "no leak" needs no care of its own.
    """
    return x * k[:DECAY_SHIFT].as_signed()


def decay_whole(k: Value) -> Value:
    """Whether `decay` adds ``x`` to the product's upper bits."""
    return k[DECAY_SHIFT - 1] | k[DECAY_SHIFT]


def decay_carry(product: Value, negative: Value, rounding: str) -> Value:
    """Second part of `decay`: what rounding adds to the product's upper bits.

    The rule acts on the magnitude. For a product p that is a sum of p's upper bits and the carry of p's lower bits plus
    32767 (32768 where ``x`` is negative) for ``nearest``; for ``zero`` plus 0 (65535 where ``x`` is negative).
    """
    low = product[:DECAY_SHIFT]
    if rounding == "zero":
        return negative & low.any()
    return low[-1] & (negative | low[:-1].any())


def add_with_carry(a: Value, b: Value, carry: Value) -> Value:
    """``a + b + carry`` of equal widths in one carry chain, wrapped to their width."""
    return (Cat(Const(1, 1), a) + Cat(carry, b))[1:len(a) + 1]


def spike_count(u: Value, less: Value, theta: Value, strict: Value) -> Value:
    """1 where ``u`` reaches ``theta`` (exceeds it where ``strict``); ``less`` is ``u - theta``. Spikes are single bits.

    ``theta`` is at least 1, so ``less`` cannot leave the word unless ``u`` is negative.
    """
    return ~u[-1] & ~less[-1] & ~(strict & (u == theta))


def clamp_choice(x: Value, low: Value, high: Value) -> tuple[Value, Value]:
    """Whether `clamp` gives ``low``, and whether it gives ``high``; else it gives ``x``.

    The signs of two differences: a comparison would fetch its carry from the chain, which takes longer.
    """
    return (x - low)[-1], (high - x)[-1]


def popcount(bits: Value) -> Value:
    """Number of set bits."""
    if len(bits) == 1:
        return bits
    half = len(bits) // 2
    return popcount(bits[:half]) + popcount(bits[half:])
