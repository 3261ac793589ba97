"""Fixed-point arithmetic of one neuron in hardware: the rules of `model/fixed.py` under the same names (`saturated` is a clamp).

A rule that takes more than a clock has its registers made by ``register``, and says after how many of them its value comes. Without one
it is plain logic. What a rule has to be told in another form than in the model, or gives in parts, its docstring says.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Protocol

from amaranth.hdl import Cat, Const, Mux, Value

from ranvier.model.fixed import DECAY_SHIFT

__all__ = ["Register", "clamp", "decay", "lessened", "popcount", "reset", "rounded", "spike_count", "unregistered"]


class Register(Protocol):
    """Makes a register named ``name`` that holds ``value`` a clock later, and 0 where not ``where``."""

    def __call__(self, name: str, value: Value, where: Value | None = None) -> Value: ...


def unregistered(name: str, value: Value, where: Value | None = None) -> Value:
    """No register: the value itself, and 0 where not ``where``."""
    return value if where is None else Mux(where, value, 0)


def decay(x: Value, k: Value, rounding: str, register: Register = unregistered, *, plus: Value | int = 0, bits: int | None = None,
          scaled: Value | None = None, where: Value | None = None) -> Value:
    """``x`` scaled by ``k / 65536``, and ``plus`` added a register later, wrapped to ``bits``, the width of ``x``. One register.

    Where not ``scaled`` it is ``x`` itself, and where not ``where`` it is 0, before ``plus`` is added.

    The multiplier takes the lower 16 bits of ``k`` as a signed number. So the factor lacks 1 where ``k`` is at least one half, and
    ``x`` itself is added there: a multiplier for signed words of 16 bits is enough, and "no leak" needs no care of its own.

    Rounding acts on the magnitude. For a product p that is the sum of p's upper bits and a carry: that of p's lower bits plus 32767
    (32768 where ``x`` is negative) for ``nearest``; for ``zero`` that of them plus 0 (65535 where ``x`` is negative).
    """
    lacks, multiplied = k[DECAY_SHIFT - 1] | k[DECAY_SHIFT], where
    if scaled is not None:
        lacks, multiplied = lacks | ~scaled, scaled if where is None else scaled & where
    product, negative = register("product", x * k[:DECAY_SHIFT].as_signed(), multiplied), register("negative", x[-1])
    whole = register("whole", x, lacks if where is None else lacks & where)
    low, upper = product[:DECAY_SHIFT], _extend(product[DECAY_SHIFT:], bits or len(x))
    carry = negative & low.any() if rounding == "zero" else low[-1] & (negative | low[:-1].any())
    return _add_with_carry(upper, _extend((plus + whole)[:len(upper)], len(upper)), carry).as_signed()


def _extend(a: Value, bits: int) -> Value:
    """``a``, a signed number, in ``bits``, which are not fewer than it has."""
    return a if len(a) == bits else Cat(a, a[-1].replicate(bits - len(a)))


def _add_with_carry(a: Value, b: Value, carry: Value) -> Value:
    """``a + b + carry`` of equal widths in one carry chain, wrapped to their width."""
    return (Cat(Const(1, 1), a) + Cat(carry, b))[1:len(a) + 1]


def spike_count(u: Value, less: Value, theta: Value, strict: Value, plane: int = 0) -> Value:
    """A plane of the count: 1 where ``u`` reaches ``theta << plane`` (exceeds it where ``strict``); ``less`` is `lessened`.

    Planes come one after the other from the top, a restoring division: where one is 1, what `lessened` leaves is the ``u`` of the next
    one. So a count that is too large for its planes has all of them set. ``theta`` is at least 1, so ``less`` cannot leave the word
    unless ``u`` is negative.
    """
    exact = u == theta if plane == 0 else (u[plane:].as_signed() == theta) & ~u[:plane].any()
    return ~u[-1] & ~less[-1] & ~(strict & exact)


def lessened(u: Value, theta: Value, plane: int) -> Value:
    """The bits of ``u - (theta << plane)`` from ``plane`` on, for a ``u`` that is not negative; those below are those of ``u``."""
    return (u[plane:].as_signed() - theta)[:max(len(theta), len(u) - plane)].as_signed()


def reset(u: Value, less: Value, count: Value, kind: Value) -> tuple[Value, Value]:
    """The membrane after a spike, but for ``v_reset``; and whether that takes its place, which is left to `clamp`.

    ``less`` is ``u`` without theta for each spike, ``count`` whether there are any. ``kind`` is the code of the row descriptor: its
    bit 0 subtracts theta, its bit 1 puts v_reset.
    """
    return Mux(count & kind[0], less, u), count & kind[1]


def rounded(x: Value, shift: int) -> Value:
    """``x / 2**shift`` to the nearest integer, halves up."""
    return (x + (1 << shift - 1)) >> shift if shift else x


def clamp(x: Value, low: Value, high: Value, register: Register = unregistered, *, instead: tuple[Value, Value] | None = None,
          by_or: bool = False) -> tuple[Value, Value]:
    """``x`` held within ``low`` to ``high``, after one register; and, before it, whether that changes ``x``.

    ``instead`` is a condition, and a value within the bounds that takes the place of ``x`` where it holds. The choice is by multiplexers
    before the register, or ``by_or``: a register for each value that may be chosen, those not chosen cleared, and joined by or.

    ``x`` may be wider than its bounds; what is held is as wide as they are.

    A comparison is the sign of a difference: any other would fetch its carry from the chain, which takes longer.
    """
    below, above = (x - low)[-1], (high - x)[-1]
    if len(x) > len(low):
        x = x[:len(low)].as_signed()
    replaced, value = instead or (Const(0, 1), x)
    changed = (below | above) & ~replaced
    if not by_or:
        return register("held", Mux(replaced, value, Mux(below, low, Mux(above, high, x)))), changed
    parts = [register("same", x, ~(below | above | replaced)), register("least", low, below & ~replaced),
             register("most", high, above & ~replaced), register("replacement", value, replaced)]
    return reduce(or_, parts), changed


def popcount(bits: Value) -> Value:
    """Number of set bits."""
    if len(bits) == 1:
        return bits
    half = len(bits) // 2
    return popcount(bits[:half]) + popcount(bits[half:])
