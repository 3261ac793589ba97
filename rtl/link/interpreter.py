"""The command interpreter: frames from the buffer become accesses to the configuration port, and replies."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from ranvier.model.fabric.device_config import DeviceConfig
from ranvier.model.fabric.layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, UNIT_BITS
from ranvier.model.link.protocol import Command, LinkMemory, link_address

from .executor import Executor
from .frame_reader import FrameReader
from .framing import reply_layout
from .interlock import Interlock
from .reach import Reach
from .reply import Reply
from .word_register import WordRegister

__all__ = ["Interpreter"]


class Interpreter(Component):
    """Executes one frame after the other: header - address - accesses and reply - rest of the frame.

    What lies behind a memory's last word is refused. An access that the fabric cannot have now waits; after four ``period``s, or at once
    if the fabric waits for the host, it is refused.

    in
        ``byte`` (8), ``valid``: the buffer's oldest byte. ``access_value`` (32): what was read, `read_latency` clocks later. ``unfit``: the
        register at the address does not take the data, a clock after both. ``running``, ``waiting``, ``room``: the fabric's. ``period``:
        high for one clock now and then.
    out
        ``take``: of the buffer's byte. ``o`` (a stream of bytes, each of which may be the ``last``): replies. ``access_address``,
        ``access_data``, ``access_write``, ``access_read``: the configuration port, of which the link's own unit is a part; address and
        data are there two clocks before a write, and stay for a clock more. ``quiet``: between frames. For one clock each: ``welcome``,
        with a hello; ``refused``, with a reply but `Status.OK`.
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
        """The reader goes through a frame and calls the executor; whichever of them has the answer calls the reply, which calls the reader
        back. Words come in and go out through one register, and one address counts for both.
        """
        m = Module()
        config = self._config
        m.submodules.reader = reader = FrameReader()
        m.submodules.executor = executor = Executor(config.fabric)
        m.submodules.word = word = WordRegister(config.fabric)
        m.submodules.reply = reply = Reply(config.fabric)
        m.submodules.reach = reach = Reach(config)
        m.submodules.interlock = interlock = Interlock(config.fabric)
        connect(m, reply.o, flipped(self.o))
        writing = reader.command != Command.READ
        asked = word.word[CHUNK_BITS // 2:]
        m.d.comb += [
            reader.byte.eq(self.byte), reader.valid.eq(self.valid), self.take.eq(reader.take), self.quiet.eq(reader.quiet),
            self.welcome.eq(reader.welcome), reader.take_payload.eq(executor.load), reader.turn.eq(reply.turn),
            reader.replied.eq(reply.replied), reader.accepted.eq(reply.accepted),
            executor.execute.eq(reader.execute), executor.command.eq(reader.command), executor.valid.eq(self.valid),
            executor.more.eq(reader.more), executor.asked.eq(asked), executor.beyond.eq(reach.beyond), executor.unfit.eq(self.unfit),
            executor.may.eq(interlock.may), executor.hopeless.eq(interlock.hopeless),
            word.command.eq(reader.command), word.load.eq(executor.load), word.byte.eq(self.byte),
            word.shift.eq(executor.shift | reply.shift), word.fetch.eq(reply.fetch), word.value.eq(self.access_value),
            *(getattr(reply.answer, name).eq(getattr(reader.answer, name) | getattr(executor.answer, name))
              for name in reply.answer.signature.members),
            reply.sequence.eq(reader.sequence), reply.session.eq(reader.session), reply.due.eq(reader.due),
            reply.opened.eq(reader.opened), reply.word.eq(word.word), self.refused.eq(reply.refused),
            reach.address.eq(self.access_address), reach.words.eq(Mux(writing, 1, asked)),
            interlock.address.eq(self.access_address), interlock.data.eq(self.access_data), interlock.writing.eq(writing),
            interlock.wants.eq(executor.wants), interlock.write.eq(executor.write),
            interlock.running.eq(self.running), interlock.waiting.eq(self.waiting), interlock.room.eq(self.room),
            interlock.period.eq(self.period),
            self.access_data.eq(word.data), self.access_write.eq(executor.write), self.access_read.eq(reply.read),
        ]
        self._count(m, reader, reply)
        return m

    def _count(self, m: Module, reader: FrameReader, reply: Reply) -> None:
        """The address comes in byte by byte, or is that of the identity; then its offset counts the words."""
        written = Signal()      # the address of a write stays for a clock more
        m.d.sync += written.eq(self.access_write)
        with m.If(reply.step | written):
            m.d.sync += self.access_address[:OFFSET_BITS].eq(self.access_address[:OFFSET_BITS] + 1)
        with m.If(reader.welcome):
            m.d.sync += self.access_address.eq(link_address(self._config.fabric, LinkMemory.IDENTITY, 0))
        with m.Elif(reader.address_byte):
            m.d.sync += self.access_address.eq(Cat(self.access_address[8:], self.byte))
