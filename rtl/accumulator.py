"""The adder of a lane: plain, and in the form that ECP5 synthesis does not find."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Instance, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from .technology import technology_of

__all__ = ["Accumulator"]

#: A CCU2C's LUT for one bit: A, B, C and D are ``sum``, ``weight``, ``double`` and ``add``. It gives A ^ B to add, 0 to double,
#: else A. The carry out is the carry in where that is 1, and else A: the lowest four bits make that part, whatever C and D are.
_INIT = 0x060A


class Accumulator(Component):
    """``total`` is ``sum + weight`` where ``add``, ``2 * sum`` where ``double``, else ``sum``. No register.

    Without ``doubling`` there is nothing to choose: ``total`` is ``sum + weight``.

    In a CCU2C the choice takes no logic; synthesis puts it before the adder, at a LUT for each bit.
    """

    sum: Signal
    weight: Signal
    add: Signal
    double: Signal
    total: Signal

    def __init__(self, bits: int, *, doubling: bool = True) -> None:
        self._bits = bits
        self._doubling = doubling
        super().__init__({"sum": In(bits), "weight": In(bits), "add": In(1), "double": In(1), "total": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not self._doubling:
            m.d.comb += self.total.eq(self.sum + self.weight)
        elif technology_of(platform).ccu2c:
            self._cells(m)
        else:
            m.d.comb += self.total.eq(self.sum + Mux(self.double, self.sum, Mux(self.add, self.weight, 0)))
        return m

    def _cells(self, m: Module) -> None:
        carry: Any = Const(0, 1)
        for n in range(0, self._bits, 2):
            result, after = Signal(2, name=f"result_{n}"), Signal(name=f"carry_{n}")
            inputs: dict[str, Any] = {}
            for half in range(2):
                bit = n + half
                values = (self.sum[bit], self.weight[bit], self.double, self.add) if bit < self._bits else (Const(0, 1),) * 4
                inputs |= {f"i_{port}{half}": value for port, value in zip("ABCD", values, strict=True)}
            m.submodules[f"bits_{n}"] = Instance(
                "CCU2C", p_INIT0=Const(_INIT, 16), p_INIT1=Const(_INIT, 16), p_INJECT1_0="NO", p_INJECT1_1="NO",
                i_CIN=carry, **inputs, o_S0=result[0], o_S1=result[1], **({"o_COUT": after} if n + 2 < self._bits else {}))
            m.d.comb += self.total[n:n + 2].eq(result)
            carry = after
