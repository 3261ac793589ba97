"""Whose commands count, and which of them is due."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.link.protocol import SESSION_BYTES

__all__ = ["Session"]


class Session(Component):
    """Keeps the number of the session that a hello began last, and the sequence number that is due in it.

    in
        ``turn``: the session's number goes round by a byte. With it ``compare``: ``byte`` (8) is the frame's byte of that place;
        ``enter``: it takes the place of the old one. ``sequence`` (8): the frame's number, from before ``check`` until ``over``.
        ``check``, for one clock: the header is complete. With it ``hello``: the frame is one, and ``empty``: it has no payload. ``over``,
        for one clock: the frame leaves, and ``accepted``: its command was executed.
    out
        ``first`` (8): the byte of the number that goes round next; in its place again after as many turns as there are bytes.
        ``foreign``: the frame in hand is of another session than the open one. ``unexpected``: its number is neither due nor the one
        before, or no session is open. Both in the clock of ``check``. ``repeat``: the frame was executed before, and only its reply was
        lost; from the clock after ``check``. ``due`` (8): the next command's number. ``opened``: there was a good hello.
    """

    turn: Signal
    compare: Signal
    enter: Signal
    byte: Signal
    sequence: Signal
    check: Signal
    hello: Signal
    empty: Signal
    over: Signal
    accepted: Signal
    first: Signal
    foreign: Signal
    unexpected: Signal
    repeat: Signal
    due: Signal
    opened: Signal

    def __init__(self) -> None:
        super().__init__({
            "turn": In(1), "compare": In(1), "enter": In(1), "byte": In(8), "sequence": In(8),
            "check": In(1), "hello": In(1), "empty": In(1), "over": In(1), "accepted": In(1),
            "first": Out(8), "foreign": Out(1), "unexpected": Out(1), "repeat": Out(1), "due": Out(8), "opened": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        number, ours = Signal(8 * SESSION_BYTES), Signal(init=1)    # the session's, and whether the frame in hand has the same
        after = Signal(8)                                     # the sequence number after the one in hand
        m.d.comb += [
            after.eq(self.sequence + 1), self.first.eq(number),
            self.foreign.eq(self.opened & ~ours),
            self.unexpected.eq(~self.opened | (self.sequence != self.due) & (after != self.due)),
        ]
        with m.If(self.turn):
            m.d.sync += number.eq(Cat(number[8:], Mux(self.enter, self.byte, self.first)))
        with m.If(self.over):
            m.d.sync += ours.eq(1)
        with m.Elif(self.turn & self.compare):
            m.d.sync += ours.eq(ours & (self.byte == self.first))
        with m.If(self.check):
            m.d.sync += self.repeat.eq((after == self.due) & ~(self.hello & self.empty))
            with m.If(self.hello):
                m.d.sync += self.opened.eq(self.empty)
        with m.If(self.over & self.accepted & ~self.repeat):
            m.d.sync += self.due.eq(after)
        return m
