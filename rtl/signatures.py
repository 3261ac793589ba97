"""Bundles of signals that more than one block speaks."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

from ranvier.model.fabric.config import FabricConfig, bits_for
from ranvier.model.fabric.layout import CHUNK_BITS, OFFSET_BITS, RUN_BITS, state_bits
from ranvier.model.words import Word

__all__ = ["ConfigBus", "NextTick", "TickBus", "Trace", "ring_layout", "step_layout", "struct", "word_layout"]


def struct(word: Word) -> data.StructLayout:
    """A descriptor's structure from its definition in `model/fabric/layout.py`."""
    return data.StructLayout({f.name: unsigned(f.bits) for f in word.fields})


class ConfigBus(Signature):
    """Configuration accesses to one memory, or to a unit with all of its memories.

    ``write`` and ``read`` (1): access the chunk at ``offset``, which is the word's number times its chunks (rounded up to a power of two)
    plus the chunk; ``data`` is written. ``value`` is the chunk that was read, a fixed time after ``read``: `answer_latency` clocks for a
    memory, `chain_latency` for a unit. In every other clock it is 0, so that the values of all memories can be joined by or.
    """

    def __init__(self) -> None:
        super().__init__({
            "offset": Out(OFFSET_BITS), "write": Out(1), "read": Out(1), "data": Out(CHUNK_BITS), "value": In(CHUNK_BITS)})


def step_layout(config: FabricConfig) -> data.StructLayout:
    """What one level does in this tick: its place in the window."""
    return data.StructLayout({
        "open": 1,      # the level takes a step in this tick
        "last": 1,      # the window's last
        "parity": 1,    # the window's number, lowest bit
        "tau": bits_for(config.delays),  # step in the window, held at the longest delay
        **({"number": RUN_BITS} if config.random else {}),    # step in the window
    })


class TickBus(Signature):
    """What the ticker tells every unit.

    ``start``: the first clock of a tick. ``tick`` (its number, modulo the delays) and ``steps`` (`step_layout` for each level) change with
    it and hold through the tick. ``begin`` comes once a run, three clocks or more before its first ``start``: what the host may have
    changed can be read again. ``clear``: counters become 0.
    """

    def __init__(self, config: FabricConfig) -> None:
        super().__init__({
            "begin": Out(1), "start": Out(1), "tick": Out(bits_for(config.delays)),
            "steps": Out(data.ArrayLayout(step_layout(config), config.levels)), "clear": Out(1)})


class NextTick(Signature):
    """What the ticker knows of the next tick: ``going`` says that it starts in the next clock, ``first`` is level 0's step in it.

    ``begin`` and ``clear`` are those of `TickBus`.
    """

    def __init__(self, config: FabricConfig) -> None:
        super().__init__({"begin": Out(1), "clear": Out(1), "going": Out(1), "first": Out(step_layout(config))})


def word_layout(config: FabricConfig) -> data.StructLayout:
    """A spike word with all of its planes: the first plane's address in the spike buffers, what is added to it from plane to plane,
    and the bits, the first plane's lowest.
    """
    step = {"plane_step": bits_for(config.spike_depth - 1)} if config.spike_bits > 1 else {}
    return data.StructLayout({"address": bits_for(config.spike_depth - 1), "bits": config.spike_bits * config.word_bits, **step})


def ring_layout(config: FabricConfig) -> data.StructLayout:
    """A spike word on the ring, one plane of it: where it goes in every spike buffer, and its bits."""
    return data.StructLayout({
        "address": bits_for(config.spike_depth - 1),
        "bits": config.word_bits,
    })


class Trace(Signature):
    """Every group's state as a ``core`` or the ``input`` unit stores it, for comparison with the model; unused it costs nothing.

    ``data`` are the groups' words of the state memory, ``readout`` membranes alone.
    """

    def __init__(self, config: FabricConfig, unit: str) -> None:
        part = config.part(unit)
        super().__init__({
            "valid": Out(1),
            "address": Out(bits_for(part.state_depth - 1)),
            "data": Out(part.sweep_lanes * state_bits(config, unit)),
            "readout_valid": Out(1),
            "readout": Out(part.sweep_lanes * config.state_bits),
        })
