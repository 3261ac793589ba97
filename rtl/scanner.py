"""The scanner: turns spike words into one token a clock, lowest set bit first."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import Component, In, Out

from ranvier.model.config import FabricConfig, bits_for

from .sequencer import entry_layout

__all__ = ["Scanner", "token_layout"]


def token_layout(config: FabricConfig) -> data.StructLayout:
    """What the lanes do with one clock; the bits of ``position`` are one-hot."""
    entry = entry_layout(config)
    return data.StructLayout({
        "position": config.word_bits,
        "base": entry["base"].shape,
        "weight": 1,
        "double": 1,
        "row_end": 1,
        "row": entry["row"].shape,
        "neurons": entry["neurons"].shape,
    })


class Scanner(Component):
    """A queue of entries, and the entry in hand whose bits are taken one a clock.

    An entry that arrives at an idle scanner is in hand two clocks later, and ``token`` shows its first token after one
    more; tokens of successive entries follow without a gap. The token that ends a row waits until the row before has left
    the holding register, which ``hold`` clocks after its own end it surely has. ``weight_address`` is that of ``token``.
    """

    issued: Signal
    credit: Signal
    entry_valid: Signal
    entry: Any
    token: Any
    weight_address: Signal
    stalled: Signal
    busy: Signal
    in_hand: Signal

    def __init__(self, config: FabricConfig) -> None:
        self._config = config
        super().__init__({
            "issued": In(1),
            "credit": Out(1),
            "entry_valid": In(1),
            "entry": In(entry_layout(config)),
            "token": Out(token_layout(config)),
            "weight_address": Out(bits_for(config.core.weight_depth - 1)),
            "stalled": Out(1),
            "busy": Out(1),
            "in_hand": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        layout = entry_layout(config)
        queue: Any = SyncFIFO(width=layout.size, depth=config.queue_depth)
        m.submodules.queue = queue
        head: Any = Signal(layout)
        valid = Signal()
        hold = Signal(len(head.hold))

        rest = Signal(config.word_bits)
        last = Signal()
        finish = Signal()
        m.d.comb += [
            queue.w_data.eq(self.entry),
            queue.w_en.eq(self.entry_valid),
            self.credit.eq(queue.level + self.issued < config.queue_depth),
            rest.eq(head.bits & (head.bits - 1)),
            last.eq(rest == 0),
            self.stalled.eq(valid & last & head.row_last & (hold != 0)),
            finish.eq(valid & last & ~self.stalled),
            queue.r_en.eq(~valid | finish),
            self.busy.eq(self.issued | queue.r_rdy | valid),
            self.in_hand.eq(valid),
        ]
        with m.If(queue.r_en):
            m.d.sync += [head.eq(queue.r_data), valid.eq(queue.r_rdy)]
        with m.Elif(~self.stalled):
            m.d.sync += head.bits.eq(rest)

        with m.If(finish & head.row_last):
            m.d.sync += hold.eq(head.hold - 1)
        with m.Elif(hold != 0):
            m.d.sync += hold.eq(hold - 1)

        issue = valid & ~self.stalled
        m.d.sync += [
            self.token.position.eq(head.bits & ~rest),
            self.token.base.eq(head.base),
            self.token.weight.eq(issue & head.bits.any()),
            self.token.double.eq(issue & head.double),
            self.token.row_end.eq(issue & last & head.row_last),
            self.token.row.eq(head.row),
            self.token.neurons.eq(head.neurons),
        ]
        m.d.comb += self.weight_address.eq(self.token.base + encode(self.token.position))
        return m


def encode(onehot: Value) -> Value:
    """Number of the one set bit, as an or of the positions that have each number's bit."""
    width = bits_for(len(onehot) - 1)
    return Cat(Cat(*(onehot[i] for i in range(len(onehot)) if i >> b & 1)).any() for b in range(width))
