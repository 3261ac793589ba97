"""What a memory is made of: block RAM or whatever the tool finds, registers, or SPRAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, ClockSignal, Const, Instance, Module, Mux, Signal
from amaranth.lib import memory
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.config import bits_for
from ranvier.model.fabric.layout import Memory, MemoryLayout

from ..forms.technology import SPRAM_BITS, SPRAM_DEPTH, technology_of

__all__ = ["RamStorage", "RegisterStorage", "SpramStorage", "Storage", "storage_kind"]


class Storage(Component):
    """Words with a write port and a read port.

    in
        ``address``, ``enable``: read this word. ``write_address``, ``write_data``, ``write_enable``: write this one.
    out
        ``data``: the word that was read in the last clock with ``enable``, from the next clock on.

    A word that is read in the clock in which it is written comes out old, new or as neither, by the kind of storage: nobody may do that.
    """

    address: Signal
    enable: Signal
    data: Signal
    write_address: Signal
    write_data: Signal
    write_enable: Signal

    def __init__(self, bits: int, depth: int) -> None:
        self._bits, self._depth = bits, depth
        address = bits_for(depth - 1)
        super().__init__({
            "enable": In(1, init=1),  # type: ignore[call-arg]  # which the stubs do not know
            "address": In(address), "data": Out(bits), "write_address": In(address), "write_data": In(bits), "write_enable": In(1)})


class RamStorage(Storage):
    """A plain memory, which the tool puts where it fits: block RAM, or logic cells where the technology prefers them.

    In the Verilog a word that is read while it is written is the old one. Block RAMs do not promise that, so Yosys adds two
    registers and a multiplexer for every bit; ``no_rw_check`` tells it not to, and `YOSYS_AFTER_READ` does where it reads RTLIL.
    ``init`` are the first words after configuration; the others are 0.
    """

    def __init__(self, bits: int, depth: int, *, init: Sequence[int] = ()) -> None:
        self._init = init
        super().__init__(bits, depth)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        attrs: dict[str, Any] = {"no_rw_check": 1}
        technology = technology_of(platform)
        if technology.lut_ram_depth:
            attrs["ram_style"] = "distributed" if self._depth <= technology.lut_ram_depth else "block"
        words: Any = memory.Memory(shape=self._bits, depth=self._depth, init=self._init, attrs=attrs)
        m.submodules.ranvier_ram = words
        write, read = words.write_port(), words.read_port()
        m.d.comb += [
            write.addr.eq(self.write_address), write.data.eq(self.write_data), write.en.eq(self.write_enable),
            read.addr.eq(self.address), read.en.eq(self.enable), self.data.eq(read.data),
        ]
        if technology.garbles_collisions:
            collided = Signal()
            with m.If(self.enable):
                m.d.sync += collided.eq(self.write_enable & (self.write_address == self.address))
            m.d.comb += self.data.eq(read.data ^ collided.replicate(self._bits))
        return m


class RegisterStorage(Storage):
    """A word or two in registers, which a block RAM would be too large for."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = Array(Signal(self._bits, name=f"word_{n}", reset_less=True) for n in range(self._depth))
        chosen = Signal(len(self.address))
        with m.If(self.enable):
            m.d.sync += chosen.eq(self.address)
        for n, word in enumerate(words):
            with m.If(self.write_enable & (self.write_address == n)):
                m.d.sync += word.eq(self.write_data)
        m.d.comb += self.data.eq(words[chosen] if self._depth > 1 else words[0])
        return m


class SpramStorage(Storage):
    """SB_SPRAM256KA side by side: one port, so a clock with a write reads nothing, and no initial contents. It is always enabled."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        assert self._depth <= SPRAM_DEPTH
        address = Signal(bits_for(SPRAM_DEPTH - 1))
        m.d.comb += address.eq(Mux(self.write_enable, self.write_address, self.address))
        for low in range(0, self._bits, SPRAM_BITS):
            high = min(low + SPRAM_BITS, self._bits)
            written, read = Signal(SPRAM_BITS, name=f"written_{low}"), Signal(SPRAM_BITS, name=f"read_{low}")
            m.d.comb += [written.eq(self.write_data[low:high]), self.data[low:high].eq(read)]
            m.submodules[f"spram_{low // SPRAM_BITS}"] = Instance(
                "SB_SPRAM256KA",
                i_ADDRESS=address, i_DATAIN=written, o_DATAOUT=read, i_WREN=self.write_enable, i_MASKWREN=Const(15, 4),
                i_CHIPSELECT=Const(1), i_CLOCK=ClockSignal(), i_STANDBY=Const(0), i_SLEEP=Const(0), i_POWEROFF=Const(1))
        return m


def storage_kind(platform: object, layout: MemoryLayout) -> type[Storage]:
    """What a memory's words are kept in: weights in SPRAM where there is some, a word or two in registers, all others in `RamStorage`."""
    technology = technology_of(platform)
    if layout.memory == Memory.WEIGHTS and technology.spram_blocks:
        return SpramStorage
    return RegisterStorage if layout.depth <= technology.most_registers else RamStorage
