"""Set bits of a word: the lowest, whether there are several, and their number. All are logic without registers."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Value

from ranvier.model.fabric.config import bits_for

from ..forms.form import Form
from .entry import SLICE_BITS

__all__ = ["encode", "lowest", "select_slice", "several", "slices", "without_lowest"]


def slices(bits: Value) -> list[Value]:
    """The slices of a spike word, `SLICE_BITS` wide, the lowest first."""
    return [bits[n:n + SLICE_BITS] for n in range(0, len(bits), SLICE_BITS)]


def select_slice(bits: Value, onehot: Value) -> Value:
    """The slice of ``bits`` whose bit is set in ``onehot``, 0 where none is."""
    return reduce(or_, (part & mask.replicate(len(part)) for part, mask in zip(slices(bits), onehot, strict=True)))


def lowest(bits: Value, form: Form) -> Value:
    """The lowest set bit of ``bits`` alone; of a few bits where the form has trees."""
    if not form.bit_trees:
        return (bits & -bits)[:len(bits)]
    return Cat(bits[n] & ~bits[:n].any() for n in range(len(bits)))


def without_lowest(bits: Value, form: Form) -> Value:
    """``bits`` without the lowest set one; of a few bits where the form has trees."""
    if not form.bit_trees:
        return (bits & (bits - 1))[:len(bits)]
    return Cat(bits[n] & bits[:n].any() for n in range(len(bits)))


def several(bits: Value, form: Form) -> Value:
    """Whether more than one bit is set. The tree is of LUTs with four inputs."""
    if not form.bit_trees:
        return without_lowest(bits, form).any()
    some: list[Value] = [*bits]
    found: list[Value] = []
    while len(some) > 1:
        groups = [some[n:n + 4] for n in range(0, len(some), 4)]
        found += [Cat(group[:n]).any() & group[n] for group in groups for n in range(1, len(group))]
        some = [Cat(group).any() for group in groups]
    return Cat(found).any()


def encode(onehot: Value) -> Value:
    """Number of the one set bit: each bit of it is set where the one set bit is among the positions whose numbers have that bit."""
    size = len(onehot)
    return Cat((onehot & sum(1 << i for i in range(size) if i >> b & 1)).any() for b in range(bits_for(size - 1)))
