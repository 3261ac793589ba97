"""The lanes: one adder and one accumulator for each neuron of a row, and the holding register behind them."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.config import FabricConfig

__all__ = ["Lanes"]


class Lanes(Component):
    """Accumulates ``weights`` (in the clock of ``weight``), doubles on ``double``, and on ``row_end`` hands the sums over.

    The sums are in the holding register from the next clock on; each ``shift`` moves it down by ``sweep_lanes``
    neurons, so that the sweep always finds its group in ``group``. Sums cannot overflow: the mapper proves the
    headroom of every neuron.
    """

    weights: Signal
    weight: Signal
    double: Signal
    row_end: Signal
    shift: Signal
    group: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        core = config.core
        super().__init__({
            "weights": In(core.lanes * config.weight_bits),
            "weight": In(1),
            "double": In(1),
            "row_end": In(1),
            "shift": In(1),
            "group": Out(core.sweep_lanes * config.state_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, core = self._config, self._config.core
        bits, width = config.weight_bits, config.state_bits
        sums = []
        for lane in range(core.lanes):
            accumulator = Signal(signed(width), name=f"accumulator_{lane}")
            weight = self.weights[lane * bits:(lane + 1) * bits].as_signed()
            total = Signal(signed(width), name=f"total_{lane}")
            m.d.comb += total.eq(accumulator + Mux(self.double, accumulator, Mux(self.weight, weight, 0)))
            m.d.sync += accumulator.eq(Mux(self.row_end, 0, total))
            sums.append(total)
        holding = Signal(core.lanes * width)
        step = core.sweep_lanes * width
        with m.If(self.row_end):
            m.d.sync += holding.eq(Cat(sums))
        with m.Elif(self.shift):
            m.d.sync += holding.eq(holding >> step)
        m.d.comb += self.group.eq(holding[:step])
        return m
