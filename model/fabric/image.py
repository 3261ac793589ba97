"""The memory image: what the host writes into a fabric so that it becomes a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import RanvierError
from ..limits import Ints
from ..network.network import Network
from ..network.semantics import RESETS
from .config import FabricConfig
from .layout import CHUNK_BITS, MEMORY_BITS, OFFSET_BITS, RUN_BITS, Control, Memory, Op, memory_map, row_word, segment_word
from .parameters import drive_words, dynamics_words, initial_words
from .placement import Placement, Row, Segment
from .windows import synapses

__all__ = ["Image", "address", "control_address", "memory_image", "pack_inputs", "row_weights", "run_registers", "split_address",
           "state_writes", "unpack_lanes"]

Writes = npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Image:
    """Configuration writes: uint32 of shape (writes, 2), address and data, in the order to be written."""

    writes: Writes


def address(unit: int, memory: int, offset: int) -> int:
    """Configuration address of a chunk."""
    return (unit << OFFSET_BITS + MEMORY_BITS) | (memory << OFFSET_BITS) | offset


def split_address(where: int) -> tuple[int, int, int]:
    """Unit, memory and offset of a configuration address."""
    return where >> OFFSET_BITS + MEMORY_BITS, where >> OFFSET_BITS & (1 << MEMORY_BITS) - 1, where & (1 << OFFSET_BITS) - 1


def control_address(config: FabricConfig, register: Control) -> int:
    """Configuration address of a register of the ticker."""
    return address(config.nodes, 0, register)


def memory_image(placement: Placement) -> Image:
    """Everything but the input values and the run registers."""
    config = placement.config
    writes: list[Writes] = []
    for unit, rows in enumerate(placement.units):
        kind = config.unit(unit)
        layouts = memory_map(config, kind)
        drive, dynamics = drive_words(placement, unit), dynamics_words(placement, unit)
        contents: dict[Memory, Sequence[int]] = {Memory.DRIVE: drive.words, Memory.DYNAMICS: dynamics.words}
        contents[Memory.ROWS] = [_row(placement, passes, kind, *places) for (_, passes), *places in zip(
            placement.stored_rows(unit), drive.places, dynamics.places, strict=True)]
        if kind == "core":
            contents[Memory.PROGRAM] = _program(placement, unit)
            writes.append(_weights(placement, unit, rows))
        else:
            contents[Memory.ROWS] = contents[Memory.ROWS] or [0]
        for memory, words in contents.items():
            writes.append(_chunks(unit, memory, words, layouts[memory].chunks, layouts[memory].chunk_step))
    return Image(np.concatenate([state_writes(placement), *writes]))


def state_writes(placement: Placement) -> Writes:
    """The part of the image that puts every membrane at its beginning: writes as in `Image`."""
    found = []
    for unit in range(len(placement.units)):
        layout = memory_map(placement.config, placement.config.unit(unit))[Memory.STATE]
        found.append(_chunks(unit, Memory.STATE, initial_words(placement, unit), layout.chunks, layout.chunk_step))
    return np.concatenate(found)


def run_registers(placement: Placement, steps: int, windows: int, *, per_step: bool = False, endless: bool = False) -> Writes:
    """Writes that prepare a run of ``windows`` windows of ``steps`` steps (one without end, if ``endless``)."""
    if not 1 <= steps < 1 << 16 or not 1 <= windows < 1 << 24:
        raise RanvierError(f"run: {steps} steps and {windows} windows; a window has 1 to 65535 steps, a run up to 2**24 windows")
    plan, config = placement.schedule, placement.config
    ticks = plan.ticks(steps, windows)
    if ticks >= 1 << RUN_BITS or steps * windows >= 1 << RUN_BITS:
        raise RanvierError(f"run: {windows} windows of {steps} steps take {ticks} ticks; a run has up to {(1 << RUN_BITS) - 1}: split it")
    values = {Control.TICKS: ticks, Control.STEPS: 0 if endless else steps, Control.TOTAL: steps * windows,
              Control.PERIOD: plan.period, Control.PER_STEP: int(per_step)}
    return np.array([(control_address(config, which), value) for which, value in values.items()], np.uint32)


def pack_inputs(placement: Placement, values: Mapping[str, npt.NDArray[np.integer]]) -> npt.NDArray[np.uint32]:
    """Chunks that write input values: uint32 of shape (batch, writes, 2).

    ``values`` holds, for every input population, unsigned integers of shape (batch, neurons) below 2**input_bits. Without input
    populations there is a batch of 1: its window still has to be begun.
    """
    config = placement.config
    lanes, bits = config.input.sweep_lanes, config.input_bits
    layout = memory_map(config, "input")[Memory.INPUTS]
    rows = placement.units[-1]
    batch = len(next(iter(values.values()))) if values else 1
    groups = sum(row.groups for row in rows)
    padded = np.zeros((batch, groups * lanes), np.uint64)
    for row in rows:
        padded[:, row.state_base * lanes + row.places] = values[row.part.population]
    per_group = np.zeros((batch, groups, layout.chunks * CHUNK_BITS), np.uint8)
    each = (padded.reshape(batch, groups, lanes, 1) >> np.arange(bits, dtype=np.uint64)) & 1
    per_group[:, :, :lanes * bits] = each.reshape(batch, groups, lanes * bits)
    chunks = np.packbits(per_group, axis=-1, bitorder="little").view("<u4")
    writes = np.empty((batch, groups * layout.chunks, 2), np.uint32)
    offsets = (np.arange(groups)[:, None] * layout.chunk_step + np.arange(layout.chunks)).reshape(-1)
    writes[:, :, 0] = address(config.cores, Memory.INPUTS, 0) + offsets
    writes[:, :, 1] = chunks.reshape(batch, -1)
    return writes


def unpack_lanes(data: Writes, lanes: int, bits: int, *, first: int = 0, width: int | None = None) -> npt.NDArray[np.int64]:
    """Membranes from memory words: uint32 (groups, chunks) as int64 (groups, lanes), ``bits`` of each signed.

    Where a neuron has more words than its membrane, its entry is ``width`` bits wide, and the word asked for begins at bit ``first``.
    A word of one bit is unsigned.
    """
    width = bits if width is None else width
    spread = np.unpackbits(np.ascontiguousarray(data).view(np.uint8), axis=1, bitorder="little")[:, :lanes * width]
    padded = np.zeros((len(data), lanes, 64), np.uint8)
    padded[:, :, :bits] = spread.reshape(len(data), lanes, width)[:, :, first:first + bits]
    values = np.packbits(padded, axis=-1, bitorder="little").view("<i8").reshape(len(data), lanes)
    return np.where(values >= 1 << bits - 1, values - (1 << bits), values) if bits > 1 else values


def _chunks(unit: int, memory: Memory, words: Iterable[int], chunks: int, step: int, first: int = 0) -> Writes:
    mask = (1 << CHUNK_BITS) - 1
    found = [(address(unit, memory, (first + n) * step + c), word >> c * CHUNK_BITS & mask)
             for n, word in enumerate(words) for c in range(chunks)]
    return np.array(found, np.uint32).reshape(-1, 2)


def _row(placement: Placement, passes: list[Row], kind: str, drive: tuple[int, int], dynamics: tuple[int, int]) -> int:
    """A row descriptor, which is that of the row in every pass of a loop."""
    row = passes[0]
    config, population, part = placement.config, placement.population(row), row.part
    lanes = config.part(kind).sweep_lanes
    values = {
        "groups": row.groups, "level": row.level, "state_base": row.state_base,
        "drive_base": drive[0], "drive_step": drive[1], "dynamics_base": dynamics[0], "dynamics_step": dynamics[1],
        "word_address": _word_address(row), "slots_log2": part.slots_log2,
        "position": row.offset % config.word_bits // lanes, "flush": int(row.flush), "spiking": int(row.spiking),
        "strict": int(population.semantics.strict),
        "reset": RESETS.index(placement.network.rule(population).reset), "readout": int(not row.spiking),
    }
    if kind == "core" and config.windows:
        values |= {"advance": int(any(segment.op == Op.LOOP for segment in row.segments)), "state_step": 0, "word_step": 0}
        if len(passes) > 1:
            values |= {"state_step": passes[1].state_base - row.state_base,
                       "word_step": _word_address(passes[1]) - _word_address(row)}
    rule, options = placement.network.rule(population), config.options(kind)
    if options.spike_bits > 1:
        values["plane_step"] = part.words << part.slots_log2
    if options.next_tick:
        values["moment"] = int(rule.next_tick)
    if options.currents:
        values |= {"current": int(rule.currents), "before": int(rule.before)}
    values |= {p.name: int(placement.network.parameter(population, p.name)[0]) for p in config.family(kind).on(kind, options)
               if p.memory == "row"}
    if kind == "input":
        values |= {"last": int(row is placement.units[-1][-1]), "hold": row.hold}
    return row_word(config, kind).pack(**values)


def _word_address(row: Row) -> int:
    """Address of the row's first spike word, slot 0."""
    part = row.part
    return part.base + (row.offset // part.word_bits << part.slots_log2)


def _program(placement: Placement, unit: int) -> list[int]:
    """The words of a core's program; a segment in a loop stands for those at its place in all passes."""
    config = placement.config
    found: list[int] = []
    begins = {loop.first: loop for loop in (placement.loops[unit] if unit < len(placement.loops) else ())}
    first = row_number = 0    # the word that began the last loop, the row among all of the unit
    for number, (row, passes) in enumerate(placement.stored_rows(unit)):
        if row_number in begins:
            first, loop = len(found), begins[row_number]
            rest = loop.rows * (loop.passes - 1)
        row_number += 1
        for n, segment in enumerate(row.segments):
            found.append(_segment(config, [other.segments[n] for other in passes], row, number, first))
            if segment.op == Op.LOOP:
                row_number += rest
    return [*found, 0]


def _segment(config: FabricConfig, passes: list[Segment], row: Row, number: int, first: int) -> int:
    """A program word, from what it does in each pass; ``first`` is the word to which a loop goes back."""
    word = segment_word(config)
    widths = {f.name: f.bits for f in word.fields}
    active = [n for n, segment in enumerate(passes) if segment.source is not None] or [0]
    segment = passes[active[0]]
    values = {"op": int(segment.op), "row_last": int(segment.row_last), "level": row.level, "source_delay": segment.source_delay,
              "delay": segment.delay, "slots_log2": 0, "base": 0, "words": len(segment.words), "weight_base": 0, "row": number,
              "hold": row.hold, "neurons": row.neurons}
    window = {"first": 0, "last": config.word_bits - 1, "y_least": active[0], "y_most": active[-1], "step_register": segment.register,
              "to": 0}
    source = segment.source
    if source is not None:
        skipped = segment.begin % config.word_bits
        window |= {"first": skipped, "last": (segment.end - 1) % config.word_bits}
        # What is before the first word of the weights or of the spike buffer wraps, and is never looked at.
        values |= {"slots_log2": source.slots_log2, "base": (segment.base - active[0] * segment.step) % (1 << widths["base"]),
                   "weight_base": (segment.weight_base - skipped) % (1 << widths["weight_base"])}
    if segment.op == Op.STEP:
        values["base"] = segment.step
    if segment.op == Op.LOOP:
        window |= {"to": first, "y_most": len(passes) - 1}
    return word.pack(**values, **(window if config.windows else {}))


def _weights(placement: Placement, unit: int, rows: tuple[Row, ...]) -> Writes:
    """Weight words of one core; a word holds the weights from one source neuron to the neurons of one row, or of several like it."""
    config, network = placement.config, placement.network
    layout = memory_map(config, "core")[Memory.WEIGHTS]
    found = [np.zeros((0, 2), np.uint32)]
    written = np.zeros(layout.depth, np.bool_)
    for row in rows:
        for segment in row.segments:
            words = slice(segment.weight_words.start, segment.weight_words.stop)
            if segment.source is None or written[words].all():
                continue
            written[words] = True
            data = _pack_weights(row_weights(network, config, row, segment), config, layout.chunks)
            offsets = np.array(segment.weight_words)[:, None] * layout.chunk_step + np.arange(layout.chunks)
            block = np.stack([address(unit, Memory.WEIGHTS, 0) + offsets, data], axis=-1)
            found.append(block.reshape(-1, 2).astype(np.uint32))
    return np.concatenate(found)


def row_weights(network: Network, config: FabricConfig, row: Row, segment: Segment) -> Ints:
    """The weights of a scan, from each of its positions to each lane of its row: int64 (positions, lanes); 0 where no neuron is."""
    projection, source = network.projections[segment.projection], segment.source
    assert source is not None
    start, stop = (source.start + int(n) for n in source.neurons_before([segment.begin, segment.end]))
    weights = np.zeros((segment.end - segment.begin, config.core.lanes), np.int64)
    weights[np.ix_(source.positions(start, stop) - segment.begin, row.places)] = synapses(
        projection, network.by_name[source.population], network.by_name[row.part.population], np.arange(start, stop),
        np.arange(row.start, row.stop))
    return weights


def _pack_weights(matrix: npt.NDArray[np.int64], config: FabricConfig, chunks: int) -> npt.NDArray[np.int64]:
    """(sources, neurons) signed weights as (sources, chunks) of `CHUNK_BITS`."""
    per_chunk = CHUNK_BITS // config.weight_bits
    padded = np.zeros((len(matrix), chunks * per_chunk), np.int64)
    padded[:, :matrix.shape[1]] = matrix & (1 << config.weight_bits) - 1
    shifted = padded.reshape(len(matrix), chunks, per_chunk) << (np.arange(per_chunk) * config.weight_bits)
    return np.asarray(shifted.sum(axis=-1))
