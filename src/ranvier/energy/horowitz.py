"""Energies of single operations in 45 nm at 0.9 V: M. Horowitz, "Computing's energy problem", ISSCC 2014, figure 1.1.9."""

from __future__ import annotations

import math

from ..model.fabric.accesses import Access
from .counts import Run
from .interval import Interval, exactly
from .table import Part, Setting, Term

__all__ = ["Horowitz45", "add_joules", "memory_joules", "multiply_joules"]

_PICO = 1e-12
#: Integer additions: bits and picojoules. Between and below them a straight line.
_ADD = ((8, 0.03), (32, 0.1))
#: An integer multiplication of 32 by 32 bits, picojoules; of 8 by 8 it is 0.2, which is this one by the product of the widths.
_MULTIPLY_32 = 3.1
_FLOAT_ADD, _FLOAT_MULTIPLY = 0.9, 3.7
#: A word of 64 bits from a cache of so many bytes, picojoules.
_CACHE_BYTES, _CACHE = 8 * 1024, 10.0
_CACHE_BITS = 64
#: Operations of an update beside those for each bit of the spike's count: sum, bias, and two bounds.
_ADDS_AN_UPDATE = 4
#: What is not known of memories below 8 KB.
_SMALL = "memories of less than 8 KB"


def add_joules(bits: int) -> float:
    """An integer addition of two words of ``bits``."""
    (low, small), (high, large) = _ADD
    return (small + (large - small) * (bits - low) / (high - low)) * _PICO


def multiply_joules(one: int, other: int) -> float:
    """An integer multiplication of ``one`` by ``other`` bits."""
    return _MULTIPLY_32 * one * other / 32 ** 2 * _PICO


def memory_joules(kilobytes: float) -> Interval:
    """A bit from a memory: as the square root of its size, which meets the figures for 8 KB, 32 KB and nearly that for 1 MB.

    A memory of less than 8 KB is between that root and the figure for 8 KB: the figure's own source goes no further down.
    """
    bit = _CACHE / _CACHE_BITS * _PICO
    root = math.sqrt(kilobytes * 1024 / _CACHE_BYTES)
    return Interval(bit * root, bit * max(root, 1.0))


class Horowitz45:
    """Operations and memories of a fabric, as if each were made in 45 nm. Neither leakage nor clock nor wires are in it."""

    name = "horowitz-45nm"
    version = "1"
    of_chip = False
    board = "ulx3s"
    about = "single operations in 45 nm at 0.9 V (Horowitz, ISSCC 2014): no leakage, no clock, no wires; not a figure of an FPGA"

    def check(self, setting: Setting) -> None:
        """Any board will do: it gives the fabric and the clock."""

    def terms(self, run: Run, setting: Setting) -> list[Term]:
        """Additions, multiplications of leaks, and bits of each memory."""
        config, samples = run.placement.config, run.samples
        bits, source = config.state_bits, "Horowitz 2014"
        adds = _ADDS_AN_UPDATE + config.spike_bits
        found = [
            Term(f"synaptic additions, {bits} bits", "network", "dynamic", run.synops / samples, exactly(add_joules(bits)), source, 1.0),
            Term(f"additions of neuron updates, {bits} bits", "network", "dynamic", adds * run.updates["core"] / samples,
                 exactly(add_joules(bits)), source),
            Term(f"additions of input neurons, {bits} bits", "encoder", "dynamic", adds * run.updates["input"] / samples,
                 exactly(add_joules(bits)), source)]
        if run.leaks:
            found.append(Term(f"multiplications of leaks, {bits} x 17 bits", "network", "dynamic", run.leaks / samples,
                              exactly(multiply_joules(bits, 17)), source))
        return found + [term for access in run.accesses.memories for term in self._memory(run, access)]

    def _memory(self, run: Run, access: Access) -> list[Term]:
        kind = run.placement.config.unit(access.unit)
        part: Part = "network" if kind == "core" else "encoder"
        joules, samples = memory_joules(access.bits * access.depth / 8 / 1024), run.samples
        where = f"{kind} {access.unit}" if kind == "core" else "the input unit"
        name = f"{access.memory.name.lower()} of {where}"
        by_spikes = 1.0 if access.memory.name == "WEIGHTS" else 0.0
        written: Part = "link" if access.memory.name in ("INPUTS", "READOUT") else part
        counts: tuple[tuple[str, Part, int], ...] = (
            ("read", part, access.reads * access.bits), ("written", written, access.writes * access.write_bits))
        return [Term(f"{name}, bits {what}", side, "dynamic", count / samples, joules, "Horowitz 2014, by the root of the size", by_spikes,
                     _SMALL)
                for what, side, count in counts if count]

    def float_terms(self, macs: int, parameters: int) -> list[Term]:
        """Multiplications and additions; each parameter is read at least once, and at most once for each multiplication."""
        bits = memory_joules(parameters * 4 / 1024)
        weights = Interval(bits.low * 32 * parameters, bits.high * 32 * max(macs, parameters))
        return [Term("multiplications, float32", "network", "dynamic", macs, exactly(_FLOAT_MULTIPLY * _PICO), "Horowitz 2014"),
                Term("additions, float32", "network", "dynamic", macs, exactly(_FLOAT_ADD * _PICO), "Horowitz 2014"),
                Term("parameters read, once to once a multiplication", "network", "dynamic", 1, weights,
                     "Horowitz 2014, by the root of the size", unknown="reuse of weights")]
