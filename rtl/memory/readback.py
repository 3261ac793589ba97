"""What a block answers to a read on the configuration bus."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Signal, Value

from ..forms.form import Form
from ..forms.technology import platform_form

__all__ = ["answer", "answer_latency", "merge_answers"]


def answer_latency(form: Form) -> int:
    """Clocks from a read to its answer."""
    return 3 if form.answer_registers else 1


def answer(m: Module, platform: object, name: str, value: Value, read: Value, *, late: bool = False) -> Value:
    """The answer to a ``read``: the ``value`` that the memory gives for it, `answer_latency` clocks after the read; in other clocks 0.

    ``value`` comes in the clock after ``read``, a ``late`` one in the second clock after. With registers (here without ``late``)::

        clock   0      1      2          3
                read   value  register   answer

    The register takes in what a block RAM gives late in its clock. It is cleared where there was no read, which costs no logic.
    """
    if not platform_form(platform).answer_registers:
        was_read = Signal(name=f"{name}_read")
        m.d.sync += was_read.eq(read)
        return value & was_read.replicate(len(value))
    if late:
        before, read = read, Signal(name=f"{name}_read", reset_less=True)
        m.d.sync += read.eq(before)
    clear = Signal(name=f"{name}_clear", init=1, reset_less=True)
    register = Signal(len(value), name=name, reset_less=True)
    m.d.sync += [clear.eq(~read.bool()), register.eq(value)]
    with m.If(clear):
        m.d.sync += register.eq(0)
    if late:
        return register
    second = Signal(len(value), name=f"{name}_second", reset_less=True)
    m.d.sync += second.eq(register)
    return second


def merge_answers(values: list[Value]) -> Value:
    """The answers of several blocks, of which at most one is not 0."""
    return reduce(or_, values, Value.cast(0))
