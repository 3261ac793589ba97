"""The lanes: one adder and one accumulator for each neuron of a row, and the holding register behind them."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.config import FabricConfig

__all__ = ["Lanes"]


class Lanes(Component):
    """Accumulates ``weights`` (in the clock of ``weight``), doubles on ``double``, and on ``row_end`` hands the sums over.

    The sums are in the holding register from the next clock on, and ``group`` shows those of a group of ``sweep_lanes``
    neurons: the first one after a clock with ``first``, the next one after each clock with ``take``. Sums cannot overflow:
    the mapper proves the headroom of every neuron.
    """

    weights: Signal
    weight: Signal
    double: Signal
    row_end: Signal
    first: Signal
    take: Signal
    group: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        core = config.core
        super().__init__({
            "weights": In(core.lanes * config.weight_bits),
            "weight": In(1),
            "double": In(1),
            "row_end": In(1),
            "first": In(1),
            "take": In(1),
            "group": Out(core.sweep_lanes * config.state_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, core = self._config, self._config.core
        bits, width = config.weight_bits, config.state_bits
        holding = []
        for lane in range(core.lanes):
            accumulator = Signal(signed(width), name=f"accumulator_{lane}")
            weight = self.weights[lane * bits:(lane + 1) * bits].as_signed()
            total, held = Signal(signed(width), name=f"total_{lane}"), Signal(width, name=f"held_{lane}")
            # What is added is a function of four bits, so it takes one LUT a bit, whether it may be 0 or not.
            m.d.comb += total.eq(accumulator + Mux(self.double, accumulator, Mux(self.weight, weight, 0)))
            # A reset and a clock enable, no multiplexer: neither costs logic.
            m.d.sync += accumulator.eq(total)
            with m.If(self.row_end):
                m.d.sync += [accumulator.eq(0), held.eq(total)]
            holding.append(held)
        self._select(m, holding)
        return m

    def _select(self, m: Module, holding: list[Signal]) -> None:
        """The sums of one group: each is masked by a bit of its own, and all are joined by or.

        That takes fewer LUTs than a tree of multiplexers or a shift register, which has a multiplexer for each bit.
        """
        lanes = self._config.core.sweep_lanes
        groups = [Cat(holding[n:n + lanes]) for n in range(0, len(holding), lanes)]
        chosen = Signal(len(groups))    # one-hot
        with m.If(self.first):
            m.d.sync += chosen.eq(1)
        with m.Elif(self.take):
            m.d.sync += chosen.eq(chosen << 1)
        m.d.comb += self.group.eq(reduce(or_, (group & mask.replicate(len(group)) for group, mask in zip(groups, chosen, strict=True))))
