"""The last stage of the sequencer: an entry and its spike word, for the scanner.

Two bodies with one signature: the word comes with the clock after its address, or, from a late memory, one clock later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from amaranth.hdl import Cat, Module, Signal, Value

from ranvier.model.fabric.config import FabricConfig

from ..forms.form import Form
from .bits import slices
from .entry import row_fields

__all__ = ["Flight", "offer", "offer_late"]


class Ports(Protocol):
    """Those of the `Sequencer` that this stage reads or drives."""

    spike_data: Signal
    spike_filled: Signal
    spike_used: Signal
    issued: Signal
    entry_arrives: Signal
    entry_valid: Signal
    entry: Any


@dataclass(frozen=True)
class Flight:
    """The entry whose word is being read."""

    entry: Any
    """`entry_layout`; its bits are not set yet."""
    scanned: Signal
    """Whether a word was read for it."""
    looks_at: Value
    """The bits of the word that count."""


def offer(m: Module, ports: Ports, config: FabricConfig, flight: Flight, _: Form) -> None:
    """The entry with its word, in the clock of ``issued``."""
    bits = ports.spike_data & flight.looks_at
    m.d.comb += [
        ports.entry.bits.eq(bits), *(ports.entry[name].eq(flight.entry[name]) for name in row_fields(config)),
        ports.entry_arrives.eq(ports.issued),
        ports.entry_valid.eq(ports.issued & (bits.any() | flight.entry.row_last | flight.entry.double)),
    ]


def offer_late(m: Module, ports: Ports, config: FabricConfig, flight: Flight, form: Form) -> None:
    """The entry with its late word, a clock later. A sliced scan looks at filled slices only, so bits without a scan may be any.

    Where only a part of the word counts, what the memory says of its slices is not enough.
    """
    arrives, has_word, needed = Signal(), Signal(), Signal(reset_less=True)
    m.d.sync += [
        arrives.eq(ports.issued), has_word.eq(flight.scanned), needed.eq(flight.entry.row_last | flight.entry.double),
        *(ports.entry[name].eq(flight.entry[name]) for name in row_fields(config)),
    ]
    bits: Value = ports.spike_data if form.sliced_scan else ports.spike_data & has_word.replicate(len(ports.spike_data))
    filled: Value = ports.spike_filled & has_word.replicate(len(ports.spike_filled))
    some: Value = has_word & ports.spike_used.any()
    if config.windows:
        mask = Signal(len(ports.spike_data), reset_less=True)
        m.d.sync += mask.eq(flight.looks_at)
        bits = ports.spike_data & mask
        filled, some = Cat(part.any() for part in slices(bits)), bits.any()
    m.d.comb += [
        ports.entry.bits.eq(bits), ports.entry.filled.eq(filled), ports.entry_arrives.eq(arrives),
        ports.entry_valid.eq(arrives & (some | needed)),
    ]
