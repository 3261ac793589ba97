"""The frames that wait to be executed, in a ring of bytes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

from ..forms.technology import platform_form
from ..memory.storage import RamStorage

__all__ = ["FrameBuffer"]


class FrameBuffer(Component):
    """A ring of ``depth`` bytes, a power of two, whose newest may still be taken back.

    in
        ``data`` (8), with ``push``: a byte enters, unless the ring is ``full``. ``commit``: the bytes that entered are a frame, and the
        reader may see them. ``drop``: they are forgotten. ``take``: the reader has the byte, while ``valid``. Each for one clock.
    out
        ``full``: there is no room. ``byte`` (8), with ``valid``: the oldest byte of a frame; not in the clock after a ``take``.
    """

    data: Signal
    push: Signal
    commit: Signal
    drop: Signal
    full: Signal
    byte: Signal
    valid: Signal
    take: Signal

    def __init__(self, depth: int) -> None:
        self._depth = depth
        super().__init__({
            "data": In(8), "push": In(1), "commit": In(1), "drop": In(1), "full": Out(1),
            "byte": Out(8), "valid": Out(1), "take": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bytes = store = RamStorage(8, self._depth)
        writing = Signal()
        # One bit more than the address, so that full and empty differ.
        head, committed, tail = (Signal(self._depth.bit_length(), name=name) for name in ("head", "committed", "tail"))
        m.d.comb += [
            self.full.eq((head ^ tail) == self._depth),
            writing.eq(self.push & ~self.full),
            store.write_address.eq(head), store.write_data.eq(self.data), store.write_enable.eq(writing),
            store.address.eq(tail),
        ]
        with m.If(writing):
            m.d.sync += head.eq(head + 1)
        with m.Elif(self.drop):
            m.d.sync += head.eq(committed)
        with m.If(self.commit):
            m.d.sync += committed.eq(head)
        with m.If(self.take):
            m.d.sync += tail.eq(tail + 1)
        ready = (tail != committed) & ~self.take
        if not platform_form(platform).link_registers:
            m.d.comb += self.byte.eq(store.data)
        else:    # another register for the byte, which is the block RAM's own in an ECP5, and a clock more after each
            m.d.sync += self.byte.eq(store.data)
            found = Signal()
            m.d.sync += found.eq(ready)
            ready = found & ~self.take
        m.d.sync += self.valid.eq(ready)
        return m
