"""What a command does: writes one by one, or a read that waits until it may be had."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import CHUNK_BITS
from ranvier.model.link.protocol import MOST_READ, Command, Status, values_per_write

from .answer import AnswerSignature
from .frame_reader import COMMAND_BITS

__all__ = ["Executor"]


class Executor(Component):
    """Gathers words from the payload and writes them; or gathers the count of a read, and lets the reply fetch its words.

    in
        ``execute``, for one clock: there is a command, ``command`` (`Command`), whose address is in hand. ``valid``: so is a byte of the
        buffer; ``more``: it is one of the payload. ``asked`` (16): the count of a read, once it was shifted in. ``beyond``: see `Reach`.
        ``unfit``: the register at the address does not take the word, a clock after both. ``may``, ``hopeless``: see `Interlock`.
    out
        ``load``: the byte is taken, for the word register. ``shift``: its next value is. ``wants``: an access waits for the interlock, or
        is made in this clock. ``write``: the word is written in this clock; address and word must stay for a clock more. ``answer``
        (`AnswerSignature`): the command was executed or refused.
    """

    execute: Signal
    command: Signal
    valid: Signal
    more: Signal
    asked: Signal
    beyond: Signal
    unfit: Signal
    may: Signal
    hopeless: Signal
    load: Signal
    shift: Signal
    wants: Signal
    write: Signal
    answer: Any

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        super().__init__({
            "execute": In(1), "command": In(COMMAND_BITS), "valid": In(1), "more": In(1), "asked": In(CHUNK_BITS // 2), "beyond": In(1),
            "unfit": In(1), "may": In(1), "hopeless": In(1),
            "load": Out(1), "shift": Out(1), "wants": Out(1), "write": Out(1), "answer": Out(AnswerSignature()),
        })

    def elaborate(self, platform: object) -> Module:
        """A byte of the payload holds one, two or eight values, which enter the word one a clock. A whole word, or a read's count, is
        shown to the checks for a clock before they are asked.
        """
        m = Module()
        held = Signal(4)                           # values left in the byte
        place = Signal(range(CHUNK_BITS // 8))     # of the next value in the word
        reads = self.command == Command.READ
        last = Mux(self.command == Command.WRITE, CHUNK_BITS // 8 - 1, values_per_write(self._config) - 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [held.eq(0), place.eq(0)]
                with m.If(self.execute):
                    m.next = "GATHER"
            with m.State("GATHER"):
                with m.If(held != 0):
                    m.d.comb += self.shift.eq(1)
                    m.d.sync += [held.eq(held - 1), place.eq(place + 1)]
                    with m.If(place == last):
                        m.d.sync += place.eq(0)
                        with m.If(~reads):
                            m.next = "WAIT_WRITE"
                with m.Elif(self.more):
                    m.d.comb += self.load.eq(self.valid)
                    m.d.sync += held.eq(Mux(self.valid, self._values(), 0))
                with m.Elif(reads):
                    m.next = "WAIT_READ"
                with m.Else():
                    self._answer(m, Status.OK)
            with m.State("WAIT_WRITE"):
                m.next = "ACCESS_WRITE"
            with m.State("ACCESS_WRITE"):
                m.d.comb += self.wants.eq(1)
                with m.If(self.beyond):
                    self._answer(m, Status.ADDRESS)
                with m.Elif(self.unfit):
                    self._answer(m, Status.VALUE)
                with m.Elif(self.may):
                    m.d.comb += self.write.eq(1)
                    m.next = "GATHER"
                with m.Elif(self.hopeless):
                    self._answer(m, Status.BUSY)
            with m.State("WAIT_READ"):
                m.next = "ACCESS_READ"
            with m.State("ACCESS_READ"):
                m.d.comb += self.wants.eq(1)
                with m.If((self.asked == 0) | (self.asked > MOST_READ)):
                    self._answer(m, Status.COMMAND)
                with m.Elif(self.beyond):
                    self._answer(m, Status.ADDRESS)
                with m.Elif(self.may):
                    m.d.comb += self.answer.words.eq(self.asked)
                    self._answer(m, Status.OK)
                with m.Elif(self.hopeless):
                    self._answer(m, Status.BUSY)
        return m

    def _values(self) -> Value:
        """Values in a byte."""
        return Mux(self.command == Command.WRITE_1, 8, Mux(self.command == Command.WRITE_4, 2, 1))

    def _answer(self, m: Module, status: Status) -> None:
        """Nothing more to do."""
        m.d.comb += [self.answer.given.eq(1), self.answer.status.eq(status)]
        m.next = "IDLE"
