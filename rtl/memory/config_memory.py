"""A memory that a block reads (and perhaps writes) while the host writes and reads it in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.fabric.chain import PART_CHUNKS, parts_of
from ranvier.model.fabric.config import bits_for
from ranvier.model.fabric.layout import CHUNK_BITS, Memory, MemoryLayout

from ..forms.form import Form
from ..forms.technology import platform_form
from ..scan.entry import PIECE_BITS, SLICE_BITS
from ..signatures import ConfigBus
from .readback import answer, merge_answers
from .storage import storage_kind

__all__ = ["ConfigMemory", "ResultMemory", "SpikeMemory", "WrittenMemory", "is_late"]

#: Memories whose words are needed two clocks after their address at the earliest.
_LATE = (Memory.PROGRAM, Memory.SPIKES, Memory.WEIGHTS, Memory.STATE, Memory.DRIVE, Memory.DYNAMICS, Memory.INPUTS)
#: Late memories that are kept in pieces, for only so narrow a block RAM of an ECP5 has a register of its own. They are deep enough.
_NARROW = (Memory.PROGRAM, Memory.SPIKES)


def is_late(memory: Memory, form: Form) -> bool:
    """Whether the words of a memory pass a register of their own: ``data`` then comes two clocks after its address."""
    return form.late_memories and memory in _LATE


@dataclass(frozen=True, eq=False)
class _Chunk:
    """The host's access to one chunk of every word: which ``word``, whether it is ``selected``, and what is written in a clock."""

    index: int
    bus: Any
    word: Value
    selected: Value
    was_read: Signal
    write_address: Signal
    write_data: Signal
    write_enable: Signal


class ConfigMemory(Component):
    """Words of any width that the host writes, behind the configuration bus.

    in
        ``address``: the word that the block reads; where a word has columns there is one for each, ``theta_address`` for example.
        ``enable`` (1 unless driven): read it; while it is low ``data`` stays.
        ``bus`` (`ConfigBus`, one for each of `parts_of` a word): the host's accesses. All parts may be given the same access.
    out
        ``data``, or one output for each column: the word, in the clock after its address; of a late memory (`is_late`) in the one after
        that, from a register that is enabled with the memory, so that an ECP5's block RAM can take it in.

    Nobody reads a word in the clock in which it is written. A host read borrows the read port for one clock, of a late memory for two,
    and a write to SPRAM takes its only port; so hosts do both while the fabric is idle, except where nobody else reads. Unless
    ``readable`` the host gets no answers.
    """

    address: Signal
    enable: Signal
    data: Signal
    bus: Any

    def __init__(self, layout: MemoryLayout, *, readable: bool = True, ports: dict[str, Any] | None = None) -> None:
        self._layout = layout
        self._readable = readable
        address = In(bits_for(layout.depth - 1))
        columns: dict[str, Any] = {"address": address, "data": Out(layout.bits)}
        if layout.columns:
            columns = {name: Out(bits) for name, bits in layout.columns} | {f"{name}_address": address for name, _ in layout.columns}
        super().__init__({
            **columns, **(ports or {}),
            "enable": In(1, init=1),  # type: ignore[call-arg]  # which the stubs do not know
            "bus": In(ConfigBus()).array(parts_of(layout)),
        })

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, lowest first."""
        return tuple(name for name, _ in self._layout.columns)

    def elaborate(self, platform: object) -> Module:
        """Each column is cut where chunks begin (or pieces of them); each cut is a storage of its own, so that chunks are written alone."""
        m = Module()
        chunks = self._chunks(m, platform)
        values = [Signal(CHUNK_BITS, name=f"value_{chunk.index}") for chunk in chunks]
        late = is_late(self._layout.memory, platform_form(platform))
        most = PIECE_BITS if late and self._layout.memory in _NARROW else CHUNK_BITS
        for address, data, first in self._columns():
            end = first + len(data)
            for low, high in pairwise([first, *range(first - first % most + most, end, most), end]):
                index, shift = divmod(low, CHUNK_BITS)
                data_bits = self._store(m, platform, low, chunks[index].write_data[shift:shift + high - low], address, chunks[index])
                m.d.comb += [data[low - first:high - first].eq(data_bits), values[index][shift:shift + high - low].eq(data_bits)]
        if self._readable:
            for number, bus in enumerate(self.bus):
                part = slice(number * PART_CHUNKS, (number + 1) * PART_CHUNKS)
                m.d.comb += bus.value.eq(merge_answers([
                    answer(m, platform, f"answer_{chunk.index}", value, bus.read & chunk.selected, late=late)
                    for chunk, value in zip(chunks[part], values[part], strict=True)]))
        return m

    def _chunks(self, m: Module, platform: object) -> list[_Chunk]:
        """The host's access to each chunk. What it ``was_read`` moves into a late memory's register in the clock after."""
        bits = self._layout.chunk_step.bit_length() - 1
        address_bits = bits_for(self._layout.depth - 1)
        was_read = [Signal(name=f"was_read_{part}", reset_less=True) for part in range(len(self.bus))]
        if self._readable and is_late(self._layout.memory, platform_form(platform)):
            m.d.sync += [after.eq(bus.read) for after, bus in zip(was_read, self.bus, strict=True)]
        chunks = []
        for index in range(self._layout.chunks):
            bus = self.bus[index // PART_CHUNKS]
            chunks.append(_Chunk(
                index, bus, bus.offset[bits:][:address_bits], bus.offset[:bits] == index if bits else Const(1),
                was_read[index // PART_CHUNKS], Signal(address_bits, name=f"write_address_{index}"),
                Signal(CHUNK_BITS, name=f"write_data_{index}"), Signal(name=f"write_enable_{index}")))
            self._write(m, chunks[-1])
        return chunks

    def _write(self, m: Module, chunk: _Chunk) -> None:
        """Drive what is written to a chunk: here by the host."""
        m.d.comb += [chunk.write_address.eq(chunk.word), chunk.write_data.eq(chunk.bus.data),
                     chunk.write_enable.eq(chunk.bus.write & chunk.selected)]

    def _store(self, m: Module, platform: object, low: int, written: Value, address: Value, chunk: _Chunk) -> Value:
        """Keep the bits of a word from ``low`` on; what the memory gives for them."""
        return self._keep(m, platform, f"bits_{low}", written, address, chunk)

    def _keep(self, m: Module, platform: object, name: str, written: Value, address: Value, chunk: _Chunk) -> Value:
        """A storage for ``written``, bits of one chunk, with the register of a late memory; its output."""
        part = m.submodules[name] = storage_kind(platform, self._layout)(len(written), self._layout.depth)
        m.d.comb += [
            part.address.eq(address), part.enable.eq(self.enable | chunk.was_read),
            part.write_address.eq(chunk.write_address), part.write_data.eq(written), part.write_enable.eq(chunk.write_enable),
        ]
        if self._readable:
            with m.If(chunk.bus.read):
                m.d.comb += [part.address.eq(chunk.word), part.enable.eq(1)]
        if not is_late(self._layout.memory, platform_form(platform)):
            return part.data
        register = Signal(len(part.data), name=f"late_{name}", reset_less=True)
        with m.If(part.enable):
            m.d.sync += register.eq(part.data)
        return register

    def _columns(self) -> list[tuple[Signal, Signal, int]]:
        """Address, data and lowest bit of each column."""
        if not self._layout.columns:
            return [(self.address, self.data, 0)]
        found, low = [], 0
        for name, bits in self._layout.columns:
            found.append((getattr(self, f"{name}_address"), getattr(self, name), low))
            low += bits
        return found


class WrittenMemory(ConfigMemory):
    """A `ConfigMemory` that the block writes too: ``write_data`` to ``write_address`` in a clock of ``write_enable`` (all in).

    Where host and block write in one clock the write of the host is lost.
    """

    write_address: Signal
    write_data: Signal
    write_enable: Signal

    def __init__(self, layout: MemoryLayout, *, readable: bool = True, ports: dict[str, Any] | None = None) -> None:
        super().__init__(layout, readable=readable, ports={
            "write_address": In(bits_for(layout.depth - 1)), "write_data": In(layout.bits), "write_enable": In(1), **(ports or {})})

    def _write(self, m: Module, chunk: _Chunk) -> None:
        super()._write(m, chunk)
        with m.If(self.write_enable):
            self._write_word(m, chunk)

    def _write_word(self, m: Module, chunk: _Chunk) -> None:
        """Drive what the block writes to a chunk."""
        m.d.comb += [chunk.write_address.eq(self.write_address), chunk.write_data.eq(self.write_data[chunk.index * CHUNK_BITS:]),
                     chunk.write_enable.eq(self.write_enable)]


class ResultMemory(WrittenMemory):
    """A `WrittenMemory` that the host can only read."""

    def _write(self, m: Module, chunk: _Chunk) -> None:
        self._write_word(m, chunk)


class SpikeMemory(WrittenMemory):
    """A `WrittenMemory` that says which parts of a late word have set bits, found out when it is written and kept beside it.

    out, with ``data``
        ``filled``: a bit for each slice of the word (`SLICE_BITS`). ``used``: a bit for each piece (`PIECE_BITS`).
        Where memories are not late both are 0.
    """

    filled: Signal
    used: Signal

    def __init__(self, layout: MemoryLayout, *, readable: bool = True) -> None:
        super().__init__(layout, readable=readable, ports={
            "filled": Out(-(-layout.bits // SLICE_BITS)), "used": Out(-(-layout.bits // PIECE_BITS))})

    def _store(self, m: Module, platform: object, low: int, written: Value, address: Value, chunk: _Chunk) -> Value:
        """A piece with its slices' bits behind it; and for each chunk, beside the first piece, a storage of its pieces' bits."""
        if not is_late(self._layout.memory, platform_form(platform)):
            return super()._store(m, platform, low, written, address, chunk)
        bits = super()._store(m, platform, low, Cat(written, _any_set(written, SLICE_BITS)), address, chunk)
        filled = bits[len(written):]
        m.d.comb += self.filled[low // SLICE_BITS:][:len(filled)].eq(filled)
        if low % CHUNK_BITS == 0:
            word = chunk.write_data[:self._layout.bits - low]
            used = self._keep(m, platform, f"used_{chunk.index}", _any_set(word, PIECE_BITS), address, chunk)
            m.d.comb += self.used[low // PIECE_BITS:][:len(used)].eq(used)
        return bits[:len(written)]


def _any_set(bits: Value, width: int) -> Value:
    """For each so many bits whether any of them is set."""
    return Cat(bits[n:n + width].any() for n in range(0, len(bits), width))
