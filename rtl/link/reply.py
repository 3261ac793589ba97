"""Replies: a header, and the words that were read or the number that is due."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.chain import read_latency
from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import CHUNK_BITS
from ranvier.model.link.protocol import HEADER_BYTES, MOST_READ, Status

from .answer import STATUS_BITS, AnswerSignature
from .framing import reply_layout

__all__ = ["Reply"]

_WORD_BYTES = CHUNK_BITS // 8


class Reply(Component):
    """Sends a reply for each answer; reads the words that belong to it one by one, just before each is sent.

    in
        ``answer`` (`AnswerSignature`): what to say; the next one may come after ``replied``. ``sequence`` (8): of the command.
        ``session`` (8): the byte of the session's number that is sent next. ``due`` (8), ``opened``: what follows the header of a reply
        with `Status.SEQUENCE`. ``word`` (8): the lowest byte of the word.
    out
        ``o`` (a stream of bytes, each of which may be the ``last``): the reply, from the clock after ``answer`` on. ``turn``: a byte of the
        session's number was sent. ``read``: the word at the address is read in this clock; ``fetch``: it is there. ``shift``: a byte of it
        was sent; ``step``: the last one was. ``replied``, for one clock: the reply was sent. ``refused``: so was the header of one whose
        status is not `Status.OK`. ``accepted``: it is, until the next ``answer``.
    """

    answer: Any
    sequence: Signal
    session: Signal
    due: Signal
    opened: Signal
    word: Signal
    o: Any
    turn: Signal
    read: Signal
    fetch: Signal
    shift: Signal
    step: Signal
    replied: Signal
    refused: Signal
    accepted: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        super().__init__({
            "answer": In(AnswerSignature()), "sequence": In(8), "session": In(8), "due": In(8), "opened": In(1), "word": In(8),
            "o": Out(stream.Signature(reply_layout())), "turn": Out(1), "read": Out(1), "fetch": Out(1), "shift": Out(1), "step": Out(1),
            "replied": Out(1), "refused": Out(1), "accepted": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """A place counts the bytes of header, word or number, and the clocks of a read; it is 0 whenever a state begins."""
        m = Module()
        out, byte = self.o, self.o.payload.byte
        words = Signal(bits_for(MOST_READ))        # still to be sent
        status = Signal(STATUS_BITS)
        place = Signal(range(max(read_latency(self._config) + 1, HEADER_BYTES)))
        unexpected, more = status == Status.SEQUENCE, words != 0
        m.d.comb += self.accepted.eq(status == Status.OK)
        with m.If(out.valid & out.ready):
            m.d.sync += place.eq(place + 1)
        with m.FSM():
            with m.State("IDLE"), m.If(self.answer.given):
                m.d.sync += [status.eq(self.answer.status), words.eq(self.answer.words)]
                m.next = "HEAD"
            with m.State("HEAD"):
                length = Signal(16)
                m.d.comb += [
                    out.valid.eq(1), out.payload.last.eq((place == HEADER_BYTES - 1) & ~more & ~unexpected),
                    length.eq(Mux(unexpected, 2, words << 2)),
                ]
                with m.Switch(place):
                    for number, part in ((0, self.sequence), (1, status), (HEADER_BYTES - 2, length[:8]), (HEADER_BYTES - 1, length[8:])):
                        with m.Case(number):
                            m.d.comb += byte.eq(part)
                    with m.Default():
                        m.d.comb += [byte.eq(self.session), self.turn.eq(out.ready)]
                with m.If(out.ready & (place == HEADER_BYTES - 1)):
                    m.d.comb += self.refused.eq(~self.accepted)
                    m.d.sync += place.eq(0)
                    with m.If(more):
                        m.next = "FETCH"
                    with m.Elif(unexpected):
                        m.next = "DUE"
                    with m.Else():
                        self._end(m)
            with m.State("DUE"):
                m.d.comb += [out.valid.eq(1), byte.eq(Mux(place[0], self.opened, self.due)), out.payload.last.eq(place[0])]
                with m.If(out.ready & place[0]):
                    m.d.sync += place.eq(0)
                    self._end(m)
            with m.State("FETCH"):
                m.d.comb += self.read.eq(place == 0)
                m.d.sync += place.eq(place + 1)
                with m.If(place == read_latency(self._config)):
                    m.d.comb += self.fetch.eq(1)
                    m.d.sync += [place.eq(0), words.eq(words - 1)]
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [
                    out.valid.eq(1), byte.eq(self.word), out.payload.last.eq(~more & (place == _WORD_BYTES - 1)), self.shift.eq(out.ready),
                ]
                with m.If(out.ready & (place == _WORD_BYTES - 1)):
                    m.d.comb += self.step.eq(1)
                    m.d.sync += place.eq(0)
                    with m.If(more):
                        m.next = "FETCH"
                    with m.Else():
                        self._end(m)
        return m

    def _end(self, m: Module) -> None:
        """The last byte is taken."""
        m.d.comb += self.replied.eq(1)
        m.next = "IDLE"
