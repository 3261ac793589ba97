"""The command interpreter: frames from the buffer become accesses to the configuration port, and replies."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.device_config import DeviceConfig
from ranvier.model.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, UNIT_BITS, Control, Memory
from ranvier.model.link import (
    CRC_BYTES,
    HEADER_BYTES,
    IDENTITY_WORDS,
    MOST_READ,
    Command,
    LinkMemory,
    Status,
    link_address,
    link_unit,
    values_per_write,
)

from .framing import reply_layout

__all__ = ["Interpreter"]

# A value is there three clocks after the read, from the fabric and from the link's registers alike, for one clock.
_READ_CLOCKS = 3
# The last readouts and counters are written within so many clocks after `running` falls.
_SETTLE_CLOCKS = 15
# The ticker is in WAIT for one clock before each run; longer means that it waits for the host.
_STUCK_CLOCKS = 7


class Interpreter(Component):
    """Executes one frame after the other: header - address - access - reply - rest of the frame.

    ``byte``, ``valid`` and ``take`` are the buffer's. ``access_*`` is the configuration port, of which the link's own unit is a
    part. ``quiet`` is high between frames; ``welcome`` for one clock with each hello, ``refused`` with each other reply
    than `Status.OK`.
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
    running: Signal
    waiting: Signal
    room: Signal
    quiet: Signal
    welcome: Signal
    refused: Signal

    def __init__(self, config: DeviceConfig) -> None:
        self._config = config
        super().__init__({
            "byte": In(8), "valid": In(1), "take": Out(1),
            "o": Out(stream.Signature(reply_layout())),
            "access_address": Out(OFFSET_BITS + MEMORY_BITS + UNIT_BITS), "access_data": Out(CHUNK_BITS),
            "access_write": Out(1), "access_read": Out(1), "access_value": In(CHUNK_BITS),
            "running": In(1), "waiting": In(1), "room": In(1),
            "quiet": Out(1), "welcome": Out(1), "refused": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._due, self._open = Signal(8), Signal()
        self._header = Signal(8 * HEADER_BYTES)
        self._sequence, self._command, self._length = self._header[:8], self._header[8:16], self._header[16:]
        self._left = Signal(16)        # bytes of the frame that are still in the buffer, its CRC left out
        self._count = Signal(8)        # bytes or words of what is being read or sent
        self._status = Signal(8)
        self._between = Signal()       # no frame is in hand
        self._repeat = Signal()        # the frame was executed before, and only its reply was lost
        self._bits = Signal(8)         # the byte of the payload in hand
        self._held = Signal(4)         # values that are left in it
        allowed, hopeless = self._interlock(m)
        with m.FSM():
            self._receive(m)
            self._write(m, allowed, hopeless)
            self._read(m, allowed, hopeless)
            self._reply(m)
        return m

    def _interlock(self, m: Module) -> tuple[Value, Value]:
        """Whether the access in hand may be done now; whether waiting for that any longer is of no use."""
        fabric = self._config.fabric
        unit, memory = self.access_address[OFFSET_BITS + MEMORY_BITS:], self.access_address[OFFSET_BITS:][:MEMORY_BITS]
        settle, stuck = Signal(range(_SETTLE_CLOCKS + 1)), Signal(range(_STUCK_CLOCKS + 1))
        patience = Signal(self._config.link.patience_log2)
        with m.If(self.running | self.access_write):
            m.d.sync += settle.eq(0)
        with m.Elif(settle != _SETTLE_CLOCKS):
            m.d.sync += settle.eq(settle + 1)
        with m.If(~self.waiting):
            m.d.sync += stuck.eq(0)
        with m.Elif(stuck != _STUCK_CLOCKS):
            m.d.sync += stuck.eq(stuck + 1)
        m.d.sync += patience.eq(Mux(self._between, 0, patience + 1))
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
        allowed, hopeless = Signal(), Signal()
        m.d.sync += [
            allowed.eq((~idle | (settle == _SETTLE_CLOCKS)) & (~room | self.room)),
            hopeless.eq((stuck == _STUCK_CLOCKS) | patience.all()),
        ]
        return allowed, hopeless

    def _next_byte(self, m: Module) -> Value:
        """Take a byte of the frame as soon as there is one; true in the clock in which there is."""
        m.d.comb += self.take.eq(self.valid)
        with m.If(self.valid):
            m.d.sync += self._left.eq(self._left - 1)
        return self.valid

    def _refuse(self, m: Module, status: Status) -> None:
        m.d.sync += self._status.eq(status)
        m.next = "DONE"

    def _receive(self, m: Module) -> None:
        """Header and address; what can be refused is refused here."""
        with m.State("HEADER"):
            m.d.comb += [self._between.eq(1), self.quiet.eq((self._count == 0) & ~self.valid)]
            m.d.sync += self._held.eq(0)
            with m.If(self.valid):
                m.d.comb += self.take.eq(1)
                m.d.sync += [self._header.eq(Cat(self._header[8:], self.byte)), self._count.eq(self._count + 1)]
                with m.If(self._count == HEADER_BYTES - 1):
                    m.next = "CHECK"
        with m.State("CHECK"):
            m.d.sync += [self._left.eq(self._length), self._count.eq(0), self._repeat.eq(self._sequence == (self._due - 1)[:8])]
            values = (self._command >= Command.WRITE_8) & (self._command <= Command.WRITE_1)
            good = ((self._command == Command.READ) & (self._length == 6) | values & (self._length > 4)
                    | (self._command == Command.WRITE) & (self._length >= 8) & (self._length[:2] == 0))
            with m.If(self._command == Command.HELLO):
                m.next = "HELLO"
            with m.Elif(~self._open | (self._sequence != self._due) & (self._sequence != (self._due - 1)[:8])):
                self._refuse(m, Status.SEQUENCE)
            with m.Elif(good):
                m.next = "ADDRESS"
            with m.Else():
                self._refuse(m, Status.COMMAND)
        with m.State("HELLO"):
            m.d.sync += [
                self.access_address.eq(link_address(self._config.fabric, LinkMemory.IDENTITY, 0)), self._count.eq(IDENTITY_WORDS),
                self._status.eq(Status.OK), self._repeat.eq(0),
            ]
            with m.If(self._left == 0):
                m.d.comb += self.welcome.eq(1)
                m.d.sync += self._open.eq(1)
                m.next = "REPLY"
            with m.Else():
                self._refuse(m, Status.COMMAND)
        with m.State("ADDRESS"), m.If(self._next_byte(m)):
            m.d.sync += [self.access_address.eq(Cat(self.access_address[8:], self.byte)), self._count.eq(self._count + 1)]
            with m.If(self._count == 3):
                m.d.sync += self._count.eq(0)
                m.next = "UNIT"
        with m.State("UNIT"):
            with m.If(self.access_address[OFFSET_BITS + MEMORY_BITS:] > link_unit(self._config.fabric)):
                self._refuse(m, Status.ADDRESS)
            with m.Elif(self._command == Command.READ):
                m.next = "COUNT"
            with m.Elif(self._repeat):
                self._refuse(m, Status.OK)
            with m.Else():
                m.next = "GATHER"

    def _write(self, m: Module, allowed: Value, hopeless: Value) -> None:
        """Words from the payload, written one by one."""
        values = values_per_write(self._config.fabric)
        raw = self._command == Command.WRITE
        nibble = Cat(self._bits[:4], self._bits[:4])
        value = Mux(self._command == Command.WRITE_4, nibble, Mux(self._command == Command.WRITE_1, self._bits[0], self._bits))
        with m.State("GATHER"):
            with m.If(self._held != 0):
                m.d.sync += [
                    self._held.eq(self._held - 1), self._count.eq(self._count + 1),
                    self._bits.eq(Mux(self._command == Command.WRITE_4, self._bits >> 4, self._bits >> 1)),
                    self.access_data.eq(Cat(self.access_data[8:], value)),
                ]
                if values < 4:
                    with m.If(~raw):
                        m.d.sync += self.access_data.eq(Cat(self.access_data[8:8 * values], value))
                with m.If(self._count == Mux(raw, 3, values - 1)):
                    m.d.sync += self._count.eq(0)
                    m.next = "WAIT_WRITE"
            with m.Elif(self._left == 0):
                self._refuse(m, Status.OK)
            with m.Else(), m.If(self._next_byte(m)):
                m.d.sync += [self._bits.eq(self.byte), self._held.eq(1)]
                with m.If(self._command == Command.WRITE_4):
                    m.d.sync += self._held.eq(2)
                with m.If(self._command == Command.WRITE_1):
                    m.d.sync += self._held.eq(8)
        with m.State("WAIT_WRITE"):    # a clock for the interlock to see address and data
            m.next = "ACCESS_WRITE"
        with m.State("ACCESS_WRITE"):
            with m.If(allowed):
                m.d.comb += self.access_write.eq(1)
                m.next = "NEXT_WRITE"
            with m.Elif(hopeless):
                self._refuse(m, Status.BUSY)
        with m.State("NEXT_WRITE"):
            m.d.sync += self.access_address[:OFFSET_BITS].eq(self.access_address[:OFFSET_BITS] + 1)
            m.next = "GATHER"

    def _read(self, m: Module, allowed: Value, hopeless: Value) -> None:
        """The count of words, and one word at a time into ``access_data``, from which `_reply` sends it."""
        with m.State("COUNT"), m.If(self._next_byte(m)):
            m.d.sync += self.access_data.eq(Cat(self.byte, self.access_data[:8]))
            with m.If(self._left == 1):
                m.next = "WAIT_READ"
        with m.State("WAIT_READ"):
            asked = Cat(self.access_data[8:16], self.access_data[:8])
            m.d.sync += [self._count.eq(asked), self._status.eq(Status.OK)]
            m.next = "MAY_READ"
            with m.If((asked == 0) | (asked > MOST_READ)):
                self._refuse(m, Status.COMMAND)
        with m.State("MAY_READ"):
            with m.If(allowed):
                m.next = "REPLY"
            with m.Elif(hopeless):
                self._refuse(m, Status.BUSY)

    def _reply(self, m: Module) -> None:
        """Header and words of the reply; then the rest of the frame leaves the buffer."""
        place = Signal(range(max(HEADER_BYTES, CHUNK_BITS // 8, _READ_CLOCKS + 1)))
        words = Signal(8)
        reading = Signal()           # the reply has words
        sequence_error = self._status == Status.SEQUENCE
        length = Signal(16)
        m.d.comb += length.eq(Mux(reading, self._count << 2, Mux(sequence_error, 2, 0)))
        with m.State("DONE"):
            m.d.sync += [reading.eq(0), place.eq(0)]
            m.d.comb += self.refused.eq(self._status != Status.OK)
            m.next = "HEAD"
        with m.State("REPLY"):
            m.d.sync += [reading.eq(1), place.eq(0), words.eq(self._count)]
            m.next = "HEAD"
        with m.State("HEAD"):
            head = Cat(self._sequence, self._status, length)
            m.d.comb += [
                self.o.valid.eq(1), self.o.payload.byte.eq(head.word_select(place, 8)),
                self.o.payload.last.eq((place == HEADER_BYTES - 1) & ~reading & ~sequence_error),
            ]
            with m.If(self.o.ready):
                m.d.sync += place.eq(place + 1)
                with m.If(place == HEADER_BYTES - 1):
                    m.d.sync += place.eq(0)
                    m.next = "REST"
                    with m.If(reading):
                        m.next = "FETCH"
                    with m.Elif(sequence_error):
                        m.next = "DUE"
        with m.State("DUE"):
            m.d.comb += [self.o.valid.eq(1), self.o.payload.byte.eq(Mux(place[0], self._open, self._due)), self.o.payload.last.eq(place[0])]
            with m.If(self.o.ready):
                m.d.sync += place.eq(place + 1)
                with m.If(place[0]):
                    m.next = "REST"
        with m.State("FETCH"):
            m.d.comb += self.access_read.eq(place == 0)
            m.d.sync += place.eq(place + 1)
            with m.If(place == _READ_CLOCKS):
                m.d.sync += [self.access_data.eq(self.access_value), place.eq(0), words.eq(words - 1)]
                m.next = "SEND"
        with m.State("SEND"):
            m.d.comb += [
                self.o.valid.eq(1), self.o.payload.byte.eq(self.access_data[:8]),
                self.o.payload.last.eq((words == 0) & (place == CHUNK_BITS // 8 - 1)),
            ]
            with m.If(self.o.ready):
                m.d.sync += [self.access_data.eq(self.access_data >> 8), place.eq(place + 1)]
                with m.If(place == CHUNK_BITS // 8 - 1):
                    m.d.sync += [place.eq(0), self.access_address[:OFFSET_BITS].eq(self.access_address[:OFFSET_BITS] + 1)]
                    m.next = "FETCH"
                    with m.If(words == 0):
                        m.next = "REST"
        with m.State("REST"):
            m.d.sync += [self._left.eq(self._left + CRC_BYTES), self._count.eq(0)]
            with m.If((self._status == Status.OK) & ((self._command == Command.HELLO) | ~self._repeat)):
                m.d.sync += self._due.eq(self._sequence + 1)
            m.next = "SKIP"
        with m.State("SKIP"):
            with m.If(self._left == 0):
                m.next = "HEADER"
            with m.Else():
                self._next_byte(m)
