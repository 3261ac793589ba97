"""`Ticker`: when ticks begin, and what it tells each level, against the schedule's own formula."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cocotb

from ranvier.model.fabric.layout import Control
from ranvier.rtl.memory.readback import answer_latency
from ranvier.rtl.signatures import step_layout

from ..bench import BLOCKS
from .common import FORM, Bench, seeded, unpack

_RUN, _CLEAR, _READY = 1, 2, 4


@dataclass(frozen=True)
class _Run:
    """The registers of a run."""

    ticks: int
    steps: int
    total: int
    period: int
    per_step: int

    @staticmethod
    def random(rng: random.Random) -> _Run:
        steps = rng.choice([0, 1, 2, 3, 20])
        total = rng.randint(1, 30) if steps == 0 else steps * rng.randint(1, 4)
        return _Run(rng.randint(1, 45), steps, total, rng.choice([1, 1, 2, 3, 16]), rng.randrange(2))

    def step(self, tick: int, level: int) -> dict[str, int]:
        """What ``level`` does in a tick: steps come every ``period`` ticks, from the level's own first one on."""
        behind = tick - level
        done, odd = divmod(behind, self.period)
        opened = behind >= 0 and odd == 0 and done < self.total
        window, step = divmod(done, self.steps) if self.steps else (0, done)
        tau = min(max(step, 0), BLOCKS.delays)
        return {"open": int(opened), "last": int(step == self.steps - 1), "parity": window & 1, "tau": tau}

    def needs_values(self, tick: int) -> bool:
        """Whether level 0 takes a step with new input values in a tick."""
        step = self.step(tick, 0)
        return bool(step["open"] and (self.per_step or step["tau"] == 0))


class _Host:
    """Completes banks now and then, as long as there is room."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.eager = 0.5
        self.ready = False

    def writes(self, room: bool) -> bool:
        return room and self._rng.random() < self.eager


def _check_levels(bench: Bench, run: _Run, tick: int) -> None:
    """The steps of the tick in course; a closed level's other fields mean nothing."""
    found, width = bench.get("ticker_steps"), step_layout(BLOCKS).size
    for level in range(BLOCKS.levels):
        expected = run.step(tick, level)
        got = unpack(step_layout(BLOCKS), found >> level * width)
        assert got["open"] == expected["open"] and (not got["open"] or got == expected), (
            f"ticker: clock {bench.clock}, tick {tick}, level {level} of {run}: expected {expected}, found {got}")


async def _access(bench: Bench, register: Control, value: int | None = None) -> int:
    """One configuration access, which takes a clock; a read's value is there `answer_latency` clocks later."""
    bench.set(bus_offset=int(register), bus_write=int(value is not None), bus_read=int(value is None), bus_data=value or 0)
    await bench.settle()
    await bench.next()
    bench.set(bus_write=0, bus_read=0)
    if value is not None:
        return 0
    for _ in range(answer_latency(FORM) - 1):
        await bench.settle()
        await bench.next()
    await bench.settle()
    found = bench.get("bus_value")
    await bench.next()
    return found


async def _run(bench: Bench, rng: random.Random, run: _Run, host: _Host, clear: bool) -> tuple[int, int]:
    """One run from its command to its end: (clocks, waits)."""
    host.eager = rng.choice([1.0, 0.3, 0.02])
    state, tick, clocks, waits, rest = "COMMAND", 0, 0, 0, 0
    while state != "IDLE":
        blocked = run.needs_values(tick) and not host.ready
        writes = host.writes(not host.ready)
        bench.set(bus_offset=int(Control.COMMAND), bus_write=int(writes), bus_data=_READY, idle=int(rest <= 0))
        await bench.settle()
        about = f"tick {tick} of {run}, {state}"
        starts = state == "START"
        bench.check({"room": int(not host.ready), "ticker_start": int(starts), "swap": int(starts and run.needs_values(tick)),
                     "running": int(state != "COMMAND"), "waiting": int(state == "WAIT"),
                     "ticker_begin": int(state == "COMMAND"), "ticker_clear": int(clear and state == "COMMAND"),
                     **({} if state == "COMMAND" else {"ticker_tick": (tick + starts) % 16})}, about)
        bench.check({f"copy_{name}": bench.get(f"ticker_{name}") for name in ("begin", "clear", "start", "tick", "steps")}, about)
        if state in ("START", "SETTLE", "RUN"):
            _check_levels(bench, run, tick - (not starts))
        clocks += state not in ("COMMAND", "BEGIN", "WAIT")
        waits += state == "WAIT"
        onward = "WAIT" if blocked else "START"
        following = {"COMMAND": "BEGIN", "BEGIN": "WAIT", "START": "SETTLE", "SETTLE": "RUN", "WAIT": onward,
                     "RUN": "RUN" if rest > 0 else "IDLE" if tick == run.ticks else onward}[state]
        if starts:
            host.ready = host.ready and not run.needs_values(tick)
            tick, rest = tick + 1, rng.choice([0, 1, 2, 5, 12])
        rest -= state == "RUN"
        host.ready = host.ready or writes
        state = following
        await bench.next()
    bench.set(bus_write=0)
    await bench.settle()
    bench.check({"running": 0, "ticker_begin": 0, "ticker_start": 0}, f"after {run}")
    await bench.next()
    return clocks, waits


@cocotb.test()
async def runs(dut: Any) -> None:
    """Random runs, one after the other, with a host that is early, late, or hardly there."""
    rng = seeded("ticker")
    bench = Bench(dut, "ticker")
    await bench.reset()
    clocks = waits = 0
    host = _Host(rng)
    for number in range(40):
        run = _Run.random(rng)
        registers = {Control.TICKS: run.ticks, Control.STEPS: run.steps, Control.TOTAL: run.total, Control.PERIOD: run.period,
                     Control.PER_STEP: run.per_step}
        for register, value in registers.items():
            await _access(bench, register, value)
        clear = number == 0 or rng.random() < 0.5
        if clear:
            clocks = waits = 0
        await _access(bench, Control.COMMAND, _RUN | (_CLEAR if clear else 0))
        more = await _run(bench, rng, run, host, clear)
        clocks, waits = clocks + more[0], waits + more[1]
        for register, value in ((Control.CLOCKS, clocks), (Control.WAITS, waits), (Control.COMMAND, 0)):
            found = await _access(bench, register)
            assert found == value, f"ticker: {register.name} after run {number} ({run}): expected {value}, found {found}"


@cocotb.test()
async def no_ticks(dut: Any) -> None:
    """A run of no ticks does not begin, and the clear command is one pulse."""
    bench = Bench(dut, "ticker")
    await bench.reset()
    await _access(bench, Control.TICKS, 0)
    bench.set(bus_offset=int(Control.COMMAND), bus_write=1, bus_data=_RUN | _CLEAR)
    for clear in (0, 1, 0, 0, 0, 0):
        await bench.settle()
        bench.check({"ticker_clear": clear, "running": 0, "ticker_start": 0})
        await bench.next()
        bench.set(bus_write=0)
