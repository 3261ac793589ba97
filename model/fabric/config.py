"""The configuration of a fabric, from which model, RTL, memory images and the documentation's tables derive."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from ..errors import RanvierError
from ..fixed import ROUNDING
from ..limits import MAX_DELAY, MAX_SPIKE_BITS
from ..neurons.kind import Family, Options
from ..neurons.registry import DEFAULT_FAMILY, FAMILIES, driven_family

__all__ = ["LANES_A_CHAIN", "LEAST_CORE", "LEAST_FABRIC", "LEAST_INPUT", "MOST_CORES", "MOST_LANES", "MOST_SWEEP_LANES", "MOST_WORD_BITS",
           "CoreConfig", "FabricConfig", "InputConfig", "bits_for", "check_range", "from_fields", "least_word_bits", "power_of_two",
           "size_text"]

#: Lanes whose adders share a carry chain in an ECP5 (more would make it slow), so the least that a core has.
LANES_A_CHAIN = 4
#: The least depths that a core, the input unit and the fabric can have.
LEAST_CORE = {"program_depth": 2, "row_depth": 1, "weight_depth": 16, "state_depth": 1, "drive_depth": 1, "dynamics_depth": 1,
              "readout_depth": 1}
LEAST_INPUT = {"row_depth": 1, "state_depth": 1, "drive_depth": 1, "dynamics_depth": 1}
LEAST_FABRIC = {"spike_depth": 4, "levels": 2, "delays": 1, "doubling": 0}
#: The most that a core and a fabric can have.
MOST_CORES, MOST_LANES, MOST_SWEEP_LANES, MOST_WORD_BITS = 16, 256, 64, 256
_MOST_CORE = {"program_depth": 4096, "row_depth": 1024, "weight_depth": 1 << 16}
_MOST_INPUT = {"row_depth": 1024}
_MOST_GROUPS = 1 << 14
#: Fields that came later than the format of files, hash and identity, with their defaults.
_LATER: dict[str, Any] = {"neurons": DEFAULT_FAMILY, "spike_bits": 1, "next_tick": 0, "currents": 0, "windows": 0}
#: What a field has in JSON, by its annotation; others are made before.
_PLAIN_KINDS: dict[str, type] = {"int": int, "str": str}
_Kind = TypeVar("_Kind")


def bits_for(largest: int) -> int:
    """Width of an unsigned field that holds 0 to ``largest``, at least 1."""
    return max(1, int(largest).bit_length())


def size_text(cores: int, lanes: int) -> str:
    """A fabric's size in words: ``2 cores x 64 lanes``."""
    return f"{cores} {'core' if cores == 1 else 'cores'} x {lanes} lanes"


def power_of_two(value: int) -> bool:
    """Whether ``value`` is 1, 2, 4 ..."""
    return value > 0 and value & (value - 1) == 0


def least_word_bits(cores: int, sweep_lanes: int, spike_bits: int) -> int:
    """The shortest spike word with which no sweep waits for the ring, a power of two.

    ``sweep_lanes`` are those of a core or of the input unit, whichever has more. A word's turn on the ring comes once for each node, and
    it leaves as one word for each plane.
    """
    return 1 << ((cores + 1) * sweep_lanes * spike_bits - 1).bit_length()


def check_range(owner: str, values: dict[str, int], ranges: dict[str, tuple[int, int]]) -> None:
    """Raises `RanvierError` where a value is no integer, or outside its range (least, most)."""
    for name, (least, most) in ranges.items():
        value = values[name]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise RanvierError(f"{owner}: {name} is {value!r}; it must be {least} to {most}")


def from_fields(kind: type[_Kind], found: Any, owner: str) -> _Kind:
    """A dataclass from a dict with exactly its fields, integers and text where it has them. Raises `RanvierError`."""
    kinds = {f.name: _PLAIN_KINDS.get(str(f.type)) for f in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(found, dict) or set(found) != set(kinds):
        raise RanvierError(f"{owner}: the fields must be {', '.join(sorted(kinds))}")
    for name, expected in kinds.items():
        # Not isinstance: True is an int to Python, but not to a configuration.
        if expected is not None and type(found[name]) is not expected:
            raise RanvierError(f"{owner}: {name} must be {'an integer' if expected is int else 'text'}, not {type(found[name]).__name__}")
    return kind(**found)


@dataclass(frozen=True)
class CoreConfig:
    """One dense core. Depths are in words of the memory named.

    lanes
        Neurons that accumulate side by side: 4 to 256, a power of two.
    sweep_lanes
        Neurons that the sweep updates in a clock; divides ``lanes``.
    program_depth, row_depth
        Descriptors of source words to scan, and of rows to sweep.
    weight_depth
        Weight words of ``lanes`` weights: one for each source neuron of each row.
    state_depth, drive_depth, dynamics_depth
        Groups of ``sweep_lanes`` neurons: membranes; theta, bias and v_init; decay, reset and bounds.
    readout_depth
        Groups whose last membranes of a window are kept: those of the readouts.
    """

    lanes: int = 64
    sweep_lanes: int = 8
    program_depth: int = 64
    row_depth: int = 32
    weight_depth: int = 1024
    state_depth: int = 64
    drive_depth: int = 64
    dynamics_depth: int = 32
    readout_depth: int = 32

    def __post_init__(self) -> None:
        check_range("core", asdict(self), {
            "lanes": (LANES_A_CHAIN, MOST_LANES), "sweep_lanes": (1, MOST_SWEEP_LANES),
            **{name: (least, _MOST_CORE.get(name, _MOST_GROUPS)) for name, least in LEAST_CORE.items()}})
        if not power_of_two(self.lanes):
            raise RanvierError(f"core: lanes is {self.lanes}; it must be a power of two")
        if not power_of_two(self.sweep_lanes) or self.sweep_lanes > self.lanes:
            raise RanvierError(f"core: sweep_lanes is {self.sweep_lanes}; it must be a power of two, at most lanes")


@dataclass(frozen=True)
class InputConfig:
    """The input unit. Depths are in groups of ``sweep_lanes`` neurons, ``row_depth`` in populations."""

    sweep_lanes: int = 16
    row_depth: int = 4
    state_depth: int = 64
    drive_depth: int = 64
    dynamics_depth: int = 4

    def __post_init__(self) -> None:
        check_range("input", asdict(self), {
            "sweep_lanes": (1, MOST_SWEEP_LANES),
            **{name: (least, _MOST_INPUT.get(name, _MOST_GROUPS)) for name, least in LEAST_INPUT.items()}})
        if not power_of_two(self.sweep_lanes):
            raise RanvierError(f"input: sweep_lanes is {self.sweep_lanes}; it must be a power of two")


@dataclass(frozen=True)
class FabricConfig:
    """A whole fabric: ``cores`` equal cores and an input unit on one ring.

    state_bits, weight_bits, input_bits, rounding
        The number format, as in `Network`.
    word_bits
        Bits W of a spike word, a power of two, at least (cores + 1) * sweep lanes, so that a sweep never waits
        for the ring.
    spike_depth
        Words of the spike buffer in each core: all delay slots of every population of the network.
    levels
        Levels that the ticker keeps apart: one more than the longest path of the network.
    delays
        Longest hop in ticks, and longest delay of a projection in steps; a spike buffer keeps up to one slot more.
    queue_depth
        Spike words that a scanner reads ahead.
    doubling
        1 if the lanes can double their sums, which weight exponents need.
    reads_back
        1 if the host can read every memory. With 0 it reads the readouts and the counters, and 0 for the rest, which saves
        a tenth of an iCE40 UP5K.
    neurons
        Family of neurons that the cores compute, by its name in `model/neurons/registry.py`.
    spike_bits
        Width of the count that a spike carries, 1 to 8, as in `Network`: so many spike words for each that binary spikes need.
    next_tick
        1 if neurons of the cores can reset in the step after their spike.
    currents
        1 if neurons of the cores can have synaptic currents.
    windows
        1 if the cores can scan a part of a source's rows, which convolutions need.

    Files, hash and identity say the last five only where they are not the defaults.
    """

    cores: int = 2
    core: CoreConfig = field(default_factory=CoreConfig)
    input: InputConfig = field(default_factory=InputConfig)
    state_bits: int = 16
    weight_bits: int = 4
    input_bits: int = 8
    rounding: str = "nearest"
    word_bits: int = 64
    spike_depth: int = 128
    levels: int = 8
    delays: int = MAX_DELAY
    queue_depth: int = 4
    doubling: int = 1
    reads_back: int = 1
    neurons: str = DEFAULT_FAMILY
    spike_bits: int = 1
    next_tick: int = 0
    currents: int = 0
    windows: int = 0

    def __post_init__(self) -> None:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        check_range("fabric", values, {
            "cores": (1, MOST_CORES), "state_bits": (12, 32), "input_bits": (1, 16), "spike_depth": (LEAST_FABRIC["spike_depth"], 1 << 14),
            "levels": (LEAST_FABRIC["levels"], 64), "delays": (LEAST_FABRIC["delays"], MAX_DELAY), "queue_depth": (2, 16),
            "doubling": (LEAST_FABRIC["doubling"], 1), "reads_back": (0, 1),
            "spike_bits": (1, MAX_SPIKE_BITS), "next_tick": (0, 1), "currents": (0, 1), "windows": (0, 1),
            "word_bits": (4, MOST_WORD_BITS)})
        if not isinstance(self.weight_bits, int) or self.weight_bits not in (2, 4, 8, 16):
            raise RanvierError(f"fabric: weight_bits is {self.weight_bits}; it must be 2, 4, 8 or 16")
        if self.input_bits >= self.state_bits:
            raise RanvierError(f"fabric: input_bits is {self.input_bits}; it must be less than state_bits, {self.state_bits}")
        if not isinstance(self.rounding, str) or self.rounding not in ROUNDING:
            raise RanvierError(f"fabric: rounding is {self.rounding!r}; it must be one of {', '.join(ROUNDING)}")
        if self.neurons not in FAMILIES:
            raise RanvierError(f"fabric: neurons is {self.neurons!r}; it must be one of {', '.join(FAMILIES)}")
        least, most = FAMILIES[self.neurons].state_range
        if not least <= self.state_bits <= most:
            raise RanvierError(f"fabric: state_bits is {self.state_bits}; {self.neurons} neurons need {least} to {most}")
        if not power_of_two(self.word_bits):
            raise RanvierError(f"fabric: word_bits is {self.word_bits}; it must be a power of two")
        widest = max(self.core.sweep_lanes, self.input.sweep_lanes)
        least = self.nodes * widest * self.spike_bits
        if self.word_bits < least:
            planes = f" and {self.spike_bits} spike bits" if self.spike_bits > 1 else ""
            raise RanvierError(
                f"fabric: word_bits is {self.word_bits}; {self.nodes} ring nodes with {widest} sweep lanes{planes} need at least "
                f"{least}: use longer words or fewer sweep lanes")

    @property
    def nodes(self) -> int:
        """Ring nodes: the cores, then the input unit."""
        return self.cores + 1

    def unit(self, number: int) -> str:
        """What unit ``number`` is: ``core``, or ``input`` for the one after the cores."""
        return "core" if number < self.cores else "input"

    def part(self, unit: str) -> CoreConfig | InputConfig:
        """The configuration of a ``core`` or of the ``input`` unit."""
        return self.core if unit == "core" else self.input

    def family(self, unit: str) -> Family:
        """The neurons that a ``core`` or the ``input`` unit computes."""
        return FAMILIES[self.neurons] if unit == "core" else driven_family()

    def options(self, unit: str) -> Options:
        """What the neurons of a ``core`` or of the ``input`` unit are built with."""
        if unit != "core":
            return Options(self.spike_bits)
        return Options(self.spike_bits, bool(self.next_tick), bool(self.currents))

    @property
    def slots_log2(self) -> int:
        """log2 of the most delay slots that a population can have: the least power of two above the longest hop."""
        return self.delays.bit_length()

    @property
    def most_words_per_row(self) -> int:
        """Spike words that the sweep of one row of a core can complete."""
        return (self.core.lanes // self.word_bits + 1) * self.spike_bits

    @property
    def most_hold(self) -> int:
        """Longest time in clocks that a row keeps the holding register."""
        return max(self.core.lanes // self.core.sweep_lanes, self.nodes * self.most_words_per_row)

    def replace(self, **changes: Any) -> FabricConfig:
        """A copy with fields changed; ``core`` and ``input`` also take a dict of their fields."""
        for part in ("core", "input"):
            if isinstance(changes.get(part), dict):
                changes[part] = replace(getattr(self, part), **changes[part])
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values, but those of `_LATER` only where they are not the defaults."""
        return {name: value for name, value in asdict(self).items() if name not in _LATER or value != _LATER[name]}

    @classmethod
    def from_json(cls, value: Any) -> FabricConfig:
        """The configuration that `to_json` gave; unknown or missing fields are errors."""
        if not isinstance(value, dict):
            raise RanvierError("fabric: the configuration must be an object")
        parts = {"core": from_fields(CoreConfig, value.get("core"), "core"),
                 "input": from_fields(InputConfig, value.get("input"), "input")}
        return from_fields(cls, {**_LATER, **value, **parts}, "fabric")

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that differ where any field differs."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
