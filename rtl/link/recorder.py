"""The recorder: keeps the spike words that the host asked for until it takes them."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.device_config import LinkConfig
from ranvier.model.fabric.layout import CHUNK_BITS
from ranvier.model.link.identity import IDENTITY_WORDS
from ranvier.model.link.protocol import record_chunks

from ..forms.technology import platform_form
from ..memory.storage import RamStorage

__all__ = ["LOST_BITS", "Recorder", "address_bits", "pointer_bits"]

#: Width of the count of lost words.
LOST_BITS = 8


def pointer_bits(link: LinkConfig) -> int:
    """Width of the counts of recorded and taken words: one bit more than an address of the ring, so that full and empty differ."""
    return link.record_depth.bit_length()


def address_bits(config: FabricConfig) -> int:
    """Width of the bounds of what is recorded: a spike buffer address, and the one after the last."""
    return bits_for(config.spike_depth)


class Recorder(Component):
    """Records spike words in a ring, with the number of the tick that runs. The identity lies in the same memory: words in a block RAM cost
    no logic, and that one has room.

    in
        ``running``: the fabric runs. ``tick``: one begins, for one clock. ``spike_valid``: a spike word passes, with ``spike_address`` and
        ``spike_bits``; it is recorded if ``first`` <= address < ``stop`` and a bit is set. ``tail``: words that the host has taken, counted
        like ``head``. ``offset``: the word that the host reads, of the ring or, with ``identifies``, of the identity.
    out
        ``head``: words recorded since the run began, modulo twice the depth. ``lost``: words that found no place, at most 255. ``began``: a
        run begins, for one clock. ``hold``: more than half of the ring is taken up, and the next tick must wait. ``value`` (32): the word
        at ``offset``, up to two clocks after that changes.
    """

    running: Signal
    tick: Signal
    spike_valid: Signal
    spike_address: Signal
    spike_bits: Signal
    first: Signal
    stop: Signal
    tail: Signal
    head: Signal
    lost: Signal
    began: Signal
    hold: Signal
    offset: Signal
    identifies: Signal
    value: Signal

    def __init__(self, config: FabricConfig, link: LinkConfig, identity: Sequence[int]) -> None:
        self._config = config
        self._depth = link.record_depth
        self._identity = identity
        address = bits_for(config.spike_depth - 1)
        chunk_bits = bits_for(record_chunks(config) - 1)
        super().__init__({
            "running": In(1), "tick": In(1),
            "spike_valid": In(1), "spike_address": In(address), "spike_bits": In(config.word_bits),
            "first": In(address_bits(config)), "stop": In(address_bits(config)), "tail": In(pointer_bits(link)),
            "head": Out(pointer_bits(link)), "lost": Out(LOST_BITS), "began": Out(1), "hold": Out(1),
            "offset": In(max(chunk_bits + bits_for(self._depth - 1), bits_for(IDENTITY_WORDS - 1))), "identifies": In(1),
            "value": Out(CHUNK_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word_bits = self._config.word_bits
        start = self._identity_start
        m.submodules.words = words = RamStorage(CHUNK_BITS + word_bits, start + IDENTITY_WORDS, init=[*[0] * start, *self._identity])
        writing = Signal()
        ticks, ran = Signal(16), Signal()
        m.d.sync += ran.eq(self.running)
        m.d.comb += self.began.eq(self.running & ~ran)
        with m.If(self.began):
            m.d.sync += ticks.eq(self.tick)
        with m.Elif(self.tick):
            m.d.sync += ticks.eq(ticks + 1)
        # A clock for the comparisons, so that they are not in the ring's way, except where its registers would take logic cells.
        wanted, address, bits = Signal(), Signal.like(self.spike_address), Signal(word_bits)
        m.d["sync" if platform_form(platform).link_registers else "comb"] += [
            address.eq(self.spike_address), bits.eq(self.spike_bits),
            wanted.eq(self.spike_valid & (self.spike_address >= self.first) & (self.spike_address < self.stop) & self.spike_bits.any()),
        ]
        used = Signal.like(self.head)
        m.d.comb += [
            used.eq(self.head - self.tail),
            writing.eq(wanted & ~used[-1]),
            words.write_address.eq(self.head[:-1]), words.write_data.eq(Cat(address, Const(0, 16 - len(address)), ticks, bits)),
            words.write_enable.eq(writing),
        ]
        m.d.sync += self.hold.eq(used[-2:].any())
        with m.If(self.began):
            m.d.sync += [self.head.eq(0), self.lost.eq(0)]
        with m.Elif(writing):
            m.d.sync += self.head.eq(self.head + 1)
        with m.Elif(wanted & ~self.lost.all()):
            m.d.sync += self.lost.eq(self.lost + 1)
        self._show(m, words, platform_form(platform).link_registers)
        return m

    def _show(self, m: Module, words: RamStorage, registered: bool) -> None:
        """The chunk of the ring at ``offset``; chunks that fill an entry up to a power of two read as 0.

        A block RAM gives its word late in its clock, so a register keeps it, where registers are not dear.
        """
        entry = Signal.like(words.data, reset_less=True)
        m.d["sync" if registered else "comb"] += entry.eq(words.data)
        chunks = record_chunks(self._config)
        chunk_bits = (chunks - 1).bit_length()
        chunk = self.offset[:chunk_bits] & ~self.identifies.replicate(chunk_bits)
        place = self.offset[chunk_bits:][:bits_for(self._depth - 1)]
        m.d.comb += words.address.eq(Mux(self.identifies, self._identity_start | self.offset[:bits_for(IDENTITY_WORDS - 1)], place))
        for index in range(-(-len(entry) // CHUNK_BITS)):
            with m.If(chunk == index):
                m.d.comb += self.value.eq(entry[index * CHUNK_BITS:(index + 1) * CHUNK_BITS])

    @property
    def _identity_start(self) -> int:
        """Where the identity begins in the memory: behind the ring, at a multiple of its own length rounded up."""
        return max(self._depth, 1 << bits_for(IDENTITY_WORDS - 1))
