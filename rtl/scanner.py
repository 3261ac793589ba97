"""The scanner: turns spike words into one token a clock, lowest set bit first."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.config import FabricConfig, bits_for

from .queue import Queue
from .sequencer import SLICE_BITS, entry_layout

__all__ = ["Scanner", "token_layout"]


def token_layout(config: FabricConfig) -> data.StructLayout:
    """What the lanes do with one clock."""
    entry = entry_layout(config)
    return data.StructLayout({
        "address": entry["base"].shape,
        "weight": 1,
        "double": 1,
        "row_end": 1,
        "row": entry["row"].shape,
        "neurons": entry["neurons"].shape,
    })


class Scanner(Component):
    """A queue of entries, and the entry in hand whose bits are taken one a clock, lowest first.

    An entry that arrives at an idle scanner is in hand three clocks later, and ``token`` shows its first token after one
    more; tokens of successive entries follow without a gap. A row's end is a token of its own, so that
    the accumulators hold all of the row when it comes. It waits until the row before has left
    the holding register, which ``hold`` clocks after its own end it surely has. ``credit`` lasts while fewer than
    ``queue_depth`` entries have arrived or are issued, and are not in hand yet.
    """

    issued: Signal
    credit: Signal
    entry_valid: Signal
    entry: Any
    token: Any
    stalled: Signal
    busy: Signal
    in_hand: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        super().__init__({
            "issued": In(1),
            "credit": Out(1),
            "entry_valid": In(1),
            "entry": In(entry_layout(config)),
            "token": Out(token_layout(config)),
            "stalled": Out(1),
            "busy": Out(1),
            "in_hand": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        layout = entry_layout(config)
        m.submodules.queue = queue = Queue(width=layout.size, depth=config.queue_depth)
        head: Any = Signal(layout, reset_less=True)          # the entry whose slices come in hand next
        head_valid, fresh = Signal(), Signal()    # fresh: none of them has yet
        hand: Any = Signal(_hand_layout(config), reset_less=True)
        valid = Signal()
        room = Signal()        # the slice in hand is done with this clock
        first, last = Signal(), Signal()    # of the entry's slices
        singles = Signal(len(head.filled))        # its slices with at most one set bit
        lowest = head.filled & -head.filled
        moves = Signal()
        m.d.comb += [
            queue.w_data.eq(self.entry), queue.w_en.eq(self.entry_valid),
            queue.r_en.eq(~head_valid | moves & last),
            moves.eq(head_valid & room),
            first.eq(moves & fresh),
            last.eq(head.filled & (head.filled - 1) == 0),
            self.busy.eq(self.issued | self.entry_valid | queue.r_rdy | head_valid | valid),
            self.in_hand.eq(valid),
        ]
        with m.If(queue.r_en):
            arrived: Any = data.View(layout, queue.r_data)
            m.d.sync += [
                head.eq(queue.r_data), head_valid.eq(queue.r_rdy), fresh.eq(1),
                singles.eq(Cat(_at_most_one(part) for part in _slices(arrived.bits))),
            ]
        with m.Elif(moves):
            m.d.sync += [head.filled.eq(head.filled & ~lowest[:len(head.filled)]), fresh.eq(0)]
        self._take(m, hand, valid, room)
        with m.If(moves):
            chosen = lowest[:len(head.filled)]
            m.d.sync += [
                hand.bits.eq(_select(head.bits, chosen)),
                hand.none.eq(head.filled == 0), hand.single.eq((head.filled == 0) | (singles & chosen).any()),
                hand.slice.eq(encode(chosen)),
                hand.last.eq(last),
                *(hand[name].eq(head[name]) for name in ("base", "double", "row_last", "row", "hold", "neurons")),
            ]
        with m.If(room):
            m.d.sync += valid.eq(head_valid)

        self._lend(m, first)
        return m

    def _lend(self, m: Module, first: Signal) -> None:
        """``credit``: few levels of logic, for it decides what the sequencer reads next.

        So the count of the entries that have arrived and are not in hand is kept as that many ones.
        """
        depth = self._config.queue_depth
        waiting = Signal(depth)
        with m.If(self.entry_valid & ~first):
            m.d.sync += waiting.eq(Cat(Const(1, 1), waiting))
        with m.Elif(first & ~self.entry_valid):
            m.d.sync += waiting.eq(waiting >> 1)
        room = [~waiting[depth - taken] if taken <= depth else Const(0, 1) for taken in (1, 2, 3)]
        m.d.comb += self.credit.eq(Mux(self.entry_valid & self.issued, room[2], Mux(self.entry_valid | self.issued, room[1], room[0])))

    def _take(self, m: Module, hand: Any, valid: Signal, room: Signal) -> None:
        """One token a clock from the slice in hand; ``room`` with its last.

        ``room`` decides in its clock what comes in hand next, so what it depends on is kept in bits of its own.
        """
        hold, held = Signal(len(hand.hold)), Signal()    # ``held``: ``hold`` is not 0
        rest = Signal(len(hand.bits))
        ending, final = Signal(), Signal()    # the slice ends a row; nothing is left of it but that
        m.d.comb += [
            rest.eq(hand.bits & (hand.bits - 1)),
            ending.eq(hand.last & hand.row_last),
            final.eq(ending & hand.none & ~hand.double),
            self.stalled.eq(valid & final & held),
            room.eq(~valid | hand.single & ~ending | final & ~held),
        ]
        with m.If(~self.stalled):
            m.d.sync += [hand.bits.eq(rest), hand.none.eq(hand.single), hand.single.eq(_at_most_one(rest)), hand.double.eq(0)]
        issue = valid & ~self.stalled
        ends = issue & final
        with m.If(ends):
            m.d.sync += [hold.eq(hand.hold - 1), held.eq(hand.hold != 1)]
        with m.Elif(held):
            m.d.sync += [hold.eq(hold - 1), held.eq(hold != 1)]
        number = Cat(encode(hand.bits & ~rest), hand.slice)
        m.d.sync += [
            self.token.address.eq(hand.base + number[:bits_for(self._config.word_bits - 1)]),
            self.token.weight.eq(issue & ~hand.none),
            self.token.double.eq(issue & hand.double),
            self.token.row_end.eq(ends),
            self.token.row.eq(hand.row),
            self.token.neurons.eq(hand.neurons),
        ]


def _hand_layout(config: FabricConfig) -> data.StructLayout:
    """A slice of an entry."""
    entry = entry_layout(config)
    return data.StructLayout({
        "bits": min(SLICE_BITS, config.word_bits),
        "none": 1,      # no bit is set
        "single": 1,    # at most one is
        "slice": bits_for(entry["filled"].width - 1),
        "last": 1,
        **{name: entry[name].shape for name in ("base", "double", "row_last", "row", "hold", "neurons")},
    })


def _slices(bits: Value) -> list[Value]:
    return [bits[n:n + SLICE_BITS] for n in range(0, len(bits), SLICE_BITS)]


def _select(bits: Value, chosen: Value) -> Value:
    """The slice whose bit is set in ``chosen``, 0 where none is."""
    return reduce(or_, (part & mask.replicate(len(part)) for part, mask in zip(_slices(bits), chosen, strict=True)))


def _at_most_one(bits: Value) -> Value:
    """Whether no two bits are set: not in both halves, and not two in one."""
    if len(bits) == 1:
        return Const(1, 1)
    half = len(bits) // 2
    low, high = bits[:half], bits[half:]
    return ~(low.any() & high.any()) & _at_most_one(low) & _at_most_one(high)


def encode(onehot: Value) -> Value:
    """Number of the one set bit, as an or of the positions that have each number's bit."""
    width = bits_for(len(onehot) - 1)
    return Cat(Cat(*(onehot[i] for i in range(len(onehot)) if i >> b & 1)).any() for b in range(width))
