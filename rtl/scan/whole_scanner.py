"""A scanner that takes an entry's whole word in hand."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data

from ..forms.technology import platform_form
from .bits import several
from .entry import entry_layout, row_fields
from .scanner import Scanner, hand_layout

__all__ = ["WholeScanner"]


class WholeScanner(Scanner):
    """A `Scanner` with nothing between queue and hand. Where memories are not late an entry arrives a clock earlier and waits longer."""

    def elaborate(self, platform: object) -> Module:
        """An entry stays in the queue until clock r + 4, when ``ready`` counts it; then the first one moves in hand when that is free.

        Whether no bit, or at most one, is left in hand is found out a clock ahead, from the bits that will be there.
        """
        m = Module()
        config, form = self._config, platform_form(platform)
        queue = self._queue(m, form)
        head: Any = data.View(entry_layout(config), queue.r_data)
        hand: Any = Signal(hand_layout(config, config.word_bits), reset_less=True)
        valid, moves = Signal(), Signal()
        arrived = Signal(1 if form.late_memories else 2)
        ready = Signal(config.queue_depth)    # as many ones as there are entries that may move
        m.d.sync += arrived.eq(Cat(self.entry_valid, arrived))
        with m.If(arrived[-1] & ~moves):
            m.d.sync += ready.eq(Cat(Const(1, 1), ready))
        with m.Elif(moves & ~arrived[-1]):
            m.d.sync += ready.eq(ready >> 1)
        at_most_one, empty = Signal(reset_less=True), Signal(reset_less=True)
        remaining = Signal(len(hand.bits))
        number, done = self._issue_tokens(m, hand, valid, remaining, ends_row=hand.row_last, at_most_one=at_most_one, empty=empty)
        m.d.comb += [
            remaining.eq(hand.bits & (hand.bits - 1)),
            moves.eq(ready[0] & done), queue.r_en.eq(moves),
            self.busy.eq(self.issued | self.entry_valid | queue.r_rdy | valid), self.in_hand.eq(valid),
        ]
        m.d.sync += [empty.eq(at_most_one), at_most_one.eq(~several(remaining, form))]
        if form.late_memories:
            m.d.sync += self.token.address.eq(hand.base + number)
        else:
            m.d.sync += [self.token.address.eq(hand.base), self.token.number.eq(number)]
        with m.If(moves):
            m.d.sync += [
                empty.eq(~head.bits.any() & ~head.double), at_most_one.eq(~several(head.bits, form)), hand.bits.eq(head.bits),
                *(hand[name].eq(head[name]) for name in row_fields(self._config)),
            ]
        with m.If(done):
            m.d.sync += valid.eq(ready[0])
        self._grant_credit(m, self.entry_valid if form.late_memories else arrived[0], moves)
        return m
