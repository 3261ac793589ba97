"""The scanner: turns spike words into one token a clock, lowest set bit first. What its two forms share."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig, bits_for

from ..forms.form import Form
from ..forms.stepper import Stepper
from .bits import encode
from .entry import entry_layout, row_fields, token_layout
from .moving_queue import MovingQueue
from .queue import Queue
from .ring_queue import RingQueue

__all__ = ["Scanner", "hand_layout"]


def hand_layout(config: FabricConfig, bits: int) -> data.StructLayout:
    """The part of an entry that is in hand: ``bits`` of its word that have no token yet, the number of that slice, the row's fields."""
    entry = entry_layout(config)
    return data.StructLayout({"bits": bits, "slice": bits_for(config.word_bits // bits - 1),
                              **{name: entry[name].shape for name in row_fields(config)}})


class Scanner(Component):
    """A queue of entries, and the entry in hand, whose bits become tokens one a clock.

    in
        ``issued``: an entry may arrive in the next clock (in the same one where memories are not late). ``entry_arrives``: it does,
        unless its word is empty. ``entry_valid``: it does. ``entry`` (`entry_layout`): the entry, with ``entry_valid``.
    out
        ``credit``: another entry may be issued: fewer than ``queue_depth`` are issued or have arrived, and are not in hand yet.
        ``token`` (`token_layout`): what the lanes do. ``stalled``: a row's end waits for the holding register.
        ``busy``: an entry is issued, waits or is in hand. ``in_hand``: one is in hand.

    An entry that finds the scanner idle, read in clock r (late memories)::

        clock        r     r+1     r+2            r+3     r+4     r+5 (`QUEUE_LATENCY`)  r+6
                     read  issued  entry_arrives                  in_hand                token

    Tokens of successive entries follow without a gap. A row's end is a token of its own, so that the accumulators hold all of the
    row when it comes. It waits until the row before has left the holding register, which is sure ``hold`` clocks after that row's end.
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
            "issued": In(1), "credit": Out(1), "entry_arrives": In(1), "entry_valid": In(1), "entry": In(entry_layout(config)),
            "token": Out(token_layout(config)), "stalled": Out(1), "busy": Out(1), "in_hand": Out(1),
        })

    def _queue(self, m: Module, form: Form) -> Queue:
        """The queue, which takes each entry."""
        queue = (MovingQueue if form.moving_queues else RingQueue)(width=entry_layout(self._config).size, depth=self._config.queue_depth)
        m.submodules.queue = queue
        m.d.comb += [queue.w_data.eq(self.entry), queue.w_en.eq(self.entry_valid), queue.w_may.eq(self.entry_arrives)]
        return queue

    def _grant_credit(self, m: Module, arrived: Value, leaves: Value) -> None:
        """``credit``, from entries that ``arrived`` and those that are in hand when the clock after ``leaves`` begins.

        It decides what the sequencer reads next, so it has few levels of logic: entries are counted by as many ones, and one that is
        arriving counts before it is known whether its word is empty.
        """
        depth = self._config.queue_depth
        waiting, arriving = Signal(depth), Signal()
        m.d.sync += arriving.eq(self.issued)
        with m.If(arrived & ~leaves):
            m.d.sync += waiting.eq(Cat(Const(1, 1), waiting))
        with m.Elif(leaves & ~arrived):
            m.d.sync += waiting.eq(waiting >> 1)
        room = [~waiting[depth - wanted] if wanted <= depth else Const(0, 1) for wanted in (1, 2, 3)]
        m.d.comb += self.credit.eq(Mux(arriving & self.issued, room[2], Mux(arriving | self.issued, room[1], room[0])))

    def _issue_tokens(self, m: Module, hand: Any, valid: Signal, remaining: Value, *, ends_row: Value, at_most_one: Value,
                      empty: Value) -> tuple[Value, Signal]:
        """One token a clock from ``hand``; the number of its neuron in the word, and whether ``hand`` is done with this clock.

        ``remaining`` are the bits in hand without the lowest. ``ends_row``: the row ends with this hand. ``at_most_one``: not more
        than one token but the row's end is left. ``empty``: none is.
        """
        hold, holding = Signal(len(hand.hold)), Signal()    # clocks for which the holding register is in use; they are not 0
        following, done = Signal(len(hand.bits)), Signal()
        final = Signal()    # nothing is left but the row's end
        m.d.comb += [
            following.eq(remaining),
            final.eq(ends_row & empty),
            self.stalled.eq(valid & final & holding),
            done.eq(~valid | at_most_one & ~ends_row | final & ~holding),
        ]
        with m.If(~self.stalled):
            m.d.sync += [hand.bits.eq(following), hand.double.eq(0)]
        issue = valid & ~self.stalled
        row_end = issue & final
        m.submodules.next_hold = next_hold = Stepper(len(hold), down=True)
        m.d.comb += [next_hold.count.eq(hold), next_hold.value.eq(hand.hold - 1), next_hold.load.eq(row_end)]
        with m.If(row_end | holding):
            m.d.sync += [hold.eq(next_hold.next), holding.eq(Mux(row_end, hand.hold, hold) != 1)]
        m.d.sync += [
            self.token.weight.eq(issue & ~empty & ~hand.double), self.token.double.eq(issue & hand.double),
            self.token.row_end.eq(row_end), self.token.row.eq(hand.row), self.token.neurons.eq(hand.neurons),
        ]
        if self._config.windows:
            m.d.sync += self.token.restart.eq(hand.restart)
        number = Cat(encode(hand.bits & ~following), hand.slice)
        return number[:bits_for(self._config.word_bits - 1)], done
