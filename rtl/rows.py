"""The input unit's list of rows, read when it is needed or ahead."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import row_word

from .signatures import TickBus, struct

__all__ = ["DirectRows", "RowReader", "RowsAhead"]


class RowReader(Component):
    """Shows one row after the other, from the clock after a tick's start on; the list ends after the row that says so, or before one
    of 0 groups.

    in
        ``ticker`` (`TickBus`): steps of the levels. ``idle``: no row is in hand; the ``start`` comes while it is high. ``next``: the row
        in hand is done with. ``data`` (a row): what the memory gives.
    out
        ``address``, ``enable``: of the memory of rows. ``row``: the one in hand. ``ends``: there is none, the list is over.
        ``opens``: the row's level takes a step in this tick.
    """

    ticker: Any
    idle: Signal
    next: Signal
    address: Signal
    enable: Signal
    data: Any
    row: Any
    ends: Signal
    opens: Signal

    def __init__(self, config: FabricConfig) -> None:
        row = struct(row_word(config, "input"))
        super().__init__({
            "ticker": In(TickBus(config)), "idle": In(1), "next": In(1),
            "address": Out(bits_for(config.input.row_depth - 1)), "enable": Out(1), "data": In(row),
            "row": Out(row), "ends": Out(1), "opens": Out(1),
        })


class DirectRows(RowReader):
    """A `RowReader` whose row in hand is the memory's output."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        number, last = Signal(len(self.address)), Signal()    # of the row in hand; the row before it was the last one
        m.d.comb += [
            self.enable.eq(1), self.address.eq(number), self.row.eq(self.data),
            self.ends.eq(last | (self.data.groups == 0)), self.opens.eq(self.ticker.steps[self.data.level].open),
        ]
        with m.If(self.next):
            m.d.comb += self.address.eq(number + 1)
            m.d.sync += [number.eq(number + 1), last.eq(self.data.last)]
        with m.If(self.idle):
            m.d.comb += self.address.eq(0)
            m.d.sync += [number.eq(0), last.eq(0)]
        return m


class RowsAhead(RowReader):
    """A `RowReader` with the decoded row in registers, so that no decision waits for the memory: the next row is on ``data``."""

    def elaborate(self, platform: object) -> Module:
        """While no row is in hand the first one is read again and again, for the host may change it."""
        m = Module()
        row: Any = Signal(self.row.shape(), reset_less=True)
        number = Signal(len(self.address), init=1)    # of the row after the one on ``data``
        ends, opens, advance = Signal(), Signal(), Signal()
        m.d.comb += [
            self.row.eq(row), self.ends.eq(ends), self.opens.eq(opens),
            advance.eq(self.next | (self.idle & self.ticker.start)), self.enable.eq(advance), self.address.eq(number),
        ]
        with m.If(self.idle & ~self.ticker.start):
            m.d.comb += [self.enable.eq(1), self.address.eq(0)]
            m.d.sync += number.eq(1)
        with m.If(advance):
            m.d.sync += [
                number.eq(number + 1), row.eq(self.data), opens.eq(self.ticker.steps[self.data.level].open),
                ends.eq((~self.idle & row.last) | (self.data.groups == 0)),
            ]
        return m
