"""A memory that a block reads (and perhaps writes) while the host writes and reads it in chunks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.config import bits_for
from ranvier.model.layout import CHUNK_BITS, MemoryLayout

from .readback import joined, shown
from .signatures import ConfigBus
from .storage import RamStorage, RegisterStorage, SpramStorage, Storage
from .technology import Technology, technology_of

__all__ = ["ConfigMemory"]

#: Bits of a word with slices that are kept together. With two slices of a byte they are as wide as a block RAM of an ECP5 is where
#: its register can be used.
_SLICED_PART = 16


class ConfigMemory(Component):
    """Words of any width behind the configuration bus.

    The block presents ``address`` and has ``data`` in the next clock, and from then on while ``enable`` is low; it never reads a
    word in the clock in which it is written. The host may write at any time, in the clock of a ``core_writes`` write too as long
    as it means another moment: the block's write wins. A host read borrows the read port, so it disturbs a block that
    reads in that clock, and with ``spram`` so does a host write; hosts do both while the fabric is idle. (The readouts are
    read by the host alone, and the input values' other bank is its own.) Without ``host_writes`` it cannot write at all.

    A memory with columns has an address and data for each of them, ``theta_address`` and ``theta`` for example.

    With ``late`` (`is_late`) ``data`` passes a register and comes a clock later. In an ECP5 that register is the block RAM's own
    (`bitstream/hard_registers.py`), for nothing else takes what is before it. The answer to the host comes from behind it.

    With ``slices`` a late word comes with ``filled``: for each so many bits of it whether any of them is set. That is found out when
    the word is written, and kept beside it.

    One or two words are registers. With ``spram`` the words are in SPRAM; everything else is left to the tool, as far as the
    platform's technology does not say better. What is not ``readable`` answers nothing to the host.
    """

    address: Signal
    enable: Signal
    data: Signal
    filled: Signal
    write_address: Signal
    write_data: Signal
    write_enable: Signal
    bus: Any

    def __init__(self, layout: MemoryLayout, *, core_writes: bool = False, host_writes: bool = True, spram: bool = False,
                 late: bool = False, slices: int = 0, readable: bool = True) -> None:
        self._layout = layout
        self._core_writes = core_writes
        self._host_writes = host_writes
        self._spram = spram
        self._late = late
        self._slices = slices
        self._readable = readable
        address = bits_for(layout.depth - 1)
        columns: dict[str, Any] = {"address": In(address), "data": Out(layout.bits)}
        if layout.columns:
            columns = {name: Out(bits) for name, bits in layout.columns}
            columns |= {f"{name}_address": In(address) for name, _ in layout.columns}
        if slices:
            columns["filled"] = Out(-(-layout.bits // slices))
        super().__init__({
            **columns,
            "enable": In(1, init=1),  # type: ignore[call-arg]  # which the stubs do not know
            "write_address": In(address),
            "write_data": In(layout.bits),
            "write_enable": In(1),
            "bus": In(ConfigBus()),
        })

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, lowest first."""
        return tuple(name for name, _ in self._layout.columns)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout, technology = self._layout, technology_of(platform)
        kind = self._kind(technology)
        readable, late = self._readable, self.is_late(platform)
        slices = self._slices if late else 0
        chunk_bits = layout.chunk_step.bit_length() - 1
        chunk = self.bus.offset[:chunk_bits]
        word = self.bus.offset[chunk_bits:][:len(self.write_address)]
        values = [Signal(CHUNK_BITS, name=f"value_{index}") for index in range(layout.chunks)]
        for address, data, first in self._columns():
            for low, high in self._parts(first, first + len(data), _SLICED_PART if slices else CHUNK_BITS):
                index, shift = divmod(low, CHUNK_BITS)
                written = Signal(high - low, name=f"written_{low}")
                filled = Cat(written[n:n + slices].any() for n in range(0, len(written), slices)) if slices else Const(0, 0)
                m.submodules[f"bits_{low}"] = part = kind(len(written) + len(filled), layout.depth)
                m.d.comb += part.write_data.eq(Cat(written, filled))
                if self._host_writes:
                    m.d.comb += [
                        part.write_address.eq(word),
                        written.eq(self.bus.data[shift:]),
                        part.write_enable.eq(self.bus.write & ((chunk == index) if chunk_bits else 1)),
                    ]
                given = part.data
                if late:
                    given = Signal(len(part.data), name=f"late_{low}", reset_less=True)
                    m.d.sync += given.eq(part.data)
                m.d.comb += [
                    part.address.eq(address), part.enable.eq(self.enable),
                    data[low - first:high - first].eq(given),
                    values[index][shift:shift + high - low].eq(given),
                ]
                if slices:
                    m.d.comb += self.filled[low // slices:][:len(filled)].eq(given[len(written):])
                if self._core_writes:
                    with m.If(self.write_enable | (not self._host_writes)):
                        m.d.comb += [
                            part.write_address.eq(self.write_address),
                            written.eq(self.write_data[low:high]),
                            part.write_enable.eq(self.write_enable),
                        ]
                if readable:
                    with m.If(self.bus.read):
                        m.d.comb += [part.address.eq(word), part.enable.eq(1)]
        if readable:
            m.d.comb += self.bus.value.eq(joined([
                shown(m, platform, f"shown_{index}", value, self.bus.read & ((chunk == index) if chunk_bits else 1), late=late)
                for index, value in enumerate(values)]))
        return m

    def is_late(self, platform: object) -> bool:
        """Whether ``data`` passes a register: where that takes a logic cell for each bit it never does."""
        return self._late and not technology_of(platform).lut_before_register

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
