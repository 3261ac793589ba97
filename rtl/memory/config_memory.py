"""A memory that a block reads (and perhaps writes) while the host writes and reads it in chunks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.chain import PART_CHUNKS, parts_of
from ranvier.model.fabric.config import bits_for
from ranvier.model.fabric.layout import CHUNK_BITS, MemoryLayout

from ..forms.technology import Technology, technology_of
from ..signatures import ConfigBus
from .readback import joined, shown
from .storage import RamStorage, RegisterStorage, SpramStorage, Storage

__all__ = ["PIECE_BITS", "ConfigMemory"]

#: Bits of a word with slices that are kept together. With two slices of a byte they are as wide as a block RAM of an ECP5 is where
#: its register can be used.
PIECE_BITS = 16


class ConfigMemory(Component):
    """Words of any width behind the configuration bus.

    Each `parts_of` a word has a ``bus`` of its own, so that a wide memory's parts can be at different places of the configuration
    chain; a part knows its chunks, so all of them may be given the same access.

    The block presents ``address`` and has ``data`` in the next clock, and from then on while ``enable`` is low; it never reads a
    word in the clock in which it is written. The host may write at any time, in the clock of a ``core_writes`` write too as long
    as it means another moment: the block's write wins. A host read borrows the read port, so it disturbs a block that
    reads in that clock, and with ``spram`` so does a host write; hosts do both while the fabric is idle. (The readouts are
    read by the host alone, and the input values' other bank is its own.) Without ``host_writes`` it cannot write at all.

    A memory with columns has an address and data for each of them, ``theta_address`` and ``theta`` for example.

    With ``late`` (`is_late`) ``data`` passes a register and comes a clock later; it stays too while ``enable`` is low. In an ECP5 that
    register is the block RAM's own (`bitstream/hard_registers.py`), for nothing else takes what is before it, and both have the same
    enable. The answer to the host comes from behind it, so a host read takes the block RAM for two clocks. ``narrow`` keeps the word in
    pieces of `PIECE_BITS`, for only so narrow a block RAM's register can be used; what is shallow and wide takes more block RAMs then.

    With ``slices`` a late word comes with ``filled``: for each so many bits of it whether any of them is set; and with ``used``: the same
    for each `PIECE_BITS`. That is found out when the word is written, and kept beside it.

    One or two words are registers. With ``spram`` the words are in SPRAM; everything else is left to the tool, as far as the
    platform's technology does not say better. What is not ``readable`` answers nothing to the host.
    """

    address: Signal
    enable: Signal
    data: Signal
    filled: Signal
    used: Signal
    write_address: Signal
    write_data: Signal
    write_enable: Signal
    bus: Any

    def __init__(self, layout: MemoryLayout, *, core_writes: bool = False, host_writes: bool = True, spram: bool = False,
                 late: bool = False, narrow: bool = False, slices: int = 0, readable: bool = True) -> None:
        self._layout = layout
        self._core_writes = core_writes
        self._host_writes = host_writes
        self._spram = spram
        self._late = late
        self._narrow = narrow or bool(slices)
        self._slices = slices
        self._readable = readable
        address = bits_for(layout.depth - 1)
        columns: dict[str, Any] = {"address": In(address), "data": Out(layout.bits)}
        if layout.columns:
            columns = {name: Out(bits) for name, bits in layout.columns}
            columns |= {f"{name}_address": In(address) for name, _ in layout.columns}
        if slices:
            columns |= {"filled": Out(-(-layout.bits // slices)), "used": Out(-(-layout.bits // PIECE_BITS))}
        super().__init__({
            **columns,
            "enable": In(1, init=1),  # type: ignore[call-arg]  # which the stubs do not know
            "write_address": In(address),
            "write_data": In(layout.bits),
            "write_enable": In(1),
            "bus": In(ConfigBus()).array(parts_of(layout)),
        })

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, lowest first."""
        return tuple(name for name, _ in self._layout.columns)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self._layout
        kind = self._kind(technology_of(platform))
        late = self.is_late(platform)
        slices = self._slices if late else 0
        values = [Signal(CHUNK_BITS, name=f"value_{index}") for index in range(layout.chunks)]
        was_read = [Signal(name=f"was_read_{part}", reset_less=True) for part in range(len(self.bus))]
        if late and self._readable:
            m.d.sync += [after.eq(bus.read) for after, bus in zip(was_read, self.bus, strict=True)]
        writes = [Signal(CHUNK_BITS, name=f"written_{index}") for index in range(layout.chunks)]
        for index, chunk in enumerate(writes):
            if self._host_writes:
                m.d.comb += chunk.eq(self.bus[index // PART_CHUNKS].data)
            if self._core_writes:
                with m.If(self.write_enable | (not self._host_writes)):
                    m.d.comb += chunk.eq(self.write_data[index * CHUNK_BITS:])

        def kept(name: str, stored: Value, address: Value, index: int) -> Value:
            part = self._keep(m, name, kind(len(stored), layout.depth), address, index, was_read[index // PART_CHUNKS])
            m.d.comb += part.write_data.eq(stored)
            if not late:
                return part.data
            given = Signal(len(part.data), name=f"late_{name}", reset_less=True)
            with m.If(part.enable):
                m.d.sync += given.eq(part.data)
            return given

        for address, data, first in self._columns():
            for low, high in self._parts(first, first + len(data), PIECE_BITS if late and self._narrow else CHUNK_BITS):
                index, shift = divmod(low, CHUNK_BITS)
                written = writes[index][shift:shift + high - low]
                filled = Cat(written[n:n + slices].any() for n in range(0, len(written), slices)) if slices else Const(0, 0)
                given = kept(f"bits_{low}", Cat(written, filled), address, index)
                m.d.comb += [data[low - first:high - first].eq(given), values[index][shift:shift + high - low].eq(given)]
                if slices:
                    m.d.comb += self.filled[low // slices:][:len(filled)].eq(given[len(written):])
        if slices:
            for index, chunk in enumerate(writes):
                bits = min(CHUNK_BITS, layout.bits - index * CHUNK_BITS)
                used = Cat(chunk[n:min(n + PIECE_BITS, bits)].any() for n in range(0, bits, PIECE_BITS))
                m.d.comb += self.used[index * CHUNK_BITS // PIECE_BITS:][:len(used)].eq(kept(f"used_{index}", used, self.address, index))
        if self._readable:
            for number, bus in enumerate(self.bus):
                first = number * PART_CHUNKS
                m.d.comb += bus.value.eq(joined([
                    shown(m, platform, f"shown_{index}", value, bus.read & self._means(bus, index), late=late)
                    for index, value in enumerate(values[first:first + PART_CHUNKS], first)]))
        return m

    def _keep(self, m: Module, name: str, part: Storage, address: Value, index: int, was_read: Signal) -> Storage:
        """A storage for bits of one chunk, connected to everything but what is written. The host ``was_read`` it a clock ago."""
        bus = self.bus[index // PART_CHUNKS]
        word = bus.offset[self._layout.chunk_step.bit_length() - 1:][:len(self.write_address)]
        m.submodules[name] = part
        m.d.comb += [part.address.eq(address), part.enable.eq(self.enable | was_read)]
        if self._host_writes:
            m.d.comb += [part.write_address.eq(word), part.write_enable.eq(bus.write & self._means(bus, index))]
        if self._core_writes:
            with m.If(self.write_enable | (not self._host_writes)):
                m.d.comb += [part.write_address.eq(self.write_address), part.write_enable.eq(self.write_enable)]
        if self._readable:
            with m.If(bus.read):
                m.d.comb += [part.address.eq(word), part.enable.eq(1)]
        return part

    def is_late(self, platform: object) -> bool:
        """Whether ``data`` passes a register: where that takes a logic cell for each bit it never does."""
        return self._late and not technology_of(platform).lut_before_register

    def _means(self, bus: Any, index: int) -> Value:
        """Whether an access is to this chunk of its word."""
        bits = self._layout.chunk_step.bit_length() - 1
        return bus.offset[:bits] == index if bits else Const(1)

    def _kind(self, technology: Technology) -> type[Storage]:
        if self._spram:
            return SpramStorage
        return RegisterStorage if self._layout.depth <= technology.most_registers else RamStorage

    def _columns(self) -> list[tuple[Signal, Signal, int]]:
        """Address, data and lowest bit of each column."""
        if not self._layout.columns:
            return [(self.address, self.data, 0)]
        found, low = [], 0
        for name, bits in self._layout.columns:
            found.append((getattr(self, f"{name}_address"), getattr(self, name), low))
            low += bits
        return found

    def _parts(self, low: int, high: int, most: int) -> list[tuple[int, int]]:
        """The bits of a column, cut where chunks begin, or pieces of them."""
        cuts = [low, *range(low - low % most + most, high, most), high]
        return list(pairwise(cuts))
