"""Power of an iCE40 UP5K, from currents that others measured and published (`data/up5k_power.csv`)."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from ..bitstream.room import CHIPS, needs, pieces
from ..model.errors import RanvierError
from ..rtl.forms.technology import SPRAM_BITS
from .counts import Run
from .horowitz import memory_joules
from .interval import Interval, exactly
from .table import Kind, Part, Setting, Term

__all__ = ["CELLS", "Coefficients", "Up5k", "coefficients", "predict_syntzulu"]

#: Logic cells of the chip.
CELLS = 5280
_CHIP = "iCE40UP5K"
_MICRO, _NANO = 1e-6, 1e-9
#: Core voltages of the chip and of the memories in Horowitz's figures: energy goes with the square.
_VOLTS_45NM = 0.9
#: Bytes and bits of a word of a block RAM and of an SPRAM.
_BLOCK_RAM, _SPRAM = (512, 16), (32 * 1024, SPRAM_BITS)
#: How far above an ASIC's memory of that size an FPGA's may be: a guess, and so the upper end is not sure either.
_FPGA_FACTOR = 2.0


@dataclass(frozen=True)
class Coefficients:
    """What the measurements give.

    static_watts
        Of the core with its clock at rest.
    clock_joules
        Of a clock of the whole chip.
    cell_joules
        Of a logic cell in a clock, from a counter's to a multiplier's.
    multiplier_joules
        Of a DSP block in a clock in which it multiplies.
    pll_watts
        Of the PLL: its own rail, and what it adds to the core.
    block_ram_joules, spram_joules
        Of a clock in which the memory is enabled. Nobody has published a measurement: from nothing to what a 45 nm memory of that size
        would take at this voltage, times two.
    """

    volts: float
    static_watts: Interval
    clock_joules: Interval
    cell_joules: Interval
    multiplier_joules: Interval
    pll_watts: Interval
    block_ram_joules: Interval
    spram_joules: Interval


def _measured() -> list[dict[str, str]]:
    text = files("ranvier.energy").joinpath("data/up5k_power.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _core(rows: list[dict[str, str]], condition: str) -> list[tuple[float, float, float, float]]:
    """Clock in MHz, cells, core current and PLL rail in amperes of the rows whose condition matches."""
    return [(float(row["clock_MHz"] or 0), float(row["logic_cells"] or 0), float(row["core_1V219_uA"]) * _MICRO,
             float(row["pll_1V219_uA"]) * _MICRO)
            for row in rows if row["kind"] == "rail currents" and re.fullmatch(condition, row["condition"])]


@cache
def coefficients() -> Coefficients:
    """The coefficients, from the file of measurements."""
    rows = _measured()
    volts = float(next(row["value"] for row in rows if row["condition"] == "rail voltage, core and PLL"))
    rest = [current for _, _, current, _ in [*_core(rows, "Blank design"), *_core(rows, "External halted clock.*")]]
    speeds = _core(rows, r"HFOSC \(\d+ MHz\) \+ 24 bit counter.*")
    per_hz = float(np.polyfit([mhz * 1e6 for mhz, *_ in speeds], [current for _, _, current, _ in speeds], 1)[0])
    counters = _core(rows, r"External 12 MHz \+ 28.*")
    hertz = counters[0][0] * 1e6
    cell = float(np.polyfit([cells for _, cells, *_ in counters], [current for _, _, current, _ in counters], 1)[0]) / hertz
    ((_, base_cells, base, _),) = _core(rows, r"HFOSC \(12 MHz\) \+ 24 bit counter.*")
    ((_, cells, without, _),) = _core(rows, r".*no DSP.*")
    ((_, left, with_dsp, _),) = _core(rows, r".*1 DSP.*")
    busy_cell = (without - base) / (cells - base_cells) / hertz
    multiplier = (with_dsp - base) / hertz
    cells_beside = (left - base_cells) * busy_cell
    plls = _core(rows, "PLL.*")
    idle_rail = min(rail for *_, rail in _core(rows, "Blank design"))
    pll = [current - max(rest) - per_hz * mhz * 1e6 + rail - idle_rail for mhz, _, current, rail in plls]
    square = (volts / _VOLTS_45NM) ** 2 * _FPGA_FACTOR

    def memory(size: int, bits: int) -> Interval:
        return Interval(0.0, memory_joules(size / 1024).high * bits * square)
    return Coefficients(
        volts, Interval(min(rest), max(rest)).times(volts), exactly(per_hz * volts), Interval(cell, busy_cell).times(volts),
        Interval(multiplier - cells_beside, multiplier).times(volts), Interval(min(pll), max(pll)).times(volts),
        memory(*_BLOCK_RAM), memory(*_SPRAM))


def predict_syntzulu() -> tuple[Interval, float]:
    """Watts that these coefficients give for SYNtzulu, a spiking system on this chip, and the watts that its authors measured.

    Every cell works in every clock, and so does every memory; its clock is that of the chip's own oscillator, which is in ``clock_joules``.
    """
    row = next(row for row in _measured() if row["condition"].startswith("SYNtzulu") and "inference" in row["condition"])
    found, hertz = coefficients(), float(row["clock_MHz"]) * 1e6
    per_clock = found.clock_joules
    for joules, column in ((found.cell_joules, "logic_cells"), (found.block_ram_joules, "ebr"), (found.spram_joules, "spram"),
                           (Interval(0.0, found.multiplier_joules.high), "dsp")):
        per_clock += joules.times(float(row[column]))
    return found.static_watts + per_clock.times(hertz), float(row["value"]) / 1e3


class Up5k:
    """Static, clock and dynamic power of the core rail of an iCE40 UP5K; neither the pins nor the rest of a board."""

    name = "ice40up5k"
    version = "1"
    of_chip = True
    board = "icebreaker"
    about = ("core rail of an iCE40 UP5K by published currents; block RAM and SPRAM are intervals, for nobody has measured them; "
             "neither pins nor the board's other chips")

    def check(self, setting: Setting) -> None:
        """Raises `RanvierError` for a board with another chip."""
        if not setting.board.device.startswith(_CHIP):
            raise RanvierError(f"energy: the table {self.name} is for an {_CHIP}; {setting.board.name} has {setting.board.device}: "
                               f"use --board {self.board} or another table")

    def terms(self, run: Run, setting: Setting) -> list[Term]:
        """Time, clocks, cells and memories of one sample in a stream."""
        found, samples = coefficients(), run.samples
        clocks = run.clocks / samples
        seconds = clocks / setting.clock_hz
        busy = max(run.accesses.busy) / samples
        config = run.placement.config
        by_spikes = min(1.0, run.weight_words / config.cores / run.clocks)
        source = "ice40_power"
        most = setting.cells or CELLS
        least = setting.cells or 2 * config.cores * config.core.lanes * config.state_bits
        cells = Interval(found.cell_joules.low * least, found.cell_joules.high * most)
        wide = f"{most:,}" if setting.cells else f"{least:,} to {most:,}"
        terms = [
            Term("core at rest, seconds", "network", "static", seconds, found.static_watts, source, by_spikes, "static"),
            Term("PLL, seconds", "network", "clock", seconds, found.pll_watts, source, by_spikes, "PLL"),
            Term("clock tree, clocks", "network", "clock", clocks, found.clock_joules, source, by_spikes),
            Term(f"logic cells ({wide}), busy clocks", "network", "dynamic", busy, cells, source, by_spikes, "logic cells")]
        if run.leaks:
            terms.append(Term("multipliers of leaks", "network", "dynamic", run.swept["core"] / samples,
                              Interval(0.0, found.multiplier_joules.high), source, unknown="multipliers"))
        return terms + self._memories(run, setting, clocks, by_spikes)

    def _memories(self, run: Run, setting: Setting, clocks: float, by_spikes: float) -> list[Term]:
        """Block RAMs and SPRAMs: nearly all are enabled in every clock."""
        found, chip = coefficients(), CHIPS[_CHIP]
        device = setting.board.device_config(run.placement.config)
        blocks: dict[Part, int] = {"network": 0, "encoder": 0, "link": 0}
        units = 0
        for piece in pieces(device, chip.technology):
            part: Part = "network" if units < run.placement.config.cores else "encoder" if units == run.placement.config.cores else "link"
            units += piece.memory == "COUNTERS"
            blocks[part] += 0 if piece.spram else chip.block_rams_for(piece.bits, piece.depth)
        dynamic: Kind = "dynamic"
        why = "no measurement: 0 to twice a 45 nm memory at 1.219 V"
        terms = [Term("block RAMs, enabled clocks", part, dynamic, count * clocks, found.block_ram_joules, why, by_spikes,
                      "block RAM")
                 for part, count in blocks.items() if count]
        sprams = needs(device, chip).sprams
        if sprams:
            terms.append(Term("SPRAMs, enabled clocks", "network", dynamic, sprams * clocks, found.spram_joules, why, by_spikes,
                              "SPRAM"))
        return terms

    def float_terms(self, macs: int, parameters: int) -> list[Term]:
        """Nothing: the chip has no float hardware, and nobody has measured any on it."""
        return []
