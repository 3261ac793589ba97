"""A node of the ring: sends its unit's spike words, passes on the others'."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.timing import outbox_depth, trip

from .forms.technology import platform_form
from .scan.moving_queue import MovingQueue
from .scan.queue import Queue
from .scan.ring_queue import RingQueue
from .signatures import ring_layout, word_layout

__all__ = ["RingNode"]


class RingNode(Component):
    """One register of the ring, and the outbox that feeds it.

    in
        ``start``: a tick's first clock. ``word`` (`word_layout`), with ``word_valid``: of the unit. ``i``, with ``i_valid``: the word of
        the node before.
    out
        ``o``, with ``o_valid``: the word of this node, for the next one and for the unit's spike buffer. ``busy``: a word waits or
        is on its way to the last buffer. ``sent``: a word is sent.

    ``i`` and ``o`` are single planes (`ring_layout`): the outbox keeps a word until its last plane is sent, the first one first.

    Every ``nodes`` clocks after a tick's start all nodes put a word (or nothing) on the ring; in the clocks between, words move on by one
    node, and by then each has passed every node. So there is no arbitration, and nothing to wait for but the node's own slot.

    ``only_sends`` makes the second node of a ring of two that has one register: its words go out in the clock after the first node's
    own, straight from the outbox, and ``i`` means nothing.
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
            "start": In(1), "word_valid": In(1), "word": In(word_layout(config)), "i_valid": In(1), "i": In(layout),
            "o_valid": Out(1), "o": Out(layout), "busy": Out(1), "sent": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """``phase`` counts the clocks of a slot. ``travelling`` counts those that the last word needs to reach the last buffer."""
        m = Module()
        nodes, layout = self._config.nodes, word_layout(self._config)
        queue = MovingQueue if platform_form(platform).moving_queues else RingQueue
        m.submodules.outbox = outbox = queue(width=layout.size, depth=outbox_depth(self._config.core.lanes, self._config.word_bits))
        phase, travelling = Signal(range(nodes)), Signal(range(nodes + 1))
        m.d.comb += [outbox.w_data.eq(self.word), outbox.w_en.eq(self.word_valid), outbox.w_may.eq(self.word_valid)]
        m.d.sync += phase.eq(phase + 1)
        with m.If(self.start | (phase == nodes - 1)):
            m.d.sync += phase.eq(0)
        if self._only_sends:
            self._send(m, outbox, phase)
            return m
        word, last = self._plane(m, outbox)
        m.d.comb += [
            outbox.r_en.eq((phase == 0) & last), self.sent.eq((phase == 0) & outbox.r_rdy),
            self.busy.eq(outbox.r_rdy | (travelling != 0)),
        ]
        with m.If(phase == 0):
            m.d.sync += [self.o_valid.eq(outbox.r_rdy), self.o.eq(word)]
        with m.Else():
            m.d.sync += [self.o_valid.eq(self.i_valid), self.o.eq(self.i)]
        with m.If(self.sent):
            m.d.sync += travelling.eq(trip(nodes))
        with m.Elif(travelling != 0):
            m.d.sync += travelling.eq(travelling - 1)
        return m

    def _send(self, m: Module, outbox: Queue, phase: Signal) -> None:
        """A word that is there in phase 0 is shown in the clock after; one that comes later waits for the next slot."""
        assert self._config.nodes == 2 and trip(2) == 0
        m.d.sync += self.o_valid.eq((phase == 0) & outbox.r_rdy)
        word, last = self._plane(m, outbox)
        m.d.comb += [
            outbox.r_en.eq(self.o_valid & last), self.o.eq(word), self.sent.eq(self.o_valid),
            self.busy.eq(Mux(self.o_valid & last, outbox.more, outbox.r_rdy)),
        ]

    def _plane(self, m: Module, outbox: Queue) -> tuple[Value, Value]:
        """The plane of the oldest word that is sent next, and whether it is its last; ``sent`` goes on to the one after it."""
        planes, bits = self._config.spike_bits, self._config.word_bits
        if planes == 1:
            return outbox.r_data, Const(1, 1)
        word: Any = data.View(word_layout(self._config), outbox.r_data)
        plane, offset = Signal(range(planes)), Signal.like(word.address)
        last = plane == planes - 1
        with m.If(self.sent):
            m.d.sync += [plane.eq(Mux(last, 0, plane + 1)), offset.eq(Mux(last, 0, offset + word.plane_step))]
        address = (word.address + offset)[:len(word.address)]
        return Cat(address, word.bits.word_select(plane, bits)), last
