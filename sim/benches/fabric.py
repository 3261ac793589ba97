"""The whole fabric: random networks, loaded, run and read back over the configuration port, against every model."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt

from ranvier.files.network import load_network
from ranvier.mapping.mapper import map_network
from ranvier.model.fabric.chain import access_latency, read_latency
from ranvier.model.fabric.cycles import predict_cycles
from ranvier.model.fabric.image import address, control_address, memory_image, pack_inputs, run_registers
from ranvier.model.fabric.layout import CHUNK_BITS, Control, Counter, Memory, memory_map
from ranvier.model.fabric.placement import Placement
from ranvier.model.fabric.timing import drain
from ranvier.model.run.golden import run_golden

from ..bench import FABRIC
from ..compare import compare_run
from ..simulator import Recording
from .common import Bench

_RUN_AND_CLEAR, _BANK_COMPLETE = 3, 4
_PATIENCE = 60_000
# What the pipelines still hold when the last tick is over, and the clocks until a command shows in `room`.
_DRAIN, _SETTLE = drain(FABRIC), 4
_READ = read_latency(FABRIC)


class _Recorder:
    """Collects what passes on the fabric's outputs."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.ticks: list[int] = []
        self.words: list[list[int]] = []
        self.states: list[list[list[int]]] = [[] for _ in range(FABRIC.nodes)]
        self.readouts: list[list[list[int]]] = [[] for _ in range(FABRIC.nodes)]

    async def clock(self) -> None:
        """Take this clock's outputs and go on."""
        bench = self._bench
        await bench.settle()
        if bench.get("tick"):
            self.ticks.append(bench.clock)
        if bench.get("spike_valid"):
            self.words.append([bench.get("spike_address"), *_split(bench.get("spike_bits"), FABRIC.word_bits)])
        for unit in range(FABRIC.nodes):
            bits = _layout(unit, Memory.STATE).bits
            for records, valid, value in ((self.states, "valid", "data"), (self.readouts, "readout_valid", "readout")):
                if bench.get(f"trace_{unit}_{valid}"):
                    records[unit].append([bench.get(f"trace_{unit}_address"), *_split(bench.get(f"trace_{unit}_{value}"), bits)])
        await bench.next()


def _layout(unit: int, memory: Memory) -> Any:
    return memory_map(FABRIC, FABRIC.unit(unit))[memory]


def _split(value: int, bits: int) -> list[int]:
    return [value >> n * CHUNK_BITS & (1 << CHUNK_BITS) - 1 for n in range(-(-bits // CHUNK_BITS))]


def _array(rows: list[list[int]], width: int) -> npt.NDArray[np.uint32]:
    return np.array(rows, np.uint32).reshape(-1, width)


async def _write(bench: Bench, pairs: Iterable[tuple[int, int]]) -> None:
    for where, what in pairs:
        bench.set(address=int(where), data=int(what), write=1)
        await bench.next()
    bench.set(write=0)
    await bench.next()


async def _read(bench: Bench, wanted: list[int]) -> list[int]:
    """One access a clock; values come `_READ` clocks later."""
    found = []
    for n in range(len(wanted) + _READ):
        bench.set(read=int(n < len(wanted)), address=wanted[n] if n < len(wanted) else 0)
        await bench.settle()
        if n >= _READ:
            found.append(bench.get("value"))
        await bench.next()
    return found


async def _run(bench: Bench, banks: npt.NDArray[np.uint32]) -> _Recorder:
    """Give the run command, feed banks as there is room, record until the fabric is at rest."""
    recorder, command = _Recorder(bench), control_address(FABRIC, Control.COMMAND)
    await _write(bench, [(command, _RUN_AND_CLEAR)])
    for _ in range(access_latency(FABRIC)):
        await recorder.clock()
    todo = [[(int(a), int(d)) for a, d in bank] + [(command, _BANK_COMPLETE)] for bank in banks]
    bank: list[tuple[int, int]] = []
    settle, end = 0, bench.clock + _PATIENCE
    while bench.clock < end:
        await_room = not bank and settle == 0 and bool(todo)
        if await_room and bench.get("room"):
            bank = todo.pop(0)
        if bank:
            where, what = bank.pop(0)
            bench.set(address=where, data=what, write=1)
            settle = _SETTLE if not bank else 0
        else:
            bench.set(write=0)
            settle = max(settle - 1, 0)
        await recorder.clock()
        if not bank and not todo and settle == 0 and not bench.get("running"):
            for _ in range(_DRAIN):
                await recorder.clock()
            return recorder
    raise AssertionError(f"fabric: not at rest after {_PATIENCE} clocks; {len(recorder.ticks)} ticks began, "
                         f"{len(todo)} banks were not asked for")


async def _check_image(bench: Bench, placement: Placement) -> None:
    """Whatever the memory image wrote reads back, chunk by chunk."""
    written = {int(where): int(what) for where, what in memory_image(placement).writes}
    for (where, what), found in zip(written.items(), await _read(bench, list(written)), strict=True):
        assert found == what, f"fabric: configuration address {where:#x}: wrote {what:#x}, read {found:#x}"


async def _recording(bench: Bench, recorder: _Recorder) -> Recording:
    """The run in the form that the fast path gives it too, with the counters as the host reads them."""
    counters = [await _read(bench, [address(unit, Memory.COUNTERS, counter) for counter in Counter])
                for unit in range(FABRIC.nodes)]
    clocks, waits = await _read(bench, [control_address(FABRIC, which) for which in (Control.CLOCKS, Control.WAITS)])
    widths = [1 + _layout(unit, Memory.STATE).chunks for unit in range(FABRIC.nodes)]
    return Recording(
        np.array(recorder.ticks, np.uint64), _array(recorder.words, 1 + len(_split(0, FABRIC.word_bits))),
        tuple(_array(rows, width) for rows, width in zip(recorder.states, widths, strict=True)),
        tuple(_array(rows, width) for rows, width in zip(recorder.readouts, widths, strict=True)),
        np.array(counters, np.int64), clocks, waits)


async def _check_readouts(bench: Bench, placement: Placement, recording: Recording) -> None:
    """The readout memory holds, in the bank of the window's parity, what the trace showed last."""
    for unit in range(FABRIC.cores):
        layout, shown = _layout(unit, Memory.READOUT), recording.readouts[unit]
        windows = len(shown) // max(len(set(shown[:, 0].tolist())), 1)
        bank = (windows - 1) % 2 * (layout.depth // 2)
        for row in shown[-len(set(shown[:, 0].tolist())):] if len(shown) else ():
            offset = (bank + int(row[0])) * layout.chunk_step
            found = await _read(bench, [address(unit, Memory.READOUT, offset + c) for c in range(layout.chunks)])
            assert found == row[1:].tolist(), (
                f"fabric: unit {unit}, readout group {row[0]}: expected {row[1:].tolist()}, found {found}")


@cocotb.test()
async def networks(dut: Any) -> None:
    """The networks of the case folder, one after the other on the same fabric."""
    bench = Bench(dut, "fabric")
    await bench.reset()
    for case in sorted(Path(os.environ["RANVIER_CASES"]).glob("*.ranvier")):
        network = load_network(case)
        with np.load(case.with_suffix(".npz")) as file:
            inputs = {name: file[name] for name in file.files}
        (steps,) = {values.shape[1] for values in inputs.values()}
        placement = map_network(network, FABRIC)
        golden = run_golden(network, inputs, steps, blocks=placement.blocks, record=True, threads=1)
        blocks = {name: count[..., None] if count.ndim == 2 else count for name, count in golden.popcounts.items()}
        cycles = predict_cycles(placement, blocks, golden.clamps, steps)
        windows = len(golden.membranes[network.populations[0].name])
        await _write(bench, memory_image(placement).writes.tolist())
        await _check_image(bench, placement)
        await _write(bench, run_registers(placement, steps, windows, per_step=True).tolist())
        recorder = await _run(bench, pack_inputs(placement, {name: v.reshape(windows * steps, -1) for name, v in inputs.items()}))
        recording = await _recording(bench, recorder)
        mismatch = compare_run(placement, golden, cycles, recording, steps)
        assert mismatch is None, f"fabric: network {case.name}: {mismatch}"
        await _check_readouts(bench, placement, recording)
        cocotb.log.info("%s: %d ticks, %d clocks", case.name, len(recorder.ticks), recording.clocks)
