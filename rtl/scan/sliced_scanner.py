"""A scanner that takes an entry's word in hand by slices."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data

from ..forms.technology import platform_form
from .bits import encode, lowest, select_slice, several, slices, without_lowest
from .entry import SLICE_BITS, entry_layout, row_fields
from .scanner import Scanner, hand_layout

__all__ = ["SlicedScanner"]


class SlicedScanner(Scanner):
    """A `Scanner` that looks at `SLICE_BITS` bits a clock, so that its logic does not grow with the word; empty slices take no clock."""

    def elaborate(self, platform: object) -> Module:
        """Queue - head - hand. The head is the entry whose slices come in hand, the lowest filled one next.

        ``done`` decides in its clock what comes in hand, so whatever it depends on is found out a clock ahead: whether a slice has
        at most one set bit when its entry becomes the head, whether no bit is left in hand when the one before it goes.
        """
        m = Module()
        layout, form = entry_layout(self._config), platform_form(platform)
        queue = self._queue(m, form)
        head: Any = Signal(layout, reset_less=True)
        head_valid, untouched = Signal(), Signal()    # there is a head; none of its slices has been in hand
        hand: Any = Signal(hand_layout(self._config, min(SLICE_BITS, self._config.word_bits)), reset_less=True)
        valid, moves = Signal(), Signal()
        last_slice = Signal(reset_less=True)          # of the entry, in hand
        empty, at_most_one = Signal(reset_less=True), Signal(reset_less=True)      # bits of the slice in hand
        single = Signal(len(head.filled))             # the head's slices with at most one set bit
        following = Signal(len(head.filled))          # the one of ``filled`` that comes in hand next
        remaining = without_lowest(hand.bits, form)
        number, done = self._issue_tokens(m, hand, valid, remaining, ends_row=last_slice & hand.row_last, at_most_one=at_most_one,
                                          empty=empty & ~hand.double)
        first, last = Signal(), Signal()              # the slice that moves is the head's first, its last
        m.d.comb += [
            queue.r_en.eq(~head_valid | moves & last),
            moves.eq(head_valid & done), first.eq(moves & untouched), last.eq(~several(head.filled, form)),
            self.busy.eq(self.issued | self.entry_valid | queue.r_rdy | head_valid | valid), self.in_hand.eq(valid),
        ]
        with m.If(queue.r_en):
            oldest: Any = data.View(layout, queue.r_data)
            m.d.sync += [
                head.eq(queue.r_data), head_valid.eq(queue.r_rdy), untouched.eq(1), following.eq(lowest(oldest.filled, form)),
                single.eq(~Cat(several(part, form) for part in slices(oldest.bits))),
            ]
        with m.Elif(moves):
            others = head.filled & ~following
            m.d.sync += [head.filled.eq(others), following.eq(lowest(others, form)), untouched.eq(0)]
        with m.If(~self.stalled):
            m.d.sync += [empty.eq(at_most_one), at_most_one.eq(~several(remaining, form))]
        m.d.sync += self.token.address.eq(hand.base + number)
        with m.If(moves):
            m.d.sync += [
                hand.bits.eq(select_slice(head.bits, following)), hand.slice.eq(encode(following)), last_slice.eq(last),
                empty.eq(head.filled == 0), at_most_one.eq((head.filled == 0) | (single & following).any()),
                *(hand[name].eq(head[name]) for name in row_fields(self._config)),
            ]
        with m.If(done):
            m.d.sync += valid.eq(head_valid)
        self._grant_credit(m, self.entry_valid, first)
        return m
