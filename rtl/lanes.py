"""The lanes: one adder and one accumulator for each neuron of a row, and the holding register behind them."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import LANES_A_CHAIN, FabricConfig

from .forms.accumulator import Accumulator
from .forms.selector import WORDS, Selector
from .forms.technology import platform_form

__all__ = ["Lanes"]


class Lanes(Component):
    """Accumulates weights, and hands a row's sums over, a group of ``sweep_lanes`` neurons at a time.

    in
        ``weights`` (a weight word): added in a clock of ``weight``. ``double``: double the sums. ``row_end``: hand them over and begin at
        0. At most one of the three is high. ``enable`` is high with ``weight`` and with ``double``, ``clear`` with ``row_end``: they are
        inputs of their own so that thousands of flip-flops have them from a register. ``clear`` alone forgets a row that a reset has cut
        off. ``take``: the group after the one that was asked for last is wanted.
    out
        ``group`` (``sweep_lanes`` sums): the first one two clocks after ``row_end``, the next one two clocks after each ``take``.

    Sums cannot overflow: the mapper proves the headroom of every neuron.
    """

    weights: Signal
    weight: Signal
    double: Signal
    enable: Signal
    row_end: Signal
    clear: Signal
    take: Signal
    group: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        core = config.core
        super().__init__({
            "weights": In(core.lanes * config.weight_bits), "weight": In(1), "double": In(1), "enable": In(1), "row_end": In(1),
            "clear": In(1), "take": In(1), "group": Out(core.sweep_lanes * config.state_bits),
        })

    def elaborate(self, platform: object) -> Module:
        """Accumulators have a clock enable and a reset, no multiplexer, which cost no logic; and nothing but the accumulator takes a sum,
        so that both fit into one logic cell.
        """
        m = Module()
        config, form = self._config, platform_form(platform)
        lanes = LANES_A_CHAIN if form.shared_chains else 1    # of an adder
        bits, width = config.weight_bits, config.state_bits
        holding = []
        for first in range(0, config.core.lanes, lanes):
            adder = m.submodules[f"adder_{first}"] = Accumulator(width, lanes, doubling=bool(config.doubling))
            m.d.comb += [adder.add.eq(self.weight), adder.double.eq(self.double)]
            for n in range(lanes):
                lane, place = first + n, slice(n * width, (n + 1) * width)
                accumulator = Signal(width, name=f"accumulator_{lane}", reset_less=True)
                held = Signal(width, name=f"held_{lane}", reset_less=True)
                m.d.comb += [
                    adder.sum[place].eq(accumulator),
                    adder.weight[place].eq(self.weights[lane * bits:(lane + 1) * bits].as_signed()),
                ]
                with m.If(self.enable):
                    m.d.sync += accumulator.eq(adder.total[place])
                with m.If(self.clear):
                    m.d.sync += accumulator.eq(0)
                with m.If(self.row_end):
                    m.d.sync += held.eq(accumulator)
                holding.append(held)
        (self._shift if form.shifted_sums else self._select)(m, holding)
        return m

    def _shift(self, m: Module, holding: list[Signal]) -> None:
        """The sums of the first group, and the others move down behind it."""
        lanes = self._config.core.sweep_lanes
        with m.If(self.take & ~self.row_end):
            for n, held in enumerate(holding):
                m.d.sync += held.eq(holding[n + lanes] if n + lanes < len(holding) else 0)
        m.d.sync += self.group.eq(Cat(holding[:lanes]))

    def _select(self, m: Module, holding: list[Signal]) -> None:
        """The sums of one group: selected among each eight groups in the first clock, and from those in the second.

        That takes fewer LUTs than a shift register, which has a multiplexer for each bit.
        """
        lanes = self._config.core.sweep_lanes
        groups = [Cat(holding[n:n + lanes]) for n in range(0, len(holding), lanes)]
        number, eights = Signal(range(WORDS)), Signal(-(-len(groups) // WORDS))    # in its eight; which eight, one-hot
        with m.If(self.row_end):
            m.d.sync += [number.eq(0), eights.eq(1)]
        with m.Elif(self.take):
            m.d.sync += number.eq(number + 1)
            with m.If(number == WORDS - 1):
                m.d.sync += eights.eq(eights << 1)
        parts = []
        for n, enable in enumerate(eights):
            selector = m.submodules[f"selector_{n}"] = Selector(len(groups[0]))
            part = Signal(len(groups[0]), name=f"part_{n}", reset_less=True)
            m.d.comb += [selector.words.eq(Cat(groups[n * WORDS:(n + 1) * WORDS])), selector.number.eq(number), selector.enable.eq(enable)]
            m.d.sync += part.eq(selector.word)
            parts.append(part)
        m.d.comb += self.group.eq(reduce(or_, parts))
