"""What the memories of a fabric do in each clock, seen in Amaranth's own simulator: nothing is added to the RTL for it.

Slow (some hundred clocks a second), and so for small fabrics: it shows that `model/fabric/accesses.py` counts what the hardware does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Fragment, Signal
from amaranth.sim import Simulator

from ranvier.model.fabric.image import control_address, memory_image, pack_inputs, run_registers
from ranvier.model.fabric.layout import Control, Memory, memory_map
from ranvier.model.fabric.placement import Placement
from ranvier.model.fabric.timing import drain, pipeline
from ranvier.rtl.core import Core
from ranvier.rtl.fabric import Fabric
from ranvier.rtl.forms.technology import SIMULATED
from ranvier.rtl.input_unit import InputUnit
from ranvier.rtl.lanes import Lanes
from ranvier.rtl.memory.config_memory import ConfigMemory
from ranvier.rtl.memory.storage import Storage
from ranvier.rtl.ring import RingNode
from ranvier.rtl.rows import RowReader
from ranvier.rtl.scan.program import ProgramReader
from ranvier.rtl.scan.sequencer import Sequencer
from ranvier.rtl.sweep.walk import Walk

__all__ = ["Probed", "probe_run"]

_RUN_AND_CLEAR, _BANK_COMPLETE = 3, 4
_MOST_CLOCKS = 50_000
# Clocks until a command shows in `room` and in `running`.
_SETTLE = 4


@dataclass(frozen=True)
class Probed:
    """Counts of a run, by (unit, memory): ``reads`` words that a block asked for and used; ``writes`` clocks of a write enable;
    ``enabled`` clocks of a read enable, of ``observed`` clocks from the run's command to rest.

    ``hops``: clocks in which a node of the ring holds a spike word, all nodes together. ``busy``: by unit, clocks in which it or its
    node is.
    """

    reads: dict[tuple[int, Memory], int]
    writes: dict[tuple[int, Memory], int]
    enabled: dict[tuple[int, Memory], int]
    observed: int
    hops: int
    busy: tuple[int, ...]


def probe_run(placement: Placement, inputs: Mapping[str, npt.NDArray[np.integer]], steps: int) -> Probed:
    """Load ``placement`` into its fabric, run windows of ``inputs`` (batch, neurons) back to back, and count."""
    config, fabric = placement.config, Fabric(placement.config)
    top = Fragment.get(fabric, SIMULATED)  # type: ignore[no-untyped-call]
    wires = list(_wires(placement, top))
    counts: Counter[tuple[Any, ...]] = Counter()
    banks = pack_inputs(placement, inputs)
    todo = [[*bank.tolist(), (control_address(config, Control.COMMAND), _BANK_COMPLETE)] for bank in banks]

    async def host(context: Any) -> None:
        async def clock(where: int | None = None, what: int = 0) -> None:
            context.set(fabric.write, where is not None)
            context.set(fabric.address, where or 0)
            context.set(fabric.data, what)
            for key, value in wires:
                if value(context):
                    counts[key] += 1
            counts["observed",] += 1
            await context.tick()

        for where, what in [*memory_image(placement).writes.tolist(), *run_registers(placement, steps, len(banks)).tolist()]:
            await clock(where, what)
        for _ in range(_SETTLE):
            await clock()
        counts.clear()
        await clock(control_address(config, Control.COMMAND), _RUN_AND_CLEAR)
        for _ in range(_SETTLE):
            await clock()
        for bank in todo:
            while not context.get(fabric.room):
                await clock()
            for where, what in bank:
                await clock(where, what)
            for _ in range(_SETTLE):
                await clock()
        while context.get(fabric.running):
            await clock()
            assert counts["observed",] < _MOST_CLOCKS, "probe: the fabric is not at rest"
        for _ in range(drain(config)):
            await clock()

    simulator = Simulator(top)
    simulator.add_clock(1e-6)  # type: ignore[no-untyped-call]
    simulator.add_testbench(host)
    simulator.run()  # type: ignore[no-untyped-call]

    def of(kind: str) -> dict[tuple[int, Memory], int]:
        return {(unit, memory): counts[kind, unit, memory] for unit in range(config.nodes)
                for memory in memory_map(config, config.unit(unit))}
    return Probed(of("read"), of("write"), of("enabled"), counts["observed",], sum(counts["hop", n] for n in range(config.nodes)),
                  tuple(counts["busy", n] for n in range(config.nodes)))


_Wire = Callable[[Any], bool]


def _wires(placement: Placement, top: Any) -> Iterator[tuple[tuple[Any, ...], _Wire]]:
    """What is looked at in each clock, and what it counts."""
    config = placement.config
    units = [found for found in _blocks(top) if isinstance(found[0], (Core, InputUnit))]
    nodes = [block for block, _ in _blocks(top) if isinstance(block, RingNode)]
    assert len(units) == len(nodes) == config.nodes
    for number, ((unit, fragment), node) in enumerate(zip(units, nodes, strict=True)):
        yield ("hop", number), _high(node.o_valid)
        yield ("busy", number), _high(unit.busy, node.busy)
        inside = dict(_named(fragment))
        for memory in memory_map(config, config.unit(number)):
            block, part = inside[memory.name.lower()]
            assert isinstance(block, ConfigMemory)
            storages = [found for found, _ in _blocks(part) if isinstance(found, Storage)]
            yield ("enabled", number, memory), _high(*(storage.enable for storage in storages))
            yield ("write", number, memory), _high(*(storage.write_enable for storage in storages))
        yield from _readers(placement, number, fragment)


def _readers(placement: Placement, number: int, fragment: Any) -> Iterator[tuple[tuple[Any, ...], _Wire]]:
    """Where a word is asked for and will be used."""
    config, kind = placement.config, placement.config.unit(number)
    start = _the(fragment, Core if kind == "core" else InputUnit)[0].ticker.start
    walk = _the(fragment, Walk)[0]

    def sweeps(clock: int) -> _Wire:
        return _high(walk.stages[clock + 1].rule.valid)    # memories that are not late are asked a clock after
    yield ("read", number, Memory.STATE), sweeps(0)
    needs = pipeline(config, kind).needs
    for memory in (Memory.DRIVE, Memory.DYNAMICS):
        columns = [name for name, _ in memory_map(config, kind)[memory].columns]
        assert columns
        yield ("read", number, memory), sweeps(needs[columns[0]])
    if kind == "core":
        program, sequencer = _the(fragment, ProgramReader)[0], _the(fragment, Sequencer)
        lanes = _the(fragment, Lanes)[0]
        yield ("read", number, Memory.PROGRAM), lambda context: bool(context.get(program.enable & (~program.idle | start)))
        yield ("read", number, Memory.SPIKES), _high(_local(sequencer[1], "scanned"))    # in the clock after its read
        yield ("read", number, Memory.WEIGHTS), _high(lanes.weight)
        yield ("read", number, Memory.ROWS), _high(lanes.row_end)
    else:
        rows = _the(fragment, RowReader)[0]
        yield ("read", number, Memory.ROWS), lambda context: bool(context.get((rows.idle & start) | rows.next))
        yield ("read", number, Memory.INPUTS), sweeps(0)


def _high(*signals: Any) -> _Wire:
    """Whether any of ``signals`` is high."""
    return lambda context: any(context.get(signal) for signal in signals)


def _named(fragment: Any) -> Iterable[tuple[str, tuple[Any, Any]]]:
    """The named blocks right inside of a fragment: component and fragment."""
    for part, name, *_ in fragment.subfragments:
        yield str(name), (part.origins[0] if getattr(part, "origins", None) else None, part)


def _blocks(fragment: Any) -> Iterator[tuple[Any, Any]]:
    """All blocks inside of a fragment, itself left out: component and fragment."""
    for _, (block, part) in _named(fragment):
        yield block, part
        yield from _blocks(part)


def _the(fragment: Any, kind: type) -> tuple[Any, Any]:
    """The one block of a kind; the fragment itself may be it."""
    own = [(origin, fragment) for origin in getattr(fragment, "origins", None) or () if isinstance(origin, kind)]
    found = own or [(block, part) for block, part in _blocks(fragment) if isinstance(block, kind)]
    assert len(found) == 1, f"probe: {len(found)} blocks {kind.__name__}"
    return found[0]


def _local(fragment: Any, name: str) -> Signal:
    """A signal that a block drives but does not show."""
    found: dict[int, Signal] = {id(signal): signal for statements in fragment.statements.values() for statement in statements
             for signal in statement._lhs_signals() if signal.name == name}
    assert len(found) == 1, f"probe: {len(found)} signals {name}"
    return next(iter(found.values()))
