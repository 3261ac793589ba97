"""`Sweep` of a core against the functions of the number format, with every latency that it states, and with each of the options."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from typing import Any

import cocotb

from ranvier.model.fabric.config import FabricConfig
from ranvier.model.fabric.layout import drive_fields, dynamics_fields, row_word, state_fields
from ranvier.model.fabric.timing import pipeline, settling, word_latency, write_latency
from ranvier.rtl.signatures import word_layout

from ..bench import BLOCKS
from ..neuron_blocks import SWEEPS
from ..window_blocks import WINDOWS
from .common import FORM, Bench, bits_of, random_steps, seeded, signed, steps_word
from .neurons import Neuron, arriving, column_bits, group_bits, random_neuron, random_rule, without_currents
from .neurons import step as neuron_step

#: The sweeps of the top that runs, by the prefix of their ports.
_BLOCKS = {"options": SWEEPS, "windows": {"sweep": WINDOWS}}.get(
    os.environ.get("RANVIER_BENCH_TOP", "").partition("_")[0], {"sweep": BLOCKS})


class _Sweep:
    """What a configuration makes of the sweep of its cores."""

    def __init__(self, config: FabricConfig) -> None:
        self.config = config
        self.lanes, self.words = config.core.sweep_lanes, state_fields(config, "core")
        self.width = sum(word.bits for word in self.words)
        self.row = row_word(config, "core")
        self.per_word, self.groups = config.word_bits // self.lanes, config.core.lanes // self.lanes
        self.drive = {f.name for f in drive_fields(config, "core")}
        self.columns = {f.name: f.bits for f in (*drive_fields(config, "core"), *dynamics_fields(config, "core"))}
        self.needs = pipeline(config, "core").needs
        # A group's state is written so many clocks after its address, and its spikes counted a clock before its word leaves.
        self.write, self.word = write_latency(config, "core"), word_latency(config, "core") - 1
        self.settling = settling(config)

    def unpack(self, word: int) -> list[tuple[int, ...]]:
        """State words of a group's neurons."""
        found = []
        for _ in range(self.lanes):
            values = []
            for one in self.words:
                values.append(signed(word, one.bits) if one.signed else word & (1 << one.bits) - 1)
                word >>= one.bits
            found.append(tuple(values))
        return found

    def pack(self, states: list[tuple[int, ...]]) -> int:
        """A group's word of the state memory."""
        word = 0
        for state in reversed(states):
            for value, one in zip(reversed(state), reversed(self.words), strict=True):
                word = word << one.bits | value & (1 << one.bits) - 1
        return word


@dataclass
class _Unit:
    """The memories around the sweep, and what it must do in which clock."""

    sweep: _Sweep
    state: list[int]
    drive: list[list[Neuron]]
    dynamics: list[list[Neuron]]
    gathered: list[int]
    takes: dict[int, dict[str, int]] = field(default_factory=dict)       # address clock: outputs
    columns: dict[int, dict[str, int]] = field(default_factory=dict)     # address clock of each parameter: addresses
    spikes: dict[int, int] = field(default_factory=dict)                 # a clock before the word
    words: dict[int, dict[str, int]] = field(default_factory=dict)       # `_Sweep.word` later
    writes: dict[int, dict[str, int]] = field(default_factory=dict)      # `_Sweep.write` later
    currents: dict[int, int] = field(default_factory=dict)               # one clock later
    spiking: set[int] = field(default_factory=set)
    moved: dict[str, int] = field(default_factory=lambda: {"state_base": 0, "word_address": 0})    # in a loop, since its first pass

    def placed(self, row: dict[str, int], restart: int) -> dict[str, int]:
        """The row where this pass of a loop has it; the last row of a pass takes those behind it a step further."""
        config = self.sweep.config
        if restart:
            self.moved = dict.fromkeys(self.moved, 0)
        sizes = {"state_base": config.core.state_depth, "word_address": config.spike_depth}
        found = row | {name: (row[name] + offset) % sizes[name] for name, offset in self.moved.items()}
        if row["advance"]:
            self.moved = {"state_base": self.moved["state_base"] + row["state_step"],
                          "word_address": self.moved["word_address"] + row["word_step"]}
        return found

    def neuron(self, row: dict[str, int], group: int, lane: int) -> Neuron:
        """Some parameters from one memory, the rest from the other."""
        drive = self.drive[row["drive_base"] + group * row["drive_step"]][lane]
        rule = self.dynamics[row["dynamics_base"] + group * row["dynamics_step"]][lane]
        return {name: (drive if name in self.sweep.drive else rule)[name] for name in self.sweep.columns}

    def load(self, rng: random.Random, clock: int, row: dict[str, int], step: dict[str, int], tick: int) -> None:
        """A row loaded in ``clock``."""
        sweep, position, word = self.sweep, row["position"], row["word_address"]
        for group in range(row["groups"]):
            at = clock + 1 + group
            address = (row["state_base"] + group) % sweep.config.core.state_depth
            self.takes[at] = {"take": 1, "active": 1, "last_group": int(group == row["groups"] - 1), "state_address": address}
            for name, delay in sweep.needs.items():
                if name not in sweep.columns:
                    continue
                memory = "drive" if name in sweep.drive else "dynamics"
                where = row[f"{memory}_base"] + group * row[f"{memory}_step"]
                self.columns.setdefault(at + delay, {})[f"{name}_address"] = where
            write, counts = self._update(rng, at, address, row, group, step)
            full = position == sweep.per_word - 1
            self._gather(counts, position)
            if row["spiking"] and (full or row["flush"] and group == row["groups"] - 1):
                place = (word + tick % (1 << row["slots_log2"])) % sweep.config.spike_depth
                sent = {"address": place, "bits": group_bits(self.gathered, sweep.config.word_bits)}
                if sweep.config.spike_bits > 1:
                    sent["plane_step"] = row["plane_step"]
                self.words[at + sweep.word] = {"word_valid": 1, "word": bits_of(word_layout(sweep.config), sent)}
            self.spiking.update(range(at + 1, at + (sweep.word if row["spiking"] else sweep.settling) + 1))
            self.spikes[at + sweep.word - 1] = sum(count.bit_count() for count in counts)
            self.writes[at + sweep.write] = write
            position, word = (0, word + (1 << row["slots_log2"])) if full else (position + 1, word)

    def _gather(self, counts: list[int], position: int) -> None:
        """Each plane of a group's counts into that of the word."""
        lanes = self.sweep.lanes
        for plane, before in enumerate(self.gathered):
            bits = group_bits([count >> plane & 1 for count in counts], 1)
            self.gathered[plane] = (before if position else 0) & (1 << position * lanes) - 1 | bits << position * lanes

    def _update(self, rng: random.Random, at: int, address: int, row: dict[str, int], group: int,
                step: dict[str, int]) -> tuple[dict[str, int], list[int]]:
        """What is written of a group, and its neurons' counts."""
        sweep, config = self.sweep, self.sweep.config
        neurons = [self.neuron(row, group, lane) for lane in range(sweep.lanes)]
        old = sweep.unpack(self.state[address])
        currents = [arriving(rng, neuron, state, config, "core", row) for neuron, state in zip(neurons, old, strict=True)]
        results = [neuron_step(neuron, state, i, config, "core", row) for neuron, state, i in zip(neurons, old, currents, strict=True)]
        self.currents[at + 1] = group_bits(currents, config.state_bits)
        initial = [tuple(neuron.get(f"{word.name}_init", 0) for word in sweep.words) for neuron in neurons]
        self.state[address] = sweep.pack(initial if step["last"] else [result.state for result in results])
        readout = {"trace_readout": group_bits([result.state[0] for result in results], config.state_bits)}
        reads = int(row["readout"] and step["last"])
        return {"trace_address": address, "trace_data": self.state[address], "trace_readout_valid": reads, "parity": step["parity"],
                "clamps": sum(result.clamped for result in results),
                **(readout if reads else {})}, [result.count for result in results]


def _random_unit(rng: random.Random, sweep: _Sweep) -> _Unit:
    """The first half of the dynamics are those of populations with currents, where there can be some."""
    def groups() -> list[list[Neuron]]:
        return [[random_neuron(rng, sweep.config, "core") for _ in range(sweep.lanes)] for _ in range(16)]

    drive, dynamics = groups(), groups()
    dynamics = [*dynamics[:8], *([without_currents(neuron, sweep.config) for neuron in group] for group in dynamics[8:])]
    return _Unit(sweep, [0] * sweep.config.core.state_depth, drive, dynamics, [0] * sweep.config.spike_bits)


def _part(rng: random.Random, sweep: _Sweep, state: int, left: int) -> list[dict[str, int]]:
    """The rows of ``left`` groups: each begins in the word where the one before ended; the last one flushes."""
    found: list[dict[str, int]] = []
    config, currents = sweep.config, bool(sweep.config.currents)
    position, slots_log2 = 0, rng.randrange(5)
    base = rng.randrange(config.spike_depth - (-(-left // sweep.per_word) << slots_log2) + 1)
    spiking, level, word = int(rng.random() < 0.8), rng.randrange(config.levels), 0
    rule = random_rule(rng, config, "core", spiking)
    planes = {"plane_step": rng.randrange(config.spike_depth)} if config.spike_bits > 1 else {}
    # Groups of dynamics that may be the rows'.
    least, most = (0, 8) if rule.get("current") else (8, 16) if currents else (0, 16)
    while left:
        groups = min(left, rng.randint(1, sweep.groups))
        left -= groups
        steps = {f"{name}_step": rng.randrange(2) for name in ("drive", "dynamics")}
        bases = {"drive_base": rng.randrange(16 - groups + 1), "dynamics_base": rng.randint(least, most - groups)}
        found.append({"groups": groups, "level": level, "state_base": state, **steps, **bases,
                      "word_address": base + (word << slots_log2), "slots_log2": slots_log2, "position": position,
                      "flush": int(not left), **rule, **planes, "readout": 1 - spiking})
        word, position = word + (position + groups) // sweep.per_word, (position + groups) % sweep.per_word
        state += groups
    return found


def _loop(rng: random.Random, sweep: _Sweep, state: int, groups: int, passes: int, apart: int) -> list[tuple[dict[str, int], int]]:
    """The rows of a part in each pass of a loop, and whether it is the first one. Membranes lie ``apart``, upwards or downwards.

    Outside of loops the row behind restarts, so it does not matter whether one says that it is the last of a pass.
    """
    depth, down = sweep.config.core.state_depth, rng.randrange(2)
    rows = _part(rng, sweep, state + down * (passes - 1) * apart, groups)
    moves = {"state_step": (-apart if down else apart) % depth, "word_step": rng.randrange(sweep.config.spike_depth)}
    for n, row in enumerate(rows):
        if passes == 1:
            row |= {name: rng.randrange(2 if name == "advance" else depth) for name in ("advance", *moves)}
        else:
            row |= {"advance": int(n == len(rows) - 1), **moves}
    return [(row, int(number == 0)) for number in range(passes) for row in rows]


def _rows(rng: random.Random, sweep: _Sweep) -> list[tuple[dict[str, int], int]]:
    """The rows of a few parts, with windows in loops, each with its ``restart``. No two of them have a group of membranes together."""
    found: list[tuple[dict[str, int], int]] = []
    depth, state = sweep.config.core.state_depth, 0
    while state < depth and rng.random() < 0.9:
        groups, passes = rng.randint(1, min(depth - state, 10)), 1
        if sweep.config.windows:
            passes = rng.randint(1, min(5, (depth - state) // groups))
            apart = rng.randint(groups, (depth - state) // passes)
            found += _loop(rng, sweep, state, groups, passes, apart)
            state += passes * apart
        else:
            found += [(row, 1) for row in _part(rng, sweep, state, groups)]
            state += groups
    return found


async def _clock(bench: Bench, unit: _Unit, stored: list[int], about: str) -> None:
    """One clock of the memories around the sweep, and of all checks."""
    bench.set(current=unit.currents.get(bench.clock, 0))
    await bench.settle()
    take = unit.takes.get(bench.clock, {"take": 0, "active": 0})
    bench.check({name: value for name, value in take.items() if name != "state_address"}, about)
    asked = bench.clock - (not FORM.late_memories)    # memories that are not late are asked a clock later
    bench.check({name: value for name, value in unit.takes.get(asked, {}).items() if name == "state_address"}, about)
    bench.check(unit.columns.get(asked, {}), about)
    write = unit.writes.get(bench.clock)
    nothing = {"clamps": 0, "trace_readout_valid": 0}
    bench.check({"trace_valid": int(write is not None), **(write or nothing), "spikes": unit.spikes.get(bench.clock, 0),
                 **unit.words.get(bench.clock, {"word_valid": 0}),
                 "spiking": int(bench.clock in unit.spiking)}, about)
    if write is not None:
        stored[write["trace_address"]] = write["trace_data"]
    take, columns = unit.takes.get(bench.clock - 1, {}), unit.columns.get(bench.clock - 1, {})
    await bench.next()
    if take:
        bench.set(state=stored[take["state_address"]])
    bench.set(**{name: column_bits((unit.drive if name in unit.sweep.drive else unit.dynamics)[columns[f"{name}_address"]], name, bits)
                 for name, bits in unit.sweep.columns.items() if f"{name}_address" in columns})


@cocotb.test()
@cocotb.parametrize(block=list(_BLOCKS))
async def ticks(dut: Any, block: str) -> None:
    """Rows of random neurons, back to back and apart, in loops too: state words, spike words, readouts, counts, clock by clock."""
    rng = seeded(block)
    bench, sweep = Bench(dut, block), _Sweep(_BLOCKS[block])
    await bench.reset()
    for _ in range(12):
        unit = _random_unit(rng, sweep)
        stored = [0] * sweep.config.core.state_depth
        rows = _rows(rng, sweep)
        for number in range(6):
            steps, tick = random_steps(rng, sweep.config), rng.randrange(16)
            bench.set(ticker_tick=tick, ticker_steps=steps_word(sweep.config, steps))
            for n, (row, restart) in enumerate(rows):
                windows = {"restart": restart} if sweep.config.windows else {}
                about = f"tick {number}, row {n} {row | windows}"
                unit.load(rng, bench.clock, unit.placed(row, restart) if windows else row, steps[row["level"]], tick)
                bench.set(load=1, row=sweep.row.pack(**row), **windows)
                await _clock(bench, unit, stored, about)
                bench.set(load=0)
                for _ in range(row["groups"] - 1 + rng.choice([0, 0, 1, 3])):
                    await _clock(bench, unit, stored, about)
            for _ in range(sweep.write + 4):
                await _clock(bench, unit, stored, f"after tick {number}")
