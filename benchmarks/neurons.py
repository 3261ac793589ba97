"""What each kind of neuron costs: `python benchmarks/neurons.py -o build/bench`, a part of `make bench`.

Synthesises one lane of each family for an iCE40 UP5K and an ECP5, counts clocks by the cycle model on networks without synapses, and
reckons how many neurons fit into a step. Nothing is placed, so the clock is one that the boards' builds reach, not one found here.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from amaranth.back import rtlil

from ranvier import CoreConfig, FabricConfig, InputConfig, Network, Population, map_network, tailor
from ranvier.bitstream.plan import before_synthesis
from ranvier.bitstream.tools import find_tool, run_tool
from ranvier.files.safe import write_json
from ranvier.model.fabric.layout import drive_fields, state_bits
from ranvier.model.fabric.run import run_model
from ranvier.model.neurons.registry import family_of
from ranvier.reports.tables import print_rows
from ranvier.rtl.neurons.registry import UNITS


@dataclass(frozen=True)
class Chip:
    """A chip: its LUTs, multipliers of 16 or 18 bits, bits of memory that a fabric may keep neurons in, and a clock in Hz.

    The clock is 24 MHz, which networks of the demo reach on an iCEBreaker, or the 100 MHz of an overlay of the ULX3S. ``usable`` of the
    LUTs may go into lanes, and half of the memories into their tables.
    """

    name: str
    synthesis: str
    luts: int
    multipliers: int
    memory_bits: int
    clock_hz: int
    lut: str
    multiplier: str
    memory: str
    memories: int
    usable: float = 0.5


CHIPS = (
    Chip("UP5K", "synth_ice40 -device u -dsp", 5280, 8, 30 * 4096, 24_000_000, "SB_LUT4", "SB_MAC16", "SB_RAM40_4K", 30),
    Chip("ECP5-85", "synth_ecp5", 83_640, 156, 208 * 18 * 1024, 100_000_000, "LUT4", "MULT18X18D", "DP16KD", 208),
)


@dataclass(frozen=True)
class Subject:
    """A kind, with the state word that it is used with, and its step in seconds."""

    kind: str
    state_bits: int
    step_s: float
    parameters: Mapping[str, Any]


SUBJECTS = (
    Subject("lif", 16, 1e-4, {"theta": 100, "k": 60000}),
    Subject("cubalif", 16, 1e-4, {"theta": 100, "k": 60000, "k_i": 60000}),
    Subject("izhikevich", 20, 1e-3, {}),
    Subject("hodgkin_huxley", 18, 1e-5, {}),
)


def fabric_of(subject: Subject, neurons: int) -> tuple[Network, FabricConfig]:
    """A network of so many neurons without a synapse, and one core with one sweep lane for it."""
    population = Population("cells", neurons, subject.kind, dict(subject.parameters))
    network = Network((population,), (), state_bits=subject.state_bits, weight_bits=2)
    wanted = FabricConfig(cores=1, core=CoreConfig(lanes=4, sweep_lanes=1), input=InputConfig(sweep_lanes=1))
    return network, tailor(network, wanted)


def clocks_a_neuron(subject: Subject) -> float:
    """Clocks that one more neuron adds to a step on one lane: the slope from 256 to 1,024 neurons."""
    found = []
    for neurons in (256, 1024):
        network, config = fabric_of(subject, neurons)
        found.append(int(run_model(map_network(network, config), {}, 16).cycles.clocks.sum()) / 16)
    return (found[1] - found[0]) / 768


def lane_cells(subject: Subject, chip: Chip) -> Tally[str]:
    """Cells of one lane on ``chip``, by kind."""
    _, config = fabric_of(subject, 256)
    unit = UNITS[family_of(subject.kind).name](config, "core", clamp_by_or=False)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "lane.il").write_text(rtlil.convert(unit, name="lane"), encoding="utf-8")
        family = "ecp5" if "ecp5" in chip.synthesis else "ice40"
        (folder / "lane.ys").write_text(f"read_rtlil lane.il\n{before_synthesis(family)}\n{chip.synthesis} -top lane\n"
                                        "tee -o stat.json stat -json\n", encoding="utf-8")
        run_tool(find_tool("yosys"), ["-q", "lane.ys"], folder, "synthesis.log")
        found = json.loads((folder / "stat.json").read_text(encoding="utf-8"))
    return Tally(next(iter(found["modules"].values()))["num_cells_by_type"])


@dataclass(frozen=True)
class Cost:
    """A kind on a chip; neurons in real time are the fewer of those that its lanes have time for and its memory has room for."""

    kind: str
    chip: str
    state_bits: int
    step_ms: float
    multipliers: int
    memories: int
    luts: int
    latency: int
    clocks: float
    neuron_bits: int
    lanes: int
    in_time: int
    in_memory: int

    @property
    def real_time(self) -> int:
        """Neurons without synapses in real time."""
        return min(self.in_time, self.in_memory)

    def row(self) -> tuple[str, ...]:
        """As it stands in the table."""
        room = f"{self.real_time:,}" if self.lanes else "no lane fits"
        limit = ("time" if self.in_time < self.in_memory else "memory") if self.lanes else ""
        return (self.kind, self.chip, str(self.state_bits), f"{self.step_ms:g}", str(self.multipliers), str(self.memories),
                f"{self.luts:,}", str(self.latency), f"{self.clocks:.2f}", str(self.neuron_bits), str(self.lanes), room, limit)


COLUMNS = ("kind", "chip", "state bits", "step, ms", "multipliers", "memories", "LUTs", "latency", "clocks a neuron", "bits a neuron",
           "lanes", "neurons in real time", "limit")


def cost(subject: Subject, chip: Chip, clocks: float) -> Cost:
    """What ``subject`` costs on ``chip``."""
    _, config = fabric_of(subject, 256)
    cells = lane_cells(subject, chip)
    multipliers, luts = cells[chip.multiplier], cells[chip.lut]
    by_multipliers = chip.multipliers // multipliers if multipliers else chip.luts
    memories = cells[chip.memory]
    by_memories = chip.memories // 2 // memories if memories else chip.luts
    lanes = min(by_multipliers, by_memories, int(chip.luts * chip.usable) // max(luts, 1), 256)
    lanes = 1 << lanes.bit_length() - 1 if lanes else 0
    bits = state_bits(config, "core") + sum(field.bits for field in drive_fields(config, "core"))
    latency = family_of(subject.kind).timing(config.options("core")).latency
    return Cost(subject.kind, chip.name, subject.state_bits, subject.step_s * 1e3, multipliers, memories, luts, latency, clocks, bits,
                lanes, int(chip.clock_hz * subject.step_s / clocks * lanes), chip.memory_bits * (chip.memories - lanes * memories)
                // chip.memories // bits)


def main() -> None:
    """Print the table and write ``neurons.json``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("build/bench"), help="folder to write into")
    parser.add_argument("--kind", action="append", choices=[subject.kind for subject in SUBJECTS], help="only this kind; can be repeated")
    options = parser.parse_args()
    costs = []
    for subject in SUBJECTS:
        if options.kind and subject.kind not in options.kind:
            continue
        clocks = clocks_a_neuron(subject)
        costs += [cost(subject, chip, clocks) for chip in CHIPS]
    print_rows("Neurons", COLUMNS, [found.row() for found in costs])
    options.output.mkdir(parents=True, exist_ok=True)
    write_json(options.output / "neurons.json", [{**asdict(found), "real_time": found.real_time} for found in costs])


if __name__ == "__main__":
    main()
