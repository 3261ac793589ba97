"""Frames on their way out of the buffer: what their headers say for themselves is checked."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import bits_for
from ranvier.model.link.identity import IDENTITY_WORDS
from ranvier.model.link.protocol import CRC_BYTES, HEADER_BYTES, MOST_PAYLOAD, SESSION_BYTES, Command, Status

from .answer import AnswerSignature
from .session import Session

__all__ = ["COMMAND_BITS", "FrameReader"]

#: Width of a command's number.
COMMAND_BITS = bits_for(max(Command))
# Bytes of a header that are the session's, and bytes of the address behind it.
_SESSION_PLACES = range(2, 2 + SESSION_BYTES)
_ADDRESS_BYTES = 4


class FrameReader(Component):
    """Takes one frame after the other: header - address - what the command needs of the payload - the rest, with the CRC.

    in
        ``byte`` (8), ``valid``: the buffer's oldest byte. ``take_payload``: the command needs ``byte``, if it is ``valid``. ``turn``: the
        session's number goes round by a byte. ``replied``, for one clock: the reply is complete, and the rest of the frame may go.
        ``accepted``: it said that the command was executed, until the next one.
    out
        ``take``: of the buffer's byte. ``sequence`` (8), ``command``: the frame's, while it is in hand. ``more``: there is more of its
        payload. ``session`` (8), ``due`` (8), ``opened``: see `Session`. For one clock each: ``welcome``, it is a good hello;
        ``address_byte``, ``byte`` is one of the address, lowest first; ``execute``, the command is to be executed; ``answer``
        (`AnswerSignature`), it is not. ``quiet``: between frames.
    """

    byte: Signal
    valid: Signal
    take_payload: Signal
    turn: Signal
    replied: Signal
    accepted: Signal
    take: Signal
    sequence: Signal
    command: Signal
    more: Signal
    session: Signal
    due: Signal
    opened: Signal
    welcome: Signal
    address_byte: Signal
    execute: Signal
    answer: Any
    quiet: Signal

    def __init__(self) -> None:
        super().__init__({
            "byte": In(8), "valid": In(1), "take_payload": In(1), "turn": In(1), "replied": In(1), "accepted": In(1),
            "take": Out(1), "sequence": Out(8), "command": Out(COMMAND_BITS), "more": Out(1),
            "session": Out(8), "due": Out(8), "opened": Out(1), "welcome": Out(1), "address_byte": Out(1), "execute": Out(1),
            "answer": Out(AnswerSignature()), "quiet": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        """A frame is refused as soon as its header shows that it must be. It stays in the buffer until its reply is complete: the last of
        its bytes moves the session on.
        """
        m = Module()
        m.submodules.numbers = numbers = Session()
        left = Signal(bits_for(MOST_PAYLOAD))      # bytes of the payload that are still in the buffer
        place = Signal(range(HEADER_BYTES))        # byte of a header, of an address or of the CRC
        known = Signal()                           # the command's upper bits, which no command has, are 0
        payload = Signal()                         # a byte of the payload is wanted now
        hello = known & (self.command == Command.HELLO)
        m.d.comb += [
            self.more.eq(left != 0), self.session.eq(numbers.first), self.due.eq(numbers.due), self.opened.eq(numbers.opened),
            numbers.byte.eq(self.byte), numbers.sequence.eq(self.sequence), numbers.hello.eq(hello), numbers.empty.eq(~self.more),
            numbers.accepted.eq(self.accepted), numbers.turn.eq(self.turn), payload.eq(self.take_payload),
        ]
        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += self.quiet.eq((place == 0) & ~self.valid)
                with m.If(self.valid):
                    m.d.comb += self.take.eq(1)
                    m.d.sync += place.eq(place + 1)
                    with m.Switch(place):
                        with m.Case(0):
                            m.d.sync += self.sequence.eq(self.byte)
                        with m.Case(1):
                            m.d.sync += [self.command.eq(self.byte), known.eq(self.byte[COMMAND_BITS:] == 0)]
                        with m.Case(*_SESSION_PLACES):
                            m.d.comb += [numbers.turn.eq(1), numbers.compare.eq(1), numbers.enter.eq(hello)]
                        with m.Case(HEADER_BYTES - 2):
                            m.d.sync += left[:8].eq(self.byte)
                        with m.Default():
                            m.d.sync += [left[8:].eq(self.byte), place.eq(0)]
                            m.next = "CHECK"
            with m.State("CHECK"):
                m.d.comb += numbers.check.eq(1)
                self._check(m, numbers, hello, left, known)
            with m.State("ADDRESS"):
                m.d.comb += [payload.eq(1), self.address_byte.eq(self.valid)]
                with m.If(self.valid):
                    m.d.sync += place.eq(place + 1)
                    with m.If(place == _ADDRESS_BYTES - 1):
                        m.d.sync += place.eq(0)
                        m.next = "ONCE"
            with m.State("ONCE"):
                with m.If(numbers.repeat & (self.command != Command.READ)):
                    self._refuse(m, Status.OK)
                with m.Else():
                    m.d.comb += self.execute.eq(1)
                    m.next = "REPLY"
            with m.State("REPLY"), m.If(self.replied):
                m.next = "REST"
            with m.State("REST"):
                m.d.comb += payload.eq(self.more)
                with m.If(~self.more & self.valid):
                    m.d.comb += self.take.eq(1)
                    m.d.sync += place.eq(place + 1)
                    with m.If(place == CRC_BYTES - 1):
                        m.d.comb += numbers.over.eq(1)
                        m.d.sync += place.eq(0)
                        m.next = "HEADER"
        with m.If(payload & self.valid):
            m.d.comb += self.take.eq(1)
            m.d.sync += left.eq(left - 1)
        return m

    def _check(self, m: Module, numbers: Session, hello: Value, left: Signal, known: Signal) -> None:
        """The first of the header's faults is answered."""
        values = (self.command >= Command.WRITE_8) & (self.command <= Command.WRITE_1)
        good = known & ((self.command == Command.READ) & (left == 6) | values & (left > 4)
                        | (self.command == Command.WRITE) & (left >= 8) & (left[:2] == 0))
        with m.If(hello & ~self.more):
            m.d.comb += [self.welcome.eq(1), self.answer.words.eq(IDENTITY_WORDS)]
            self._refuse(m, Status.OK)
        with m.Elif(numbers.foreign & ~hello):
            self._refuse(m, Status.SESSION)
        with m.Elif(numbers.unexpected & ~hello):
            self._refuse(m, Status.SEQUENCE)
        with m.Elif(good):
            m.next = "ADDRESS"
        with m.Else():
            self._refuse(m, Status.COMMAND)

    def _refuse(self, m: Module, status: Status) -> None:
        """There is nothing to execute."""
        m.d.comb += [self.answer.given.eq(1), self.answer.status.eq(status)]
        m.next = "REPLY"
