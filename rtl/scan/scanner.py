"""The scanner: turns spike words into one token a clock, lowest set bit first."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig, bits_for

from ..forms.stepper import Stepper
from ..forms.technology import technology_of
from .queue import Queue
from .sequencer import SLICE_BITS, entry_layout

__all__ = ["Scanner", "token_layout"]


def token_layout(config: FabricConfig) -> data.StructLayout:
    """What the lanes do with one clock. The weight word is ``number`` behind ``address``."""
    entry = entry_layout(config)
    return data.StructLayout({
        "address": entry["base"].shape,
        "number": bits_for(config.word_bits - 1),
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
    the holding register, which ``hold`` clocks after its own end it surely has. ``entry_arrives`` comes with every ``entry_valid``, and
    with empty words too. ``credit`` lasts while fewer than ``queue_depth`` entries have arrived or are issued, and are not in hand yet.

    Where a register alone takes a whole logic cell, an entry comes a clock earlier and waits in the queue alone, and is taken in hand
    whole, not by slices; its tokens come in the same clocks, with a ``number`` that is still to be added.
    """

    issued: Signal
    credit: Signal
    entry_arrives: Signal
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
            "entry_arrives": In(1),
            "entry_valid": In(1),
            "entry": In(entry_layout(config)),
            "token": Out(token_layout(config)),
            "stalled": Out(1),
            "busy": Out(1),
            "in_hand": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if technology_of(platform).lut_before_register:
            self._whole(m)
        else:
            self._sliced(m)
        return m

    def _whole(self, m: Module) -> None:
        """The queue's first entry is what comes in hand next, three clocks after it has arrived at the earliest."""
        config = self._config
        layout = entry_layout(config)
        m.submodules.queue = queue = Queue(width=layout.size, depth=config.queue_depth)
        head: Any = data.View(layout, queue.r_data)
        hand: Any = Signal(_hand_layout(config, config.word_bits), reset_less=True)
        valid, room, moves = Signal(), Signal(), Signal()
        arrived = Signal(2)
        ripe = Signal(config.queue_depth)    # as many ones as there are entries that have waited long enough
        m.d.sync += arrived.eq(Cat(self.entry_valid, arrived))
        with m.If(arrived[1] & ~moves):
            m.d.sync += ripe.eq(Cat(Const(1, 1), ripe))
        with m.Elif(moves & ~arrived[1]):
            m.d.sync += ripe.eq(ripe >> 1)
        m.d.comb += [
            queue.w_data.eq(self.entry), queue.w_en.eq(self.entry_valid), queue.r_en.eq(moves),
            moves.eq(ripe[0] & room),
            self.busy.eq(self.issued | queue.r_rdy | valid),
            self.in_hand.eq(valid),
        ]
        lone, spent = Signal(reset_less=True), Signal(reset_less=True)    # at most one bit is left, none is
        rest = Signal(len(hand.bits))
        m.d.comb += rest.eq(hand.bits & (hand.bits - 1))
        m.d.sync += [
            spent.eq(lone), lone.eq(~_several(rest)),
            self.token.address.eq(hand.base),
            self.token.number.eq(self._take(m, hand, rest, valid, room, hand.row_last, lone, spent)),
        ]
        with m.If(moves):
            m.d.sync += [
                spent.eq(~head.bits.any() & ~head.double), lone.eq(~_several(head.bits)),
                *(hand[name].eq(head[name]) for name in ("bits", "base", "double", "row_last", "row", "hold", "neurons")),
            ]
        with m.If(room):
            m.d.sync += valid.eq(ripe[0])
        self._lend(m, arrived[0], moves)

    def _sliced(self, m: Module) -> None:
        config = self._config
        layout = entry_layout(config)
        m.submodules.queue = queue = Queue(width=layout.size, depth=config.queue_depth)
        head: Any = Signal(layout, reset_less=True)          # the entry whose slices come in hand next
        head_valid, fresh = Signal(), Signal()    # fresh: none of them has yet
        hand: Any = Signal(_hand_layout(config, min(SLICE_BITS, config.word_bits)), reset_less=True)
        valid = Signal()
        room = Signal()        # the slice in hand is done with this clock
        first, last = Signal(), Signal()    # of the entry's slices
        singles = Signal(len(head.filled))        # its slices with at most one set bit
        chosen = Signal(len(head.filled))         # the one of ``filled`` that comes in hand next
        moves = Signal()
        m.d.comb += [
            queue.w_data.eq(self.entry), queue.w_en.eq(self.entry_valid), queue.w_may.eq(self.entry_arrives),
            queue.r_en.eq(~head_valid | moves & last),
            moves.eq(head_valid & room),
            first.eq(moves & fresh),
            last.eq(~_several(head.filled)),
            self.busy.eq(self.issued | self.entry_valid | queue.r_rdy | head_valid | valid),
            self.in_hand.eq(valid),
        ]
        with m.If(queue.r_en):
            arrived: Any = data.View(layout, queue.r_data)
            m.d.sync += [
                head.eq(queue.r_data), head_valid.eq(queue.r_rdy), fresh.eq(1), chosen.eq(_lowest(arrived.filled)),
                singles.eq(~Cat(_several(part) for part in _slices(arrived.bits))),
            ]
        with m.Elif(moves):
            others = head.filled & ~chosen
            m.d.sync += [head.filled.eq(others), chosen.eq(_lowest(others)), fresh.eq(0)]
        # ``room`` decides in its clock what comes in hand next, so what it depends on is kept in bits of its own.
        rest = _but_lowest(hand.bits)
        with m.If(~self.stalled):
            m.d.sync += [hand.none.eq(hand.single), hand.single.eq(~_several(rest))]
        number = self._take(m, hand, rest, valid, room, hand.last & hand.row_last, hand.single, hand.none & ~hand.double)
        m.d.sync += self.token.address.eq(hand.base + number)
        with m.If(moves):
            m.d.sync += [
                hand.bits.eq(_select(head.bits, chosen)),
                hand.none.eq(head.filled == 0), hand.single.eq((head.filled == 0) | (singles & chosen).any()),
                hand.slice.eq(encode(chosen)),
                hand.last.eq(last),
                *(hand[name].eq(head[name]) for name in ("base", "double", "row_last", "row", "hold", "neurons")),
            ]
        with m.If(room):
            m.d.sync += valid.eq(head_valid)

        self._lend(m, self.entry_valid, first)

    def _lend(self, m: Module, arrives: Value, first: Value) -> None:
        """``credit``: few levels of logic, for it decides what the sequencer reads next.

        So the count of the entries that have arrived and are not in hand is kept as that many ones, and what is just arriving counts
        before it is known whether it does: an empty word is dropped.
        """
        depth = self._config.queue_depth
        waiting, arriving = Signal(depth), Signal()
        m.d.sync += arriving.eq(self.issued)
        with m.If(arrives & ~first):
            m.d.sync += waiting.eq(Cat(Const(1, 1), waiting))
        with m.Elif(first & ~arrives):
            m.d.sync += waiting.eq(waiting >> 1)
        room = [~waiting[depth - taken] if taken <= depth else Const(0, 1) for taken in (1, 2, 3)]
        m.d.comb += self.credit.eq(Mux(arriving & self.issued, room[2], Mux(arriving | self.issued, room[1], room[0])))

    def _take(self, m: Module, hand: Any, rest: Value, valid: Signal, room: Signal, ending: Value, lone: Value, spent: Value) -> Value:
        """One token a clock from the slice in hand; ``room`` with its last. The number of its neuron in the word.

        ``rest`` are its bits without the lowest. ``ending`` says that the slice ends a row, ``lone`` that not more than one bit of it
        is left, ``spent`` that nothing is.
        """
        hold, held = Signal(len(hand.hold)), Signal()    # ``held``: ``hold`` is not 0
        left = Signal(len(hand.bits))
        final = Signal()    # nothing is left but the row's end
        m.d.comb += [
            left.eq(rest),
            final.eq(ending & spent),
            self.stalled.eq(valid & final & held),
            room.eq(~valid | lone & ~ending | final & ~held),
        ]
        with m.If(~self.stalled):
            m.d.sync += [hand.bits.eq(left), hand.double.eq(0)]
        issue = valid & ~self.stalled
        ends = issue & final
        m.submodules.next_hold = next_hold = Stepper(len(hold), down=True)
        m.d.comb += [next_hold.count.eq(hold), next_hold.value.eq(hand.hold - 1), next_hold.load.eq(ends)]
        with m.If(ends | held):
            m.d.sync += [hold.eq(next_hold.next), held.eq(Mux(ends, hand.hold, hold) != 1)]
        number = Cat(encode(hand.bits & ~left), hand.slice)
        m.d.sync += [
            self.token.weight.eq(issue & ~spent & ~hand.double),
            self.token.double.eq(issue & hand.double),
            self.token.row_end.eq(ends),
            self.token.row.eq(hand.row),
            self.token.neurons.eq(hand.neurons),
        ]
        return number[:bits_for(self._config.word_bits - 1)]


def _hand_layout(config: FabricConfig, bits: int) -> data.StructLayout:
    """A slice of an entry, of so many bits."""
    entry = entry_layout(config)
    return data.StructLayout({
        "bits": bits,
        "none": 1,      # no bit is set
        "single": 1,    # at most one is
        "slice": bits_for(config.word_bits // bits - 1),
        "last": 1,
        **{name: entry[name].shape for name in ("base", "double", "row_last", "row", "hold", "neurons")},
    })


def _slices(bits: Value) -> list[Value]:
    return [bits[n:n + SLICE_BITS] for n in range(0, len(bits), SLICE_BITS)]


def _select(bits: Value, chosen: Value) -> Value:
    """The slice whose bit is set in ``chosen``, 0 where none is."""
    return reduce(or_, (part & mask.replicate(len(part)) for part, mask in zip(_slices(bits), chosen, strict=True)))


def _lowest(bits: Value) -> Value:
    """The lowest set bit of ``bits`` alone, for a few bits."""
    return Cat(bits[n] & ~bits[:n].any() for n in range(len(bits)))


def _but_lowest(bits: Value) -> Value:
    """``bits`` without the lowest set one; for a few bits, where a carry chain takes longer."""
    return Cat(bits[n] & bits[:n].any() for n in range(len(bits)))


def _several(bits: Value) -> Value:
    """Whether more than one bit is set, in LUTs of four inputs: a carry chain of a whole word takes longer."""
    some: list[Value] = [*bits]
    several: list[Value] = []
    while len(some) > 1:
        groups = [some[n:n + 4] for n in range(0, len(some), 4)]
        several += [Cat(group[:n]).any() & group[n] for group in groups for n in range(1, len(group))]
        some = [Cat(group).any() for group in groups]
    return Cat(several).any()


def encode(onehot: Value) -> Value:
    """Number of the one set bit, as an or of the positions that have each number's bit."""
    width = bits_for(len(onehot) - 1)
    return Cat(Cat(*(onehot[i] for i in range(len(onehot)) if i >> b & 1)).any() for b in range(width))
