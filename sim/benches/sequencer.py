"""`Sequencer` against a walk over the program: which entries, and in which clocks. With windows a program has loops too."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cocotb

from ranvier.model.fabric.layout import PASS_BITS, STEP_REGISTERS, Op, segment_word
from ranvier.model.fabric.timing import DECODE, JUMP, TICK_OVERHEAD
from ranvier.rtl.scan.entry import PIECE_BITS, SLICE_BITS, entry_layout

from ..bench import BLOCKS
from ..window_blocks import WINDOWS
from .common import FORM, Bench, parts_in_use, random_steps, seeded, steps_word, unpack

_CONFIG = WINDOWS if os.environ.get("RANVIER_BENCH_TOP", "").startswith("windows") else BLOCKS
_SEGMENT, _ENTRY = segment_word(_CONFIG), entry_layout(_CONFIG)
_SLICES = -(-_CONFIG.word_bits // SLICE_BITS)
_ADDRESSES = _CONFIG.spike_depth
_WEIGHTS = 1 << next(f.bits for f in _SEGMENT.fields if f.name == "weight_base")


@dataclass
class _Action:
    """One clock of the sequencer. ``issues`` needs credit, and is told in the clock after; an ``entry`` is offered in the next."""

    issues: bool
    entry: dict[str, int] | None = None


def _row(rng: random.Random, row: int, count: int, passes: int = 1) -> list[dict[str, int]]:
    """Segments of a row: they share its level, and the last one ends it. Windows may begin and end anywhere."""
    level, hold, neurons = rng.randrange(_CONFIG.levels), rng.randint(1, _CONFIG.most_hold), rng.randint(1, _CONFIG.core.lanes)
    found: list[dict[str, int]] = []
    for n in range(count):
        slots_log2 = rng.randrange(5)
        words = rng.randint(0, min(4, _CONFIG.spike_depth >> slots_log2))
        segment = {
            "op": int(rng.choice([Op.SCAN, Op.SCAN, Op.SCAN, Op.DOUBLE])), "row_last": int(n == count - 1), "level": level,
            "source_delay": rng.choice([0, 0, 1, 2, 3, _CONFIG.delays]), "words": words,
            "delay": rng.randint(1, _CONFIG.delays),
            "slots_log2": slots_log2, "base": rng.randrange(_CONFIG.spike_depth - (max(words, 1) << slots_log2) + 1),
            "weight_base": rng.randrange(_WEIGHTS), "row": row, "hold": hold, "neurons": neurons}
        found.append(segment | (_window(rng, passes) if _CONFIG.windows else {}))
    return found


def _window(rng: random.Random, passes: int) -> dict[str, int]:
    """The segment's own bits of its words, and its passes of a loop. What is in ``to`` is nobody's concern."""
    top = _CONFIG.word_bits - 1
    least, most = rng.choice([(0, passes - 1), (0, (1 << PASS_BITS) - 1), (rng.randrange(passes), rng.randrange(passes))])
    return {"first": rng.choice([0, rng.randint(0, top)]), "last": rng.choice([top, rng.randint(0, top)]), "y_least": least, "y_most": most,
            "step_register": rng.randrange(STEP_REGISTERS), "to": rng.randrange(_CONFIG.core.program_depth)}


def _loop_end(rng: random.Random, begin: int, passes: int) -> list[dict[str, int]]:
    """Steps of some of the offsets, and the way back to segment number ``begin``. What is not theirs holds anything."""
    def word(**fields: int) -> dict[str, int]:
        return {f.name: rng.getrandbits(f.bits) for f in _SEGMENT.fields} | {"row_last": 0} | fields

    steps = [word(op=Op.STEP, step_register=n, base=rng.randrange(_ADDRESSES)) for n in range(1, STEP_REGISTERS) if rng.random() < 0.6]
    return [*steps, word(op=Op.LOOP, to=begin, y_most=passes - 1)]


def _program(rng: random.Random) -> list[dict[str, int]]:
    """Rows, and with windows loops around some of them."""
    found: list[dict[str, int]] = []
    room, row, rows = _CONFIG.core.program_depth - 1, 0, rng.randrange(_CONFIG.core.row_depth)
    while row < rows:
        begin, looped = len(found), bool(_CONFIG.windows and rng.random() < 0.6)
        together = min(rng.randint(1, 3), rows - row) if looped else 1
        passes = rng.choice([1, 2, 3, 5]) if looped else 1
        made = [_row(rng, row + n, rng.randint(1, 4), passes) for n in range(together)]
        end = _loop_end(rng, begin, passes) if looped else []
        if begin + sum(map(len, made)) + len(end) > room:
            break
        found += [segment for one in made for segment in one] + end
        row += together
    return found


def _long_loop(rng: random.Random) -> list[dict[str, int]]:
    """As many passes as there can be, and a row behind them."""
    passes = 1 << PASS_BITS
    return [*_row(rng, 0, 2, passes), *_loop_end(rng, 0, passes), *_row(rng, 1, 2)]


def _actions(program: list[dict[str, int]], spikes: list[int], steps: list[dict[str, int]], tick: int) -> Iterator[_Action]:
    """What the sequencer does clock by clock, with credit."""
    at, number, offsets = 0, 0, [0] * STEP_REGISTERS    # the segment in hand; of a loop: its pass, and how far its sources have moved
    while at < len(program):
        segment = program[at]
        at += 1
        if segment["op"] == Op.STEP:
            offsets[segment["step_register"]] += segment["base"]
            yield _Action(False)
        elif segment["op"] == Op.LOOP:
            again = number != segment["y_most"]
            yield from [_Action(False)] * (JUMP if again else 1)
            at, number, offsets = (segment["to"], number + 1, offsets) if again else (at, 0, [0] * STEP_REGISTERS)
        else:
            yield from _segment(segment, spikes, steps[segment["level"]], tick, number, offsets)
    yield _Action(False)    # the end of the program


def _segment(segment: dict[str, int], spikes: list[int], step: dict[str, int], tick: int, number: int,
             offsets: list[int]) -> Iterator[_Action]:
    """A segment that belongs to a row, in a pass of a loop (0 outside of loops)."""
    flags = {name: segment[name] for name in ("row", "hold", "neurons")}
    if _CONFIG.windows:
        flags["restart"] = int(number == 0)
    scans = segment["op"] == Op.SCAN and step["open"] and step["tau"] >= segment["source_delay"] and segment["words"]
    if not scans or not segment.get("y_least", 0) <= number <= segment.get("y_most", 0):
        double = int(segment["op"] == Op.DOUBLE)
        pushes = step["open"] and (double or segment["row_last"])
        entry = {"bits": 0, "double": double, "row_last": segment["row_last"], **flags}
        yield _Action(bool(pushes), entry if pushes else None)
        return
    yield _Action(False)
    base = segment["base"] + (tick - segment["delay"]) % (1 << segment["slots_log2"]) + offsets[segment.get("step_register", 0)]
    for word in range(segment["words"]):
        is_last = word == segment["words"] - 1
        low = segment.get("first", 0) if word == 0 else 0
        high = segment.get("last", _CONFIG.word_bits - 1) if is_last else _CONFIG.word_bits - 1
        bits = sum(spikes[(base + (word << segment["slots_log2"])) % _ADDRESSES] & 1 << n for n in range(low, high + 1))
        last = int(segment["row_last"] and is_last)
        weight = (segment["weight_base"] + word * _CONFIG.word_bits) % _WEIGHTS
        yield _Action(True, {"bits": bits, "base": weight, "double": 0, "row_last": last, **flags} if bits or last else None)


def _check_entry(bench: Bench, about: str, issued: bool, entry: dict[str, int] | None) -> None:
    bench.check({"issued": int(issued), "entry_valid": int(entry is not None)}, about)
    if entry is not None:
        found = unpack(_ENTRY, bench.get("entry"))
        if not FORM.late_memories:    # there is nobody who looks at them
            found["filled"] = (1 << _SLICES) - 1
        slices = [n for n in range(0, _CONFIG.word_bits, SLICE_BITS) if found["filled"] >> n // SLICE_BITS & 1]
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
        self._words = [_SEGMENT.pack(**segment) for segment in program] + [0] * (_CONFIG.core.program_depth - len(program))
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
    steps, tick = random_steps(rng, _CONFIG), rng.randrange(16)
    actions, generous = list(_actions(program, spikes, steps, tick)), rng.choice([1.0, 0.7, 0.2])
    bench.set(ticker_start=1, ticker_steps=steps_word(_CONFIG, steps), ticker_tick=tick)
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
    """Random programs: skipped levels and delays, slots that wrap with the tick, credit that comes and goes, with windows loops.

    Each runs for some ticks, the next one as early as the ticker may start it, and is then exchanged for another.
    """
    rng = seeded("sequencer")
    bench = Bench(dut, "sequencer")
    await bench.reset()
    made = [_program(rng) for _ in range(60)]
    if _CONFIG.windows:
        made[20] = _long_loop(rng)
    for number, program in enumerate(made):
        spikes = [rng.choice([0, rng.getrandbits(_CONFIG.word_bits)]) for _ in range(_CONFIG.spike_depth)]
        memories = _Memories(bench, program, spikes)
        bench.set(ticker_begin=1)
        await memories.pass_by(3 + rng.randrange(3))
        for _ in range(rng.randint(1, 3)):
            await _tick(bench, rng, program, spikes, memories, number)
            await memories.pass_by(rng.choice([0, 0, 1, 5]))
