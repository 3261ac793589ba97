"""The command interpreter: frames from the buffer become accesses to the configuration port, and replies."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.chain import read_latency
from ranvier.model.fabric.config import bits_for
from ranvier.model.fabric.device_config import DeviceConfig
from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, UNIT_BITS, Control, Memory
from ranvier.model.fabric.timing import drain
from ranvier.model.link.addresses import addresses_of
from ranvier.model.link.identity import IDENTITY_WORDS
from ranvier.model.link.protocol import (
    CRC_BYTES,
    HEADER_BYTES,
    MOST_PAYLOAD,
    MOST_READ,
    SESSION_BYTES,
    Command,
    LinkMemory,
    Status,
    link_address,
    link_unit,
    values_per_write,
)

from .framing import reply_layout

__all__ = ["Interpreter"]

# The ticker is in WAIT for one clock before each run; longer means that it waits for the host.
_STUCK_CLOCKS = 7
_COMMAND_BITS = bits_for(max(Command))
_STATUS_BITS = bits_for(max(Status))
# Bytes of a header that are the session's.
_SESSION_PLACES = range(2, 2 + SESSION_BYTES)


class Interpreter(Component):
    """Executes one frame after the other: header - address - accesses and reply - rest of the frame.

    ``byte``, ``valid`` and ``take`` are the buffer's. ``access_*`` is the configuration port, of which the link's own unit is a part.
    What lies behind a memory's last word is refused, and so is the write in hand while ``unfit`` is high, which may follow address and
    data a clock later. An access that the fabric cannot have now waits; after four ``period``s, or at once if the fabric waits for the
    host, it is refused. ``quiet`` is high between frames; ``welcome`` for one clock with each hello, ``refused`` with each reply but
    `Status.OK`.
    """

    byte: Signal
    valid: Signal
    take: Signal
    o: Any
    access_address: Signal
    access_data: Signal
    access_write: Signal
    access_read: Signal
    access_value: Signal
    unfit: Signal
    running: Signal
    waiting: Signal
    room: Signal
    period: Signal
    quiet: Signal
    welcome: Signal
    refused: Signal

    def __init__(self, config: DeviceConfig) -> None:
        self._config = config
        super().__init__({
            "byte": In(8), "valid": In(1), "take": Out(1),
            "o": Out(stream.Signature(reply_layout())),
            "access_address": Out(OFFSET_BITS + MEMORY_BITS + UNIT_BITS), "access_data": Out(CHUNK_BITS),
            "access_write": Out(1), "access_read": Out(1), "access_value": In(CHUNK_BITS), "unfit": In(1),
            "running": In(1), "waiting": In(1), "room": In(1), "period": In(1),
            "quiet": Out(1), "welcome": Out(1), "refused": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._due, self._open = Signal(8), Signal()    # the next sequence number; whether there was a hello
        self._session, self._ours = Signal(8 * SESSION_BYTES), Signal()    # the one that was begun last; whether the frame in hand is of it
        self._turn, self._enter = Signal(), Signal()    # the session's bytes go round by one, or the buffer's comes in behind them
        self._sequence, self._command = Signal(8, reset_less=True), Signal(_COMMAND_BITS, reset_less=True)
        self._known = Signal()         # the command's upper bits, which no command has, are 0
        self._repeat = Signal()        # the frame was executed before, and only its reply was lost
        self._left = Signal(bits_for(MOST_PAYLOAD))    # bytes of the payload that are still in the buffer
        self._place = Signal(range(read_latency(self._config.fabric) + 1))    # byte of a header, of a word or of the CRC; clock of a read
        self._words = Signal(bits_for(MOST_READ))      # that a reply has still to send
        self._status = Signal(_STATUS_BITS)
        self._word = Signal(CHUNK_BITS, reset_less=True)                # of the payload, or of the reply
        self._bits, self._held = Signal(8, reset_less=True), Signal(4)  # the payload's byte in hand, and the values left in it
        self._wants = Signal()         # an access waits for the fabric, or is done in this clock
        self._fetch, self._shift, self._step = Signal(), Signal(), Signal()    # of the word, and of the address
        self._after = Signal(8)        # the sequence number after the one in hand
        m.d.comb += self._after.eq(self._sequence + 1)
        unit = self.access_address[OFFSET_BITS + MEMORY_BITS:]
        may, hopeless = self._interlock(m, unit)
        beyond = self._reach(m, unit)
        with m.FSM():
            self._receive(m)
            self._write(m, beyond, may, hopeless)
            self._read(m, beyond, may, hopeless)
            self._reply(m)
        self._datapath(m)
        return m

    def _interlock(self, m: Module, unit: Value) -> tuple[Value, Value]:
        """Whether the access in hand may be done now; whether waiting for that any longer is of no use."""
        fabric = self._config.fabric
        memory = self.access_address[OFFSET_BITS:][:MEMORY_BITS]
        # The last readouts and counters are written so many clocks after `running` falls.
        settle, stuck = Signal(range(drain(fabric) + 1)), Signal(range(_STUCK_CLOCKS + 1))
        periods = Signal(3)
        with m.If(self.running | self.access_write & (unit == fabric.nodes)):    # a run may begin some clocks after the write
            m.d.sync += settle.eq(0)
        with m.Elif(settle != drain(fabric)):
            m.d.sync += settle.eq(settle + 1)
        with m.If(~self.waiting):
            m.d.sync += stuck.eq(0)
        with m.Elif(stuck != _STUCK_CLOCKS):
            m.d.sync += stuck.eq(stuck + 1)
        with m.If(~self._wants):
            m.d.sync += periods.eq(0)
        with m.Elif(self.period & ~periods[-1]):
            m.d.sync += periods.eq(periods + 1)
        writing = self._command != Command.READ
        command = writing & (self.access_address[:4] == Control.COMMAND)
        idle, room = Signal(), Signal()    # what the access needs
        with m.If(unit == fabric.nodes):
            m.d.comb += [
                idle.eq(writing & (~command | self.access_data[:2].any())),
                room.eq(command & self.access_data[2]),
            ]
        with m.Elif((unit == fabric.cores) & (memory == Memory.INPUTS) & writing):
            m.d.comb += room.eq(1)
        with m.Elif(unit != link_unit(fabric)):
            m.d.comb += idle.eq(1)
        may, hopeless = Signal(), Signal()
        m.d.sync += [
            may.eq((~idle | (settle == drain(fabric))) & (~room | self.room)),
            hopeless.eq((stuck == _STUCK_CLOCKS) | periods[-1]),
        ]
        return may, hopeless

    def _reach(self, m: Module, unit: Value) -> Value:
        """Whether the words in hand, one of a write or all that a read asks for, reach behind their memory's last; a clock later."""
        fabric = self._config.fabric
        memory = self.access_address[OFFSET_BITS:][:MEMORY_BITS]
        kinds = addresses_of(fabric, self._config.link.record_depth)
        reach, beyond = Signal(bits_for(max(most for kind in kinds.values() for most in kind.values()))), Signal()
        units = (("core", unit < fabric.cores), *((name, unit == fabric.cores + n) for n, name in enumerate(("input", "ticker", "link"))))
        m.d.sync += reach.eq(0)
        for name, chosen in units:
            with m.If(chosen), m.Switch(memory):
                for number, most in kinds[name].items():
                    with m.Case(number):
                        m.d.sync += reach.eq(most)
        words = Mux(self._command == Command.READ, self._word[CHUNK_BITS // 2:][:bits_for(MOST_READ)], 1)
        m.d.sync += beyond.eq(self.access_address[:OFFSET_BITS] + words > reach)
        return beyond

    def _datapath(self, m: Module) -> None:
        """One shifter for the words that come in and go out, one for the session, one incrementer for the address."""
        with m.If(self._turn):
            m.d.sync += self._session.eq(Cat(self._session[8:], Mux(self._enter, self.byte, self._session[:8])))
        value = Mux(self._command == Command.WRITE_4, Cat(self._bits[:4], self._bits[:4]),
                    Mux(self._command == Command.WRITE_1, self._bits[0], self._bits))
        with m.If(self._fetch):
            m.d.sync += self._word.eq(self.access_value)
        with m.Elif(self._shift):
            m.d.sync += self._word.eq(Cat(self._word[8:], value))
        written = Signal()      # the address of a write stays for a clock more, and so does the word
        m.d.sync += written.eq(self.access_write)
        with m.If(self._step | written):
            m.d.sync += self.access_address[:OFFSET_BITS].eq(self.access_address[:OFFSET_BITS] + 1)
        values = 8 * values_per_write(self._config.fabric)
        m.d.comb += self.access_data.eq(self._word)
        if values < CHUNK_BITS:      # values that do not fill a word are its last ones
            with m.If(self._command != Command.WRITE):
                m.d.comb += self.access_data.eq(self._word[CHUNK_BITS - values:])

    def _next_byte(self, m: Module) -> Value:
        """Take a byte of the payload as soon as there is one; true in the clock in which there is."""
        m.d.comb += self.take.eq(self.valid)
        with m.If(self.valid):
            m.d.sync += self._left.eq(self._left - 1)
        return self.valid

    def _answer(self, m: Module, status: Status) -> None:
        """Nothing more to do but to reply, without words."""
        m.d.sync += [self._status.eq(status), self._words.eq(0), self._place.eq(0)]
        m.next = "HEAD"

    def _receive(self, m: Module) -> None:
        """Header and address; what they say for themselves is refused here."""
        after, good = self._after, Signal()
        hello = self._known & (self._command == Command.HELLO)
        values = (self._command >= Command.WRITE_8) & (self._command <= Command.WRITE_1)
        m.d.comb += good.eq(self._known & (
            (self._command == Command.READ) & (self._left == 6) | values & (self._left > 4)
            | (self._command == Command.WRITE) & (self._left >= 8) & (self._left[:2] == 0)))
        with m.State("HEADER"):
            m.d.comb += self.quiet.eq((self._place == 0) & ~self.valid)
            m.d.sync += self._held.eq(0)
            with m.If(self.valid):
                m.d.comb += self.take.eq(1)
                m.d.sync += self._place.eq(self._place + 1)
                with m.Switch(self._place):
                    with m.Case(0):
                        m.d.sync += self._sequence.eq(self.byte)
                    with m.Case(1):
                        m.d.sync += [self._command.eq(self.byte), self._known.eq(self.byte[_COMMAND_BITS:] == 0), self._ours.eq(1)]
                    with m.Case(*_SESSION_PLACES):
                        m.d.comb += [self._turn.eq(1), self._enter.eq(hello)]
                        m.d.sync += self._ours.eq(self._ours & (self.byte == self._session[:8]))
                    with m.Case(HEADER_BYTES - 2):
                        m.d.sync += self._left[:8].eq(self.byte)
                    with m.Default():
                        m.d.sync += [self._left[8:].eq(self.byte), self._place.eq(0)]
                        m.next = "CHECK"
        with m.State("CHECK"):
            m.d.sync += self._repeat.eq(after == self._due)
            with m.If(hello):
                m.d.sync += self._open.eq(self._left == 0)
            with m.If(hello & (self._left == 0)):
                m.d.comb += self.welcome.eq(1)
                m.d.sync += [self.access_address.eq(link_address(self._config.fabric, LinkMemory.IDENTITY, 0)), self._repeat.eq(0)]
                self._answer(m, Status.OK)
                m.d.sync += self._words.eq(IDENTITY_WORDS)
            with m.Elif(self._open & ~self._ours & ~hello):
                self._answer(m, Status.SESSION)
            with m.Elif((~self._open | (self._sequence != self._due) & (after != self._due)) & ~hello):
                self._answer(m, Status.SEQUENCE)
            with m.Elif(good):
                m.next = "ADDRESS"
            with m.Else():
                self._answer(m, Status.COMMAND)
        with m.State("ADDRESS"), m.If(self._next_byte(m)):
            m.d.sync += [self.access_address.eq(Cat(self.access_address[8:], self.byte)), self._place.eq(self._place + 1)]
            with m.If(self._place == 3):
                m.d.sync += self._place.eq(0)
                m.next = "ONCE"
        with m.State("ONCE"):
            with m.If(self._repeat & (self._command != Command.READ)):
                self._answer(m, Status.OK)
            with m.Else():
                m.next = "GATHER"

    def _write(self, m: Module, beyond: Value, may: Value, hopeless: Value) -> None:
        """Words from the payload, written one by one; a read's count comes the same way."""
        raw = self._command == Command.WRITE
        with m.State("GATHER"):
            with m.If(self._held != 0):
                m.d.comb += self._shift.eq(1)
                m.d.sync += [
                    self._held.eq(self._held - 1), self._place.eq(self._place + 1),
                    self._bits.eq(Mux(self._command == Command.WRITE_4, self._bits >> 4, self._bits >> 1)),
                ]
                with m.If(self._place == Mux(raw, 3, values_per_write(self._config.fabric) - 1)):
                    m.d.sync += self._place.eq(0)
                    with m.If(self._command != Command.READ):
                        m.next = "WAIT_WRITE"
            with m.Elif(self._left == 0):
                self._answer(m, Status.OK)
                with m.If(self._command == Command.READ):
                    m.next = "COUNT"
            with m.Else(), m.If(self._next_byte(m)):
                m.d.sync += [self._bits.eq(self.byte), self._held.eq(1)]
                with m.If(self._command == Command.WRITE_4):
                    m.d.sync += self._held.eq(2)
                with m.If(self._command == Command.WRITE_1):
                    m.d.sync += self._held.eq(8)
        with m.State("WAIT_WRITE"):    # a clock for the interlock to see address and data
            m.next = "ACCESS_WRITE"
        with m.State("ACCESS_WRITE"):
            m.d.comb += self._wants.eq(1)
            with m.If(beyond):
                self._answer(m, Status.ADDRESS)
            with m.Elif(self.unfit):
                self._answer(m, Status.VALUE)
            with m.Elif(may):
                m.d.comb += self.access_write.eq(1)
                m.next = "GATHER"
            with m.Elif(hopeless):
                self._answer(m, Status.BUSY)

    def _read(self, m: Module, beyond: Value, may: Value, hopeless: Value) -> None:
        """The count of words, in the upper half of the word that was gathered."""
        asked = self._word[CHUNK_BITS // 2:]
        with m.State("COUNT"):
            m.d.comb += self._wants.eq(1)
            with m.If((asked == 0) | (asked > MOST_READ)):
                self._answer(m, Status.COMMAND)
            with m.Elif(beyond):
                self._answer(m, Status.ADDRESS)
            with m.Elif(may):
                m.d.sync += self._words.eq(asked)
                m.next = "HEAD"
            with m.Elif(hopeless):
                self._answer(m, Status.BUSY)

    def _reply(self, m: Module) -> None:
        """Header and words of the reply; then the rest of the frame leaves the buffer."""
        out, place = self.o, self._place
        wrong_number = self._status == Status.SEQUENCE
        more = self._words != 0
        with m.State("HEAD"):
            length = Signal(16)
            m.d.comb += [length.eq(Mux(wrong_number, 2, self._words << 2)), out.valid.eq(1)]
            with m.Switch(place):
                for number, byte in ((0, self._sequence), (1, self._status),
                                     (HEADER_BYTES - 2, length[:8]), (HEADER_BYTES - 1, length[8:])):
                    with m.Case(number):
                        m.d.comb += out.payload.byte.eq(byte)
                with m.Default():
                    m.d.comb += [out.payload.byte.eq(self._session[:8]), self._turn.eq(out.ready)]
            m.d.comb += out.payload.last.eq((place == HEADER_BYTES - 1) & ~more & ~wrong_number)
            with m.If(out.ready):
                m.d.sync += place.eq(place + 1)
                with m.If(place == HEADER_BYTES - 1):
                    m.d.comb += self.refused.eq(self._status != Status.OK)
                    m.d.sync += place.eq(0)
                    m.next = "REST"
                    with m.If(more):
                        m.next = "FETCH"
                    with m.Elif(wrong_number):
                        m.next = "DUE"
        with m.State("DUE"):
            m.d.comb += [out.valid.eq(1), out.payload.byte.eq(Mux(place[0], self._open, self._due)), out.payload.last.eq(place[0])]
            with m.If(out.ready):
                m.d.sync += place.eq(place + 1)
                with m.If(place[0]):
                    m.d.sync += place.eq(0)
                    m.next = "REST"
        with m.State("FETCH"):
            m.d.comb += self.access_read.eq(place == 0)
            m.d.sync += place.eq(place + 1)
            with m.If(place == read_latency(self._config.fabric)):
                m.d.comb += self._fetch.eq(1)
                m.d.sync += [place.eq(0), self._words.eq(self._words - 1)]
                m.next = "SEND"
        with m.State("SEND"):
            m.d.comb += [
                out.valid.eq(1), out.payload.byte.eq(self._word[:8]), out.payload.last.eq(~more & (place == CHUNK_BITS // 8 - 1)),
                self._shift.eq(out.ready),
            ]
            with m.If(out.ready):
                m.d.sync += place.eq(place + 1)
                with m.If(place == CHUNK_BITS // 8 - 1):
                    m.d.comb += self._step.eq(1)
                    m.d.sync += place.eq(0)
                    m.next = "FETCH"
                    with m.If(~more):
                        m.next = "REST"
        with m.State("REST"):
            with m.If(self._left != 0):
                self._next_byte(m)
            with m.Elif(self.valid):
                m.d.comb += self.take.eq(1)
                m.d.sync += place.eq(place + 1)
                with m.If(place == CRC_BYTES - 1):
                    m.d.sync += place.eq(0)
                    with m.If((self._status == Status.OK) & ~self._repeat):
                        m.d.sync += self._due.eq(self._after)
                    m.next = "HEADER"
