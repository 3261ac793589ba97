"""Word formats: the fields of every descriptor and parameter word, lowest bit first.

The RTL makes its structures from these, the image writer packs with them, and the documentation's tables
print them; there is no width anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from ..neurons.kind import Parameter
from ..words import Field, Word
from .config import FabricConfig, bits_for

__all__ = [
    "CHUNK_BITS", "MEMORY_BITS", "OFFSET_BITS", "PASS_BITS", "RUN_BITS", "STEP_REGISTERS", "UNIT_BITS", "Control", "Counter", "Memory",
    "MemoryLayout", "Op", "bank_words", "drive_fields", "dynamics_fields", "memory_map", "parameter_field", "row_word", "segment_word",
    "state_bits", "state_fields",
]

#: Width of the configuration port's data.
CHUNK_BITS = 32
#: Bits of a configuration address below the memory's number.
OFFSET_BITS = 20
#: Bits of the memory's number, and above them of the unit's.
MEMORY_BITS = 4
UNIT_BITS = 8
#: Bits of the number of a loop's pass.
PASS_BITS = 8
#: Offsets that segments can choose from, the first of which is always 0.
STEP_REGISTERS = 4
#: Bits of the numbers of ticks and of steps in a run.
RUN_BITS = 24


class Op(IntEnum):
    """What a program word asks of the scanner."""

    END = 0     #: the program is over
    SCAN = 1    #: read spike words, accumulate a weight word for each set bit
    DOUBLE = 2  #: double the accumulators (Horner's scheme for exponents)
    STEP = 4    #: with windows: add to an offset of the segments' first spike words (3 is free)
    LOOP = 5    #: with windows: go back to the loop's first word until its last pass is done


class Memory(IntEnum):
    """Numbers of the memories of a core or of the input unit on the configuration port."""

    PROGRAM = 0
    ROWS = 1
    WEIGHTS = 2
    STATE = 3
    DRIVE = 4
    DYNAMICS = 5
    SPIKES = 6
    READOUT = 7
    INPUTS = 8
    COUNTERS = 9


class Control(IntEnum):
    """Registers of the ticker, the unit after the input unit on the configuration port."""

    COMMAND = 0   #: write: bit 0 run, bit 1 clear counters, bit 2 the input bank is complete; read: bit 0 busy
    TICKS = 1     #: write: ticks of a run (24 bits)
    STEPS = 2     #: write: source steps in a window (16 bits); 0: one window without end
    TOTAL = 3     #: write: source steps of a run, all windows together (24 bits)
    PERIOD = 4    #: write: ticks between source steps (5 bits)
    PER_STEP = 5  #: write: 1: the host gives new input values every step; 0: every window
    CLOCKS = 6    #: read: clocks spent in ticks since the counters were cleared
    WAITS = 7     #: read: clocks spent waiting for input values


class Counter(IntEnum):
    """Counters of a unit, each `CHUNK_BITS` wide; they wrap."""

    SCAN = 0            #: clocks in which the scanner has work: from a tick's first spike word in hand to its last token
    WEIGHT_WORDS = 1    #: weight words read
    SYNOPS = 2          #: synaptic operations: weights accumulated in lanes that hold a neuron
    STALLS = 3          #: clocks in which a finished row waits for the holding register
    STATE_READS = 4     #: groups of membranes read
    STATE_WRITES = 5    #: groups of membranes written
    SPIKES = 6          #: spikes given
    SPIKE_WORDS = 7     #: spike words sent
    CLAMPS = 8          #: membranes that a bound changed


def segment_word(config: FabricConfig) -> Word:
    """A program word: one run of spike words to scan for one row."""
    core = config.core
    inside = bits_for(config.word_bits - 1)
    window = (Field("first", inside, "bits of the first spike word that are not looked at"),
              Field("last", inside, "last bit of the last spike word that is looked at"),
              Field("y_least", PASS_BITS, "scan only from this pass of a loop on"),
              Field("y_most", PASS_BITS, "scan only up to this pass; of a loop's end: the last pass"),
              Field("step_register", bits_for(STEP_REGISTERS - 1), "offset to add to base, 0 for none; of a step: the one to step"),
              Field("to", bits_for(core.program_depth - 1), "of a loop's end: the word that begins the next pass"),
              ) if config.windows else ()
    loops = ", 4 step an offset by base, 5 the end of a loop" if config.windows else ""
    return Word("segment", (
        Field("op", 3 if config.windows else 2, f"0 end, 1 scan, 2 double the accumulators{loops}"),
        Field("row_last", 1, "the row is complete after this word"),
        Field("level", bits_for(config.levels - 1), "level of the destination population"),
        Field("source_delay", bits_for(config.delays), "scan only from this step of the window on"),
        Field("delay", bits_for(config.delays), "ticks between writing and reading the spikes"),
        Field("slots_log2", bits_for(config.slots_log2), "log2 of the delay slots of the source"),
        Field("base", bits_for(config.spike_depth - 1), "first spike word of the source"),
        Field("words", bits_for(config.spike_depth // 2), "spike words of the source in one slot"),
        Field("weight_base", bits_for(core.weight_depth - 1), "weight word of bit 0 of the first spike word; it wraps"),
        Field("row", bits_for(core.row_depth - 1), "row descriptor to sweep with"),
        Field("hold", bits_for(config.most_hold), "clocks that the row keeps the holding register"),
        Field("neurons", bits_for(core.lanes), "lanes that hold a neuron, for the counter"),
        *window,
    ))


def row_word(config: FabricConfig, unit: str) -> Word:
    """A row descriptor: one sweep. ``unit`` is ``core`` or ``input``."""
    part = config.part(unit)
    groups = config.core.lanes // config.core.sweep_lanes if unit == "core" else part.state_depth
    hold = () if unit == "core" else (
        Field("last", 1, "the list ends here"),
        Field("hold", bits_for(max(groups, config.nodes * config.spike_bits * (groups * part.sweep_lanes // config.word_bits + 1))),
              "clocks before the next row may begin"),)
    loops = (Field("advance", 1, "the last row of a loop's pass"),
             Field("state_step", bits_for(part.state_depth - 1), "from the membranes of a pass to those of the next"),
             Field("word_step", bits_for(config.spike_depth - 1), "from the spike words of a pass to those of the next"),
             ) if config.windows and unit == "core" else ()
    options = config.options(unit)
    planes = () if options.spike_bits == 1 else (
        Field("plane_step", bits_for(config.spike_depth - 1), "spike buffer addresses from a plane's word to that of the next plane"),)
    moment = (Field("moment", 1, "1: the reset acts in the next tick"),) if options.next_tick else ()
    current = (Field("current", 1, "the population has synaptic currents"),
               Field("before", 1, "1: the membrane takes the current of before this step")) if options.currents else ()
    shared = tuple(parameter_field(p, config.state_bits) for p in config.family(unit).on(unit, options) if p.memory == "row")
    return Word("row", (
        Field("groups", bits_for(groups), "groups to sweep; 0 ends the input unit's list"),
        Field("level", bits_for(config.levels - 1), "level of the population"),
        Field("state_base", bits_for(part.state_depth - 1), "first membrane group"),
        Field("drive_base", bits_for(part.drive_depth - 1), f"first group of {_names(drive_fields(config, unit))}"),
        Field("drive_step", 1, "1: a group each; 0: one for all"),
        Field("dynamics_base", bits_for(part.dynamics_depth - 1), f"first group of {_names(dynamics_fields(config, unit))}"),
        Field("dynamics_step", 1, "1: a group each; 0: one for all"),
        Field("word_address", bits_for(config.spike_depth - 1), "spike buffer address of the row's first word"),
        Field("slots_log2", bits_for(config.slots_log2), "log2 of the delay slots of the population"),
        Field("position", bits_for(max(1, config.word_bits // part.sweep_lanes - 1)), "group within the word where the row begins"),
        Field("flush", 1, "send the last word although it is not full"),
        Field("spiking", 1, "the population sends spike words"),
        Field("strict", 1, "spike at u > theta, else at u >= theta"),
        Field("reset", 2, "0 none, 1 subtract theta, 2 to v_reset"),
        Field("readout", 1, "keep the last membranes of a window in the readout memory"),
        *planes, *moment, *current, *shared, *loops, *hold,
    ))


def drive_fields(config: FabricConfig, unit: str) -> tuple[Field, ...]:
    """What a neuron's entry in the drive memory of a ``core`` or of the ``input`` unit holds."""
    return _fields(config, unit, "drive")


def dynamics_fields(config: FabricConfig, unit: str) -> tuple[Field, ...]:
    """What a neuron's entry in the dynamics memory of a ``core`` or of the ``input`` unit holds."""
    return _fields(config, unit, "dynamics")


def state_fields(config: FabricConfig, unit: str) -> tuple[Field, ...]:
    """A neuron's entry in the state memory of a ``core`` or of the ``input`` unit."""
    return tuple(Field(w.name, w.width(config.state_bits), "", signed=w.width(config.state_bits) > 1)
                 for w in config.family(unit).words(config.options(unit)))


def state_bits(config: FabricConfig, unit: str) -> int:
    """Width of that entry."""
    return sum(f.bits for f in state_fields(config, unit))


def parameter_field(parameter: Parameter, state_bits: int) -> Field:
    """A parameter of a neuron as a field of a word."""
    return Field(parameter.name, parameter.width(state_bits), parameter.meaning, parameter.signed)


def _fields(config: FabricConfig, unit: str, memory: str) -> tuple[Field, ...]:
    return tuple(parameter_field(p, config.state_bits) for p in config.family(unit).on(unit, config.options(unit)) if p.memory == memory)


def _state_meaning(config: FabricConfig, unit: str) -> str:
    more = [f.name for f in state_fields(config, unit)[1:]]
    return "membranes" + (f", a neuron's with {' and '.join(more)}" if more else "")


def _names(fields: tuple[Field, ...]) -> str:
    """``a, b and c``"""
    *most, last = (f.name for f in fields)
    return f"{', '.join(most)} and {last}" if most else last


@dataclass(frozen=True)
class MemoryLayout:
    """One memory behind the configuration port.

    ``columns`` are names and widths of the parts of a word, lowest first, that the fabric reads at addresses of their own;
    without them it reads whole words.
    """

    memory: Memory
    bits: int
    depth: int
    meaning: str
    columns: tuple[tuple[str, int], ...] = ()

    @property
    def chunks(self) -> int:
        """Writes of `CHUNK_BITS` that fill a word."""
        return -(-self.bits // CHUNK_BITS)

    @property
    def chunk_step(self) -> int:
        """Addresses from a word to the next: ``chunks`` rounded up to a power of two."""
        return 1 << (self.chunks - 1).bit_length()


def bank_words(depth: int) -> int:
    """Words from a memory's first bank to its second, so that the bank is the address's highest bit."""
    return 1 << bits_for(depth - 1)


def memory_map(config: FabricConfig, unit: str) -> Mapping[Memory, MemoryLayout]:
    """Memories of a ``core`` or of the ``input`` unit."""
    s, part = config.state_bits, config.part(unit)
    lanes = part.sweep_lanes
    entries = drive_fields(config, unit), dynamics_fields(config, unit)
    drive, dynamics = (tuple((f.name, f.bits * lanes) for f in fields) for fields in entries)
    shared = [
        MemoryLayout(Memory.ROWS, row_word(config, unit).bits, part.row_depth, "row descriptors"),
        MemoryLayout(Memory.STATE, state_bits(config, unit) * lanes, part.state_depth, _state_meaning(config, unit)),
        MemoryLayout(Memory.DRIVE, sum(bits for _, bits in drive), part.drive_depth, _names(entries[0]), drive),
        MemoryLayout(Memory.DYNAMICS, sum(bits for _, bits in dynamics), part.dynamics_depth, _names(entries[1]), dynamics),
    ]
    if unit == "core":
        core = config.core
        shared += [
            MemoryLayout(Memory.PROGRAM, segment_word(config).bits, core.program_depth, "segments to scan"),
            MemoryLayout(Memory.WEIGHTS, config.weight_bits * core.lanes, core.weight_depth, "weights"),
            MemoryLayout(Memory.SPIKES, config.word_bits, config.spike_depth, "spike words of all sources"),
            MemoryLayout(Memory.READOUT, s * lanes, 2 * bank_words(core.readout_depth), "last membranes of a window, two banks"),
        ]
    else:
        shared.append(MemoryLayout(Memory.INPUTS, config.input_bits * lanes, 2 * bank_words(part.state_depth),
                                   "values from the host, two banks"))
    return {layout.memory: layout for layout in sorted(shared, key=lambda m: m.memory)}
