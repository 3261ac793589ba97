"""A memory that a block reads (and perhaps writes) while the host writes and reads it in chunks."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import memory
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.config import bits_for
from ranvier.model.layout import CHUNK_BITS, MemoryLayout

from .signatures import ConfigBus

__all__ = ["ConfigMemory"]


class ConfigMemory(Component):
    """Words of any width behind the configuration bus.

    The block presents ``address`` and has ``data`` in the next clock. A word read while it is written gives
    the old word. The host may write at any time, in the clock of a ``core_writes`` write too as long as it means
    another moment: the block's write wins. A host read borrows the read port, so it disturbs a block that
    reads in that clock; hosts read while the fabric is idle.
    """

    address: Signal
    data: Signal
    write_address: Signal
    write_data: Signal
    write_enable: Signal
    bus: Any

    def __init__(self, layout: MemoryLayout, *, core_writes: bool = False) -> None:
        self._layout = layout
        self._core_writes = core_writes
        address = bits_for(layout.depth - 1)
        super().__init__({
            "address": In(address),
            "data": Out(layout.bits),
            "write_address": In(address),
            "write_data": In(layout.bits),
            "write_enable": In(1),
            "bus": In(ConfigBus()),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self._layout
        chunk_bits = layout.chunk_step.bit_length() - 1
        chunk = self.bus.offset[:chunk_bits]
        word = self.bus.offset[chunk_bits:][:len(self.address)]
        read_chunk = Signal(max(1, chunk_bits))
        reading = Signal()
        m.d.sync += [read_chunk.eq(chunk), reading.eq(self.bus.read)]
        for index in range(layout.chunks):
            low = index * CHUNK_BITS
            high = min(low + CHUNK_BITS, layout.bits)
            part: Any = memory.Memory(shape=high - low, depth=layout.depth, init=[])
            m.submodules[f"chunk_{index}"] = part
            write, read = part.write_port(), part.read_port()
            m.d.comb += [
                write.addr.eq(word),
                write.data.eq(self.bus.data),
                write.en.eq(self.bus.write & ((chunk == index) if chunk_bits else 1)),
                read.addr.eq(self.address),
                self.data[low:high].eq(read.data),
            ]
            if self._core_writes:
                with m.If(self.write_enable):
                    m.d.comb += [
                        write.addr.eq(self.write_address),
                        write.data.eq(self.write_data[low:high]),
                        write.en.eq(1),
                    ]
            with m.If(self.bus.read):
                m.d.comb += read.addr.eq(word)
            with m.If(reading & ((read_chunk == index) if chunk_bits else 1)):
                m.d.comb += self.bus.value.eq(read.data)
        return m
