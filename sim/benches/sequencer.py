"""`Sequencer` against a walk over the program: which entries, and in which clocks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cocotb

from ranvier.model.fabric.layout import Op, segment_word
from ranvier.model.fabric.timing import DECODE, TICK_OVERHEAD
from ranvier.rtl.scan.entry import PIECE_BITS, SLICE_BITS, entry_layout

from ..bench import BLOCKS
from .common import FORM, Bench, parts_in_use, random_steps, seeded, steps_word, unpack

_SEGMENT, _ENTRY = segment_word(BLOCKS), entry_layout(BLOCKS)
_SLICES = -(-BLOCKS.word_bits // SLICE_BITS)
_WEIGHTS = 1 << next(f.bits for f in _SEGMENT.fields if f.name == "weight_base")


@dataclass
class _Action:
    """One clock of the sequencer. ``issues`` needs credit, and is told in the clock after; an ``entry`` is offered in the next."""

    issues: bool
    entry: dict[str, int] | None = None


def _program(rng: random.Random) -> list[dict[str, int]]:
    """Segments; those of a row share its level, and the last one ends it."""
    found: list[dict[str, int]] = []
    for row in range(rng.randrange(BLOCKS.core.row_depth)):
        level, hold, neurons = rng.randrange(BLOCKS.levels), rng.randint(1, BLOCKS.most_hold), rng.randint(1, BLOCKS.core.lanes)
        count = rng.randint(1, 4)
        for n in range(min(count, BLOCKS.core.program_depth - 1 - len(found))):
            slots_log2 = rng.randrange(5)
            words = rng.randint(0, min(4, BLOCKS.spike_depth >> slots_log2))
            found.append({
                "op": int(rng.choice([Op.SCAN, Op.SCAN, Op.SCAN, Op.DOUBLE])), "row_last": int(n == count - 1), "level": level,
                "source_delay": rng.choice([0, 0, 1, 2, 3, BLOCKS.delays]), "words": words,
                "delay": rng.randint(1, BLOCKS.delays),
                "slots_log2": slots_log2, "base": rng.randrange(BLOCKS.spike_depth - (max(words, 1) << slots_log2) + 1),
                "weight_base": rng.randrange(_WEIGHTS), "row": row, "hold": hold, "neurons": neurons})
    return found


def _actions(program: list[dict[str, int]], spikes: list[int], steps: list[dict[str, int]], tick: int) -> Iterator[_Action]:
    """What the sequencer does clock by clock, with credit."""
    for segment in program:
        step = steps[segment["level"]]
        flags = {name: segment[name] for name in ("row", "hold", "neurons")}
        scans = segment["op"] == Op.SCAN and step["open"] and step["tau"] >= segment["source_delay"] and segment["words"]
        if not scans:
            double = int(segment["op"] == Op.DOUBLE)
            pushes = step["open"] and (double or segment["row_last"])
            entry = {"bits": 0, "double": double, "row_last": segment["row_last"], **flags}
            yield _Action(bool(pushes), entry if pushes else None)
            continue
        yield _Action(False)
        slot = (tick - segment["delay"]) % (1 << segment["slots_log2"])
        for word in range(segment["words"]):
            bits = spikes[segment["base"] + slot + (word << segment["slots_log2"])]
            last = int(segment["row_last"] and word == segment["words"] - 1)
            base = (segment["weight_base"] + word * BLOCKS.word_bits) % _WEIGHTS
            yield _Action(True, {"bits": bits, "base": base, "double": 0, "row_last": last, **flags} if bits or last else None)
    yield _Action(False)    # the end of the program


def _check_entry(bench: Bench, about: str, issued: bool, entry: dict[str, int] | None) -> None:
    bench.check({"issued": int(issued), "entry_valid": int(entry is not None)}, about)
    if entry is not None:
        found = unpack(_ENTRY, bench.get("entry"))
        if not FORM.late_memories:    # there is nobody who looks at them
            found["filled"] = (1 << _SLICES) - 1
        slices = [n for n in range(0, BLOCKS.word_bits, SLICE_BITS) if found["filled"] >> n // SLICE_BITS & 1]
        found["bits"] &= sum((1 << SLICE_BITS) - 1 << n for n in slices)
        if FORM.late_memories:
            assert all(found["bits"] >> n & (1 << SLICE_BITS) - 1 for n in slices), f"sequencer: {about}: an empty slice counts as filled"
        for name, value in entry.items():
            if name != "base" or entry["bits"]:
                assert found[name] == value, (
                    f"sequencer: {about}, clock {bench.clock}: {name} expected {value:#x}, found {found[name]:#x}")


class _Memories:
    """Program and spike buffer beside the sequencer: both late or not, and the program with an enable."""

    def __init__(self, bench: Bench, program: list[dict[str, int]], spikes: list[int]) -> None:
        self._bench, self._spikes = bench, spikes
        self._words = [_SEGMENT.pack(**segment) for segment in program] + [0] * (BLOCKS.core.program_depth - len(program))
        self._arriving = self._segment = 0

    async def next(self, **values: int) -> None:
        """The next clock, with these inputs beside what was read."""
        bench, arriving = self._bench, self._arriving
        self._arriving = self._spikes[bench.get("spike_address")]
        if bench.get("program_enable"):
            values["program_data"], self._segment = self._segment, self._words[bench.get("program_address")]
            if not FORM.late_memories:
                values["program_data"] = self._segment
        if not FORM.late_memories:
            arriving = self._arriving
        await bench.next()
        bench.set(spike_data=arriving, spike_filled=parts_in_use(arriving, SLICE_BITS), spike_used=parts_in_use(arriving, PIECE_BITS),
                  **values)

    async def pass_by(self, clocks: int) -> None:
        """Clocks in which the sequencer is idle for everybody else."""
        for _ in range(clocks):
            await self._bench.settle()
            self._bench.check({"busy": 0, "issued": 0, "entry_valid": 0}, "between ticks")
            await self.next(ticker_begin=0)


async def _tick(bench: Bench, rng: random.Random, program: list[dict[str, int]], spikes: list[int], memories: _Memories,
                number: int) -> None:
    steps, tick = random_steps(rng, BLOCKS), rng.randrange(16)
    actions, generous = list(_actions(program, spikes, steps, tick)), rng.choice([1.0, 0.7, 0.2])
    bench.set(ticker_start=1, ticker_steps=steps_word(BLOCKS, steps), ticker_tick=tick)
    issued, entry, offered, done = False, None, None, 0
    clock = 0    # since the start
    idle = 0     # clocks since the last action
    while idle < TICK_OVERHEAD or issued or offered:
        credit = rng.random() < generous
        bench.set(credit=int(credit))
        await bench.settle()
        about = f"tick {number}, {clock} clocks after the start"
        _check_entry(bench, about, issued, offered if FORM.late_memories else entry)
        bench.check({"busy": int(clock >= DECODE and done < len(actions))}, about)
        issued, entry, offered = False, None, entry
        idle += done == len(actions)
        if clock >= DECODE and done < len(actions) and (credit or not actions[done].issues):
            issued, entry = actions[done].issues, actions[done].entry
            done += 1
        await memories.next(ticker_start=0)
        clock += 1


@cocotb.test()
async def programs(dut: Any) -> None:
    """Random programs: skipped levels and delays, slots that wrap with the tick, and credit that comes and goes.

    Each runs for some ticks, the next one as early as the ticker may start it, and is then exchanged for another.
    """
    rng = seeded("sequencer")
    bench = Bench(dut, "sequencer")
    await bench.reset()
    for number in range(60):
        program = _program(rng)
        spikes = [rng.choice([0, rng.getrandbits(BLOCKS.word_bits)]) for _ in range(BLOCKS.spike_depth)]
        memories = _Memories(bench, program, spikes)
        bench.set(ticker_begin=1)
        await memories.pass_by(3 + rng.randrange(3))
        for _ in range(rng.randint(1, 3)):
            await _tick(bench, rng, program, spikes, memories, number)
            await memories.pass_by(rng.choice([0, 0, 1, 5]))
