"""A node of the ring: sends its unit's spike words, passes on the others'."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.timing import outbox_depth, trip

from .scan.queue import Queue
from .signatures import ring_layout

__all__ = ["RingNode"]


class RingNode(Component):
    """One register of the ring, and the outbox that feeds it.

    Every ``nodes`` clocks after a tick's start all nodes put a word (or nothing) on the ring; in the clocks between,
    words move on by one node, and by then each has passed every node. So there is no arbitration, and nothing
    to wait for but the node's own slot. ``o`` is what every unit writes into its spike buffer.

    ``only_sends`` makes the other node of a ring of two that one of them sees: it needs no register, for its words may leave the outbox
    when the first node has sent its own.
    """

    start: Signal
    word_valid: Signal
    word: Any
    i_valid: Signal
    i: Any
    o_valid: Signal
    o: Any
    busy: Signal
    sent: Signal

    def __init__(self, config: FabricConfig, *, only_sends: bool = False) -> None:
        self._config = config
        self._only_sends = only_sends
        layout = ring_layout(config)
        super().__init__({
            "start": In(1),
            "word_valid": In(1), "word": In(layout),
            "i_valid": In(1), "i": In(layout),
            "o_valid": Out(1), "o": Out(layout),
            "busy": Out(1),
            "sent": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        nodes = self._config.nodes
        layout = ring_layout(self._config)
        m.submodules.outbox = outbox = Queue(width=layout.size, depth=outbox_depth(self._config.core.lanes, self._config.word_bits))
        phase = Signal(range(nodes))
        travelling = Signal(range(nodes + 1))
        m.d.comb += [
            outbox.w_data.eq(self.word),
            outbox.w_en.eq(self.word_valid), outbox.w_may.eq(self.word_valid),
        ]
        m.d.sync += phase.eq(phase + 1)
        with m.If(self.start | (phase == nodes - 1)):
            m.d.sync += phase.eq(0)
        if self._only_sends:
            self._send(m, outbox, phase)
            return m
        m.d.comb += [
            outbox.r_en.eq(phase == 0),
            self.sent.eq(outbox.r_en & outbox.r_rdy),
            self.busy.eq(outbox.r_rdy | (travelling != 0)),
        ]
        with m.If(phase == 0):
            m.d.sync += [self.o_valid.eq(outbox.r_rdy), self.o.eq(outbox.r_data)]
        with m.Else():
            m.d.sync += [self.o_valid.eq(self.i_valid), self.o.eq(self.i)]
        with m.If(self.sent):
            m.d.sync += travelling.eq(trip(nodes))
        with m.Elif(travelling != 0):
            m.d.sync += travelling.eq(travelling - 1)
        return m

    def _send(self, m: Module, outbox: Queue, phase: Signal) -> None:
        """The words that the other node shows in the clock after its own; what is not there in phase 0 waits for the next slot."""
        assert self._config.nodes == 2 and trip(2) == 0
        m.d.sync += self.o_valid.eq((phase == 0) & outbox.r_rdy)
        m.d.comb += [
            outbox.r_en.eq(self.o_valid), self.o.eq(outbox.r_data), self.sent.eq(self.o_valid),
            self.busy.eq(Mux(self.o_valid, outbox.more, outbox.r_rdy)),
        ]
