"""What a counter that can be loaded holds next, in plain logic and in the cells of an iCE40."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Instance, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from .technology import technology_of

__all__ = ["Stepper"]


class Stepper(Component):
    """The next value of a counter. No register.

    in
        ``count``: its value. ``value``, with ``load``: the one to take instead. All are ``bits`` wide.
    out
        ``next``: ``value`` where ``load``, else ``count`` plus 1, or minus 1 if ``down``; wrapped.

    Synthesis puts a multiplexer behind the adder, at a LUT for each bit; but the adder's own LUT has an input to spare.
    """

    count: Signal
    load: Signal
    value: Signal
    next: Signal

    def __init__(self, bits: int, *, down: bool) -> None:
        self._down = down
        super().__init__({"count": In(bits), "load": In(1), "value": In(bits), "next": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if technology_of(platform).lut_before_register:
            self._cells(m)
        else:
            m.d.comb += self.next.eq(Mux(self.load, self.value, self.count - 1 if self._down else self.count + 1))
        return m

    def _cells(self, m: Module) -> None:
        choice = Signal()
        m.d.comb += choice.eq(~self.load if self._down else self.load)
        carry: Any = Const(0 if self._down else 1, 1)
        for n in range(len(self.count)):
            after = Signal(name=f"carry_{n}")
            m.submodules[f"lut_{n}"] = Instance(
                "SB_LUT4", p_LUT_INIT=Const(_init(self._down), 16), i_I0=self.value[n], i_I1=self.count[n], i_I2=choice, i_I3=carry,
                o_O=self.next[n])
            if n + 1 < len(self.count):
                m.submodules[f"carry_{n}"] = Instance("SB_CARRY", i_I0=self.count[n], i_I1=choice, i_CI=carry, o_CO=after)
            carry = after


def _init(down: bool) -> int:
    """The table of a SB_LUT4 for one bit: its inputs are the value, the count, the choice and the carry.

    The choice is 0 to count upwards and 1 to count downwards, for so the carry chain, which sees it too, adds 1 or -1.
    """
    table = 0
    for index in range(16):
        value, count, choice, carry = (index >> n & 1 for n in range(4))
        stepped = count ^ carry ^ down
        table |= (stepped if choice == down else value) << index
    return table
