"""`Sweep` of a core against the functions of the number format, with every latency that it states."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import cocotb

from ranvier.model.fabric.layout import drive_fields, dynamics_fields, row_word
from ranvier.model.fabric.timing import pipeline, word_latency, write_latency
from ranvier.model.neurons.kind import INITIAL
from ranvier.rtl.signatures import ring_layout

from ..bench import BLOCKS
from .common import FORM, Bench, bits_of, random_steps, seeded, signed, steps_word
from .neurons import Neuron, before_spike, column_bits, group_bits, random_neuron
from .neurons import step as neuron_step

_LANES, _STATE = BLOCKS.core.sweep_lanes, BLOCKS.state_bits
_ROW = row_word(BLOCKS, "core")
_PER_WORD = BLOCKS.word_bits // _LANES
_GROUPS = BLOCKS.core.lanes // _LANES
_DRIVE = {f.name for f in drive_fields(BLOCKS, "core")}
_COLUMNS = {f.name: f.bits for f in (*drive_fields(BLOCKS, "core"), *dynamics_fields(BLOCKS, "core"))}
#: A group's membranes are written so many clocks after its address, and its spikes counted a clock before its word leaves.
_WRITE, _WORD = write_latency(BLOCKS, "core"), word_latency(BLOCKS, "core") - 1


@dataclass
class _Unit:
    """The memories around the sweep, and what it must do in which clock."""

    state: list[int]
    drive: list[list[Neuron]]
    dynamics: list[list[Neuron]]
    gathered: int = 0
    takes: dict[int, dict[str, int]] = field(default_factory=dict)       # address clock: outputs
    columns: dict[int, dict[str, int]] = field(default_factory=dict)     # address clock of each parameter: addresses
    spikes: dict[int, int] = field(default_factory=dict)                 # a clock before the word
    words: dict[int, dict[str, int]] = field(default_factory=dict)       # `_WORD` later
    writes: dict[int, dict[str, int]] = field(default_factory=dict)      # `_WRITE` later
    currents: dict[int, int] = field(default_factory=dict)               # one clock later
    spiking: set[int] = field(default_factory=set)

    def neuron(self, row: dict[str, int], group: int, lane: int) -> Neuron:
        """Some parameters from one memory, the rest from the other."""
        drive = self.drive[row["drive_base"] + group * row["drive_step"]][lane]
        rule = self.dynamics[row["dynamics_base"] + group * row["dynamics_step"]][lane]
        return {name: (drive if name in _DRIVE else rule)[name] for name in _COLUMNS}

    def load(self, rng: random.Random, clock: int, row: dict[str, int], step: dict[str, int], tick: int) -> None:
        """A row loaded in ``clock``."""
        position, word = row["position"], row["word_address"]
        for group in range(row["groups"]):
            at = clock + 1 + group
            address = row["state_base"] + group
            self.takes[at] = {"take": 1, "active": 1, "last_group": int(group == row["groups"] - 1), "state_address": address}
            for name, delay in pipeline(BLOCKS, "core").needs.items():
                memory = "drive" if name in _DRIVE else "dynamics"
                where = row[f"{memory}_base"] + group * row[f"{memory}_step"]
                self.columns.setdefault(at + delay, {})[f"{name}_address"] = where
            write = self._update(rng, at, address, row, group, step)
            full = position == _PER_WORD - 1
            spikes = write.pop("bits")
            self.gathered = (self.gathered if position else 0) & (1 << position * _LANES) - 1 | spikes << position * _LANES
            if row["spiking"] and (full or row["flush"] and group == row["groups"] - 1):
                slot = tick % (1 << row["slots_log2"])
                sent = {"address": word + slot, "bits": self.gathered}
                self.words[at + _WORD] = {"word_valid": 1, "word": bits_of(ring_layout(BLOCKS), sent)}
            if row["spiking"]:
                self.spiking.update(range(at + 1, at + _WORD + 1))
            self.spikes[at + _WORD - 1] = write.pop("spikes")
            self.writes[at + _WRITE] = write
            position, word = (0, word + (1 << row["slots_log2"])) if full else (position + 1, word)

    def _update(self, rng: random.Random, at: int, address: int, row: dict[str, int], group: int,
                step: dict[str, int]) -> dict[str, int]:
        neurons = [self.neuron(row, group, lane) for lane in range(_LANES)]
        old = [signed(self.state[address] >> lane * _STATE, _STATE) for lane in range(_LANES)]
        currents = [_current(rng, neuron, v) for neuron, v in zip(neurons, old, strict=True)]
        results = [neuron_step(neuron, v, i, BLOCKS, "core", row) for neuron, v, i in zip(neurons, old, currents, strict=True)]
        self.currents[at + 1] = group_bits(currents, _STATE)
        kept = group_bits([r.state[0] for r in results], _STATE)
        stored = group_bits([n[INITIAL] for n in neurons], _STATE) if step["last"] else kept
        self.state[address] = stored
        readout = int(row["readout"] and step["last"])
        return {"trace_address": address, "trace_data": stored, "trace_readout_valid": readout, "parity": step["parity"],
                "spikes": sum(r.count for r in results), "clamps": sum(r.clamped for r in results),
                "bits": group_bits([r.count for r in results], 1),
                **({"trace_readout": kept} if readout else {})}


def _random_unit(rng: random.Random) -> _Unit:
    def groups() -> list[list[Neuron]]:
        return [[random_neuron(rng, BLOCKS, "core") for _ in range(_LANES)] for _ in range(16)]

    return _Unit([0] * 16, groups(), groups())


def _current(rng: random.Random, neuron: Neuron, v: int) -> int:
    """An input that keeps the membrane in its word, as the mapper proves it does; often one that matters."""
    high = (1 << _STATE - 1) - 1
    rest = before_spike(neuron, v, BLOCKS, "core")
    least, most = max(-high - 1, -high - 1 - rest), min(high, high - rest)
    reach = neuron.get("theta", 0) - rest
    wanted = rng.choice([least, most, 0, reach, reach - 1, reach + 1, rng.randint(least, most)])
    return min(max(wanted, least), most)


def _rows(rng: random.Random) -> list[dict[str, int]]:
    """The rows of a few parts: each begins in the word where the one before ended; the last one flushes."""
    found: list[dict[str, int]] = []
    state = 0
    while state < 16 and rng.random() < 0.9:
        left, position, slots_log2 = rng.randint(1, min(16 - state, 10)), 0, rng.randrange(5)
        base = rng.randrange(BLOCKS.spike_depth - (2 << slots_log2) + 1)
        spiking, level, strict, kind = int(rng.random() < 0.8), rng.randrange(BLOCKS.levels), rng.randrange(2), rng.randrange(3)
        word = 0
        while left:
            groups = min(left, rng.randint(1, _GROUPS))
            left -= groups
            steps = {f"{name}_step": rng.randrange(2) for name in ("drive", "dynamics")}
            bases = {f"{name}_base": rng.randrange(16 - groups + 1) for name in ("drive", "dynamics")}
            found.append({"groups": groups, "level": level, "state_base": state, **steps, **bases,
                          "word_address": base + (word << slots_log2), "slots_log2": slots_log2, "position": position,
                          "flush": int(not left), "spiking": spiking, "strict": strict, "reset": kind if spiking else 0,
                          "readout": 1 - spiking})
            word, position = word + (position + groups) // _PER_WORD, (position + groups) % _PER_WORD
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
    bench.set(**{name: column_bits((unit.drive if name in _DRIVE else unit.dynamics)[columns[f"{name}_address"]], name, bits)
                 for name, bits in _COLUMNS.items() if f"{name}_address" in columns})


@cocotb.test()
async def ticks(dut: Any) -> None:
    """Rows of random neurons, back to back and apart: membranes, spike words, readouts, counts, clock by clock."""
    rng = seeded("sweep")
    bench = Bench(dut, "sweep")
    await bench.reset()
    for _ in range(12):
        unit = _random_unit(rng)
        stored = [0] * 16
        rows = _rows(rng)
        for number in range(6):
            steps, tick = random_steps(rng, BLOCKS), rng.randrange(16)
            bench.set(ticker_tick=tick, ticker_steps=steps_word(BLOCKS, steps))
            for n, row in enumerate(rows):
                about = f"tick {number}, row {n} {row}"
                unit.load(rng, bench.clock, row, steps[row["level"]], tick)
                bench.set(load=1, row=_ROW.pack(**row))
                await _clock(bench, unit, stored, about)
                bench.set(load=0)
                for _ in range(row["groups"] - 1 + rng.choice([0, 0, 1, 3])):
                    await _clock(bench, unit, stored, about)
            for _ in range(10):
                await _clock(bench, unit, stored, f"after tick {number}")
