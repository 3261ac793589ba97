"""`InputUnit` against the number format: its list of rows, the two banks of values, the hold between rows."""

from __future__ import annotations

import os
import random
from typing import Any

import cocotb

from ranvier.model.fabric.chain import chain_stages
from ranvier.model.fabric.layout import CHUNK_BITS, Memory, memory_map, row_word
from ranvier.model.fabric.timing import DECODE, word_latency
from ranvier.model.neurons.kind import INITIAL, LOWER, UPPER
from ranvier.rtl.signatures import word_layout

from ..bench import BLOCKS
from ..neuron_blocks import COUNTED
from .common import Bench, bits_of, random_steps, seeded, signed, steps_word
from .neurons import Neuron, drive_word, dynamics_word, group_bits, random_neuron
from .neurons import step as neuron_step

_PLANES = os.environ.get("RANVIER_BENCH_TOP", "").startswith("options")
_CONFIG = COUNTED if _PLANES else BLOCKS
_PART, _STATE, _BITS = _CONFIG.input, _CONFIG.state_bits, _CONFIG.input_bits
_LANES, _DEPTH = _PART.sweep_lanes, _PART.state_depth
_LAYOUTS, _ROW = memory_map(_CONFIG, "input"), row_word(_CONFIG, "input")
_PER_WORD = _CONFIG.word_bits // _LANES
_WRITE = word_latency(_CONFIG, "input") - 1


class _Populations:
    """Random input populations; their values and the two banks."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.rows: list[dict[str, int]] = []
        state = 0
        for _ in range(rng.randint(1, 4)):
            groups = rng.randint(1, 4)
            shared = rng.randrange(2)
            self.rows.append({
                "groups": groups, "level": rng.randrange(_CONFIG.levels), "state_base": state,
                "drive_base": state, "drive_step": 1 - shared,
                "dynamics_base": state, "dynamics_step": 1 - shared, "word_address": rng.randrange(_CONFIG.spike_depth - 4),
                "slots_log2": rng.randrange(3), "position": 0, "flush": 1, "spiking": 1, "strict": rng.randrange(2),
                "reset": rng.randrange(3), "readout": 0, "last": 0,
                "hold": max(groups, _CONFIG.nodes * -(-groups // _PER_WORD) * _CONFIG.spike_bits),
                **({"plane_step": rng.randrange(_CONFIG.spike_depth)} if _PLANES else {})})
            state += groups
        # The list ends after its last row, or before one of 0 groups.
        self.rows[-1]["last"] = int(rng.random() < 0.7)
        self.after = rng.getrandbits(_ROW.bits) if self.rows[-1]["last"] else 0
        self.groups = state
        # Headroom: the largest value still fits above the membrane's upper bound.
        high = (1 << _STATE - 1) - 1
        self.neurons = [[self._neuron(high) for _ in range(_LANES)] for _ in range(state)]
        self.hold = 0    # clock in which the last row's is over, which may be in the next tick
        self.gathered = [0] * _CONFIG.spike_bits
        self.state = [group_bits([0] * _LANES, _STATE)] * state
        self.banks: list[list[list[int]]] = [[[0] * _LANES for _ in range(state)] for _ in range(2)]

    def _neuron(self, high: int) -> Neuron:
        neuron, rng = random_neuron(self.rng, _CONFIG, "input"), self.rng
        top = high - (1 << _BITS) + 1
        v_max, bias = rng.randint(0, top // 2), rng.randint(-50, 50)
        v_min = rng.choice([0, -rng.randint(0, top // 2), -v_max])
        bounded = {p.name: rng.randint(v_min, v_max) for p in _CONFIG.family("input").parameters if p.bounded}
        theta = rng.choice([1, rng.randint(1, 90), neuron["theta"]])
        return {**neuron, "theta": theta, "bias": bias, LOWER: v_min, UPPER: v_max, **bounded}

    def draw(self) -> list[list[int]]:
        """New values for every neuron."""
        top = (1 << _BITS) - 1
        return [[self.rng.choice([0, top, self.rng.randint(0, top)]) for _ in range(_LANES)] for _ in range(self.groups)]

    def tick(self, start: int, steps: list[dict[str, int]], tick: int, bank: int) -> tuple[dict[int, dict[str, int]], int]:
        """What shows in which clock of a tick, and the last clock in which the unit is busy."""
        shown: dict[int, dict[str, int]] = {}
        decode, last = start + DECODE, 0
        for row in self.rows:
            step = steps[row["level"]]
            if not step["open"]:
                decode += 1
                continue
            decode = max(decode, self.hold)
            for group in range(row["groups"]):
                shown[decode + 1 + group + _WRITE] = self._group(row, group, step, tick, self.banks[bank])
            last = decode + row["groups"] + _WRITE
            self.hold = decode + 1 + row["hold"]
            decode += 1 + row["groups"]
        return shown, max(last, decode)

    def _group(self, row: dict[str, int], group: int, step: dict[str, int], tick: int, values: list[list[int]]) -> dict[str, int]:
        address = row["state_base"] + group
        neurons = self.neurons[row["drive_base"] + group * row["drive_step"]]
        old = [(signed(self.state[address] >> lane * _STATE, _STATE),) for lane in range(_LANES)]
        results = [neuron_step(n, v, i, _CONFIG, "input", row) for n, v, i in zip(neurons, old, values[address], strict=True)]
        stored = [n[INITIAL] if step["last"] else r.state[0] for n, r in zip(neurons, results, strict=True)]
        self.state[address] = group_bits(stored, _STATE)
        word, position = divmod(group, _PER_WORD)
        for plane, before in enumerate(self.gathered):
            bits = group_bits([r.count >> plane & 1 for r in results], 1) << position * _LANES
            self.gathered[plane] = bits if position == 0 else before | bits
        found = {"trace_address": address, "trace_data": self.state[address], "word_valid": 0}
        if position == _PER_WORD - 1 or group == row["groups"] - 1:
            slot = tick % (1 << row["slots_log2"])
            found |= {"word_valid": 1, "word": bits_of(word_layout(_CONFIG), {
                "address": row["word_address"] + (word << row["slots_log2"]) + slot, "bits": group_bits(self.gathered, _CONFIG.word_bits),
                **({"plane_step": row["plane_step"]} if _PLANES else {})})}
        return found


async def _write(bench: Bench, memory: Memory, words: list[int]) -> None:
    layout = _LAYOUTS[memory]
    for n, word in enumerate(words):
        for chunk in range(layout.chunks):
            bench.set(memory=int(memory), bus_offset=n * layout.chunk_step + chunk, bus_write=1,
                      bus_data=word >> chunk * CHUNK_BITS & (1 << CHUNK_BITS) - 1)
            await bench.settle()
            await bench.next()
    bench.set(bus_write=0)
    for _ in chain_stages(_CONFIG, "input"):    # on the way to the memory
        await bench.settle()
        await bench.next()


def _writes(values: list[list[int]]) -> list[tuple[int, int]]:
    """Offsets and data that write a bank."""
    layout = _LAYOUTS[Memory.INPUTS]
    return [(n * layout.chunk_step + c, group_bits(group, _BITS) >> c * CHUNK_BITS & (1 << CHUNK_BITS) - 1)
            for n, group in enumerate(values) for c in range(layout.chunks)]


async def _tick(bench: Bench, rng: random.Random, populations: _Populations, number: int, bank: int) -> int:
    """One tick; the host writes the other bank meanwhile, now and then. The bank that the tick read."""
    steps, tick, swap = random_steps(rng, _CONFIG), rng.randrange(16), rng.randrange(2)
    bank ^= swap
    shown, last = populations.tick(bench.clock, steps, tick, bank)
    populations.banks[1 - bank] = values = populations.draw()
    writes, start = _writes(values), bench.clock
    bench.set(ticker_start=1, swap=swap, ticker_steps=steps_word(_CONFIG, steps), ticker_tick=tick)
    while bench.clock <= max(last, start + len(writes) + len(chain_stages(_CONFIG, "input"))):
        since = bench.clock - start - 1
        if 0 <= since < len(writes):
            bench.set(memory=int(Memory.INPUTS), bus_write=1, bus_offset=writes[since][0], bus_data=writes[since][1])
        else:
            bench.set(bus_write=0)
        await bench.settle()
        write = shown.get(bench.clock)
        bench.check({"trace_valid": int(write is not None), **(write or {"word_valid": 0}),
                     "busy": int(start < bench.clock <= last)}, f"tick {number}, {bench.clock - start} clocks after its start")
        await bench.next()
        bench.set(ticker_start=0, swap=0)
    return bank


@cocotb.test()
async def ticks(dut: Any) -> None:
    """Random populations over random ticks."""
    rng = seeded("input unit")
    bench = Bench(dut, "input_planes" if _PLANES else "input")
    await bench.reset()
    bank = 0
    for _ in range(8):
        populations = _Populations(rng)
        await _write(bench, Memory.ROWS, [*(_ROW.pack(**row) for row in populations.rows), populations.after])
        await _write(bench, Memory.DRIVE, [drive_word(group, _CONFIG, "input") for group in populations.neurons])
        await _write(bench, Memory.DYNAMICS, [dynamics_word(group, _CONFIG, "input") for group in populations.neurons])
        await _write(bench, Memory.STATE, populations.state)
        for _ in range(2):    # both banks; then the one is read again that was
            populations.banks[1 - bank] = values = populations.draw()
            await _write(bench, Memory.INPUTS, [group_bits(group, _BITS) for group in values])
            bench.set(swap=1)
            await bench.settle()
            await bench.next()
            bench.set(swap=0)
            bank = 1 - bank
        for number in range(8):
            bank = await _tick(bench, rng, populations, number, bank)
