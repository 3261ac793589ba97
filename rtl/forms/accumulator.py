"""The adders of the lanes: plain, and in the form that ECP5 synthesis does not find."""

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
    """Adders of ``lanes`` lanes side by side, each ``bits`` wide. No register.

    in
        ``sum``, ``weight`` (``bits`` a lane). ``add``, ``double``: what to do, at most one of them.
    out
        ``total`` (``bits`` a lane): ``sum + weight`` where ``add``, ``2 * sum`` where ``double``, else ``sum``.

    In a CCU2C the choice takes no logic; synthesis puts it before the adder, at a LUT for each bit. The
    beginning and the end of a carry chain cost four LUTs, so lanes share one, with a bit between them that stops the carry.
    Without ``doubling`` the plain form has nothing to choose: ``total`` is ``sum + weight``.
    """

    sum: Signal
    weight: Signal
    add: Signal
    double: Signal
    total: Signal

    def __init__(self, bits: int, lanes: int, *, doubling: bool = True) -> None:
        self._bits, self._lanes, self._doubling = bits, lanes, doubling
        width = bits * lanes
        super().__init__({"sum": In(width), "weight": In(width), "add": In(1), "double": In(1), "total": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if technology_of(platform).ccu2c:
            self._cells(m)
            return m
        for low in range(0, len(self.sum), self._bits):
            lane = slice(low, low + self._bits)
            added: Any = self.weight[lane]
            if self._doubling:
                added = Mux(self.double, self.sum[lane], Mux(self.add, added, 0))
            m.d.comb += self.total[lane].eq(self.sum[lane] + added)
        return m

    def _cells(self, m: Module) -> None:
        stop = (Const(0, 1),) * 4
        slots: list[tuple[Any, ...]] = []
        for low in range(0, len(self.sum), self._bits):
            slots += [stop] if slots else []
            slots += [(self.sum[bit], self.weight[bit], self.double, self.add) for bit in range(low, low + self._bits)]
        slots += [stop] * (len(slots) % 2)
        results = Signal(len(slots))
        carry: Any = Const(0, 1)
        for n in range(0, len(slots), 2):
            after = Signal(name=f"carry_{n}")
            inputs = {f"i_{port}{half}": value for half in range(2) for port, value in zip("ABCD", slots[n + half], strict=True)}
            m.submodules[f"bits_{n}"] = Instance(
                "CCU2C", p_INIT0=Const(_INIT, 16), p_INIT1=Const(_INIT, 16), p_INJECT1_0="NO", p_INJECT1_1="NO",
                i_CIN=carry, **inputs, o_S0=results[n], o_S1=results[n + 1], o_COUT=after)
            carry = after
        for lane in range(self._lanes):
            low, place = lane * self._bits, lane * (self._bits + 1)
            m.d.comb += self.total[low:low + self._bits].eq(results[place:place + self._bits])
