"""What a neuron kind is, for everything that stores, proves, maps, runs or builds neurons.

A *family* is one arithmetic pipeline: its parameters, its step in plain integers and for whole batches, what it can reach, and the
clocks of its hardware. A *kind* is a use of a family that a network names, such as ``lif``. A family is one file here, one file in
`rtl/neurons/`, and a line in each registry; nothing else asks for it by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..limits import Ints

__all__ = ["INITIAL", "LOWER", "UPPER", "Array", "Batch", "Default", "Family", "Kind", "Options", "Parameter", "PipelineTiming", "Quantity",
           "Reach", "Reals", "Rule", "State", "StateWord", "Step", "assert_headroom", "batch_dtype"]

#: Arrays whose element type is chosen at run time.
Array = npt.NDArray[Any]
#: Values in physical units.
Reals = npt.NDArray[np.float64]
#: Words of a neuron's state, in the order of `Family.words`.
State = tuple[int, ...]
#: A number, or an end of a parameter's range, which hangs on the width of the state word.
Default = int | Literal["least", "most"]

#: Parameters that every family has: the membrane at the beginning of a window, and its bounds.
INITIAL, LOWER, UPPER = "v_init", "v_min", "v_max"


@dataclass(frozen=True)
class Options:
    """What the neurons of a unit were built with, or what a population needs. What is not built takes no logic and no memory.

    spike_bits
        Width of the count that a spike carries, 1 to 8.
    next_tick
        Resets that act in the next step.
    currents
        Synaptic currents, a second state word.
    """

    spike_bits: int = 1
    next_tick: bool = False
    currents: bool = False


@dataclass(frozen=True)
class StateWord:
    """One word of a neuron's state; without ``bits`` it is as wide as the network's state word. Words of one bit are unsigned.

    initial
        The parameter that is its value at the beginning of a window; 0 without one.
    """

    name: str
    bits: int | None = None
    initial: str = ""

    def width(self, state_bits: int) -> int:
        """Bits of the word."""
        return self.bits or state_bits


@dataclass(frozen=True)
class Parameter:
    """One parameter of a neuron.

    memory
        Where a unit keeps it: ``drive`` for what differs from neuron to neuron as a rule, ``dynamics`` for what is equal in a whole
        population as a rule.
    default
        Its value where the population does not say; ``least`` and ``most`` are the ends of its range.
    bits, signed
        Its word; without ``bits`` it is as wide as the state word.
    least, most
        Its range, where that is narrower than its word.
    bounded
        The two parameters that it must lie between, where there are such.
    effect
        What a neuron lacks where this parameter is a constant of its kind, for messages.
    option
        The field of `Options` without which a unit does not keep it.
    """

    name: str
    memory: Literal["drive", "dynamics"]
    meaning: str
    default: Default
    bits: int | None = None
    signed: bool = True
    least: int | None = None
    most: int | None = None
    bounded: tuple[str, ...] = ()
    effect: str = ""
    option: str = ""

    def width(self, state_bits: int) -> int:
        """Bits of its word."""
        return self.bits or state_bits

    def range(self, state_bits: int) -> tuple[int, int]:
        """The least and the largest value that it may have."""
        bits = self.width(state_bits)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)
        return low if self.least is None else self.least, high if self.most is None else self.most

    def fallback(self, state_bits: int) -> int:
        """The default as a number."""
        return self.number(self.default, state_bits)

    def number(self, value: Default, state_bits: int) -> int:
        """``value`` as a number."""
        low, high = self.range(state_bits)
        return value if isinstance(value, int) else low if value == "least" else high


@dataclass(frozen=True)
class Quantity:
    """A parameter as the literature gives it, in a physical unit; a family makes integers of all of them at once.

    name
        None of the family's integer parameters has it.
    default
        Its value where the population does not say; None where the family derives it from others.
    least, most
        Its range, both ends included.
    """

    name: str
    unit: str
    meaning: str
    default: float | None
    least: float
    most: float


@dataclass(frozen=True)
class Kind:
    """A use of a family, by the name that networks give it.

    spikes
        Whether its neurons can spike. Those that cannot are readouts: their last states of a window are the answer.
    driven
        Whether the host drives its neurons instead of synapses; they then live in the input unit.
    currents
        Whether its neurons have synaptic currents.
    own_reset
        Whether its spikes reset it in a way of its own, whatever the reset of its population's semantics is.
    constants
        Parameters that are not this kind's to choose, and their values.
    """

    name: str
    spikes: bool = True
    driven: bool = False
    currents: bool = False
    own_reset: bool = False
    constants: Mapping[str, Default] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """Where its neurons live: a ``core``, or the ``input`` unit."""
        return "input" if self.driven else "core"


@dataclass(frozen=True)
class Rule:
    """What the population and the network lay down for every step of a neuron, beside its parameters.

    spikes
        Whether it can spike at all.
    strict, reset
        Those of `Semantics`; ``reset`` is ``none`` for a kind that never spikes.
    rounding, state_bits
        Those of the network.
    next_tick
        The reset acts in the next step. A population whose ``reset_moment`` is ``old_v`` has it False: its spikes are those of a
        reset in the same step.
    currents
        The neuron has a synaptic current.
    before
        The membrane takes the current of before the step.
    options
        What the state words and counts are those of: the network's, or a fabric's.
    """

    spikes: bool
    strict: bool
    reset: str
    rounding: str
    state_bits: int
    next_tick: bool = False
    currents: bool = False
    before: bool = False
    options: Options = Options()


@dataclass(frozen=True)
class Step:
    """What a step of one neuron gives: its state words, the count of spikes, and how many of the words a bound changed."""

    state: State
    count: int
    clamped: int


@dataclass(frozen=True, eq=False)
class Reach:
    """How far the sums of a state word can go, for the proof of headroom.

    word
        What it is, for messages: ``membrane``.
    lower, upper
        The parameters that bound it, of which the sums are made; empty where no parameter is part of them.
    top, bottom
        The largest and the least partial sum of each neuron from any state within its bounds: int64, (neurons,).
    threshold
        Whether a smaller threshold would bring ``bottom`` nearer to 0.
    """

    word: str
    lower: str
    upper: str
    top: Ints
    bottom: Ints
    threshold: bool = False


@dataclass(frozen=True)
class PipelineTiming:
    """Clocks of a family's pipeline, counted from the clock in which the neuron's state word is at its input.

    latency
        To the clock in which the new state word is at its output.
    spikes
        To the clock in which the spike is at its output.
    needs
        To the clock in which each parameter must be at its input.
    interval
        From one group of neurons to the next. The walk of this fabric hands over a group a clock.
    """

    latency: int
    spikes: int
    needs: Mapping[str, int]
    interval: int = 1


class Batch(ABC):
    """The neurons of one population, ready to step for many inputs at once. Integers are of ``dtype``.

    initial
        State words at the beginning of a window, each (neurons,).
    constant
        What every neuron receives in every step beside its synapses, for the caller to add to the drive: (neurons,), or None where it
        is 0 or where the family adds it itself.
    """

    dtype: type[np.signedinteger[Any]]
    initial: tuple[Array, ...]
    constant: Array | None

    @abstractmethod
    def step(self, state: tuple[Array, ...], drive: Array, spikes: Array | None) -> tuple[tuple[Array, ...], Array | None]:
        """New state words, and how many of each neuron's a bound changed (None where none can): each (inputs, neurons).

        ``drive`` is what arrives, ``constant`` included. Writes into ``spikes`` how many spikes each neuron gives (bool where counts
        have one bit, else uint8); it is None for a kind that never spikes.
        """


class Family(ABC):
    """One arithmetic pipeline, and the kinds that use it.

    Parameters go in as mappings from their names to Python integers (`step`, `rest`) or int64 arrays of shape (neurons,).
    """

    #: The same in the registries of `model/neurons/` and `rtl/neurons/`.
    name: str
    kinds: tuple[Kind, ...]
    parameters: tuple[Parameter, ...]
    #: What populations may give instead of integer parameters; a family without any takes integers only.
    quantities: tuple[Quantity, ...] = ()
    #: The narrowest and the widest state word that its arithmetic is made for.
    state_range: tuple[int, int] = (12, 32)

    @abstractmethod
    def timing(self, options: Options) -> PipelineTiming:
        """Clocks of the pipeline of a unit that was built with ``options``."""

    def words(self, options: Options) -> tuple[StateWord, ...]:
        """Words of a neuron's state in a unit that was built with ``options``, the lowest of the memory's word first."""
        return (StateWord("v", initial=INITIAL),)

    def initial(self, parameters: Mapping[str, int], rule: Rule) -> State:
        """State words of a neuron at the beginning of a window."""
        return tuple(parameters[word.initial] if word.initial else 0 for word in self.words(rule.options))

    @abstractmethod
    def step(self, parameters: Mapping[str, int], rule: Rule, state: State, contributions: Sequence[int]) -> Step:
        """One step of one neuron in Python integers. Asserts that no partial sum leaves the state word, in whatever order.

        ``state`` holds the words of `words` for ``rule.options``.
        """

    @abstractmethod
    def batch(self, parameters: Mapping[str, Ints], rule: Rule, *, bounded: bool) -> Batch:
        """The same arithmetic for a whole population; without ``bounded`` no bound can change a state word."""

    @abstractmethod
    def reach(self, parameters: Mapping[str, Ints], rule: Rule, positive: Ints, negative: Ints) -> tuple[Reach, ...]:
        """How far each state word whose sums could leave it can go.

        ``positive`` and ``negative`` are the largest sums of positive and of negative contributions in a step, both not negative.
        """

    def interval(self, parameters: Mapping[str, Ints], rule: Rule, low: Ints, high: Ints, positive: Ints,
                 negative: Ints) -> tuple[Ints, Ints] | None:
        """The least and the largest membrane before the bounds act, after a step from any membrane in ``low`` to ``high``.

        None says that the family does not know; its bounds are then applied in every step.
        """
        return None

    def quantise(self, values: Mapping[str, Reals], state_bits: int) -> dict[str, Ints]:
        """Integer parameters of neurons whose ``quantities`` are ``values``: each float64, or int64, of shape (neurons,).

        Every quantity without a default of None is there, and within its range. Parameters that are not in the result have their
        defaults. Raises `RanvierError` where the values together leave the words.
        """
        return {}

    def meant(self, parameters: Mapping[str, Ints], state_bits: int) -> dict[str, Reals]:
        """The quantities that integer parameters stand for: the inverse of `quantise`, float64 of shape (neurons,)."""
        return {}

    def plausible(self, rng: np.random.Generator, size: int, state_bits: int) -> dict[str, Ints]:
        """Integer parameters of neurons as they occur, for random networks; those that are left out are drawn from their ranges."""
        return {}

    @abstractmethod
    def rest(self, parameters: Mapping[str, int], rule: Rule) -> dict[str, int]:
        """Parameters of a neuron that only fills a group and receives nothing: it never spikes, moves, or meets a bound.

        As near to ``parameters``, those of a real neuron, as that allows.
        """

    def on(self, unit: str, options: Options) -> tuple[Parameter, ...]:
        """Parameters that a ``core`` or the ``input`` unit with ``options`` keeps: those that a kind which lives there can choose."""
        kinds = [kind for kind in self.kinds if kind.unit == unit]
        return tuple(p for p in self.parameters if any(p.name not in kind.constants for kind in kinds)
                     and (not p.option or getattr(options, p.option)))


def assert_headroom(terms: Sequence[int], state_bits: int) -> None:
    """Every partial sum of ``terms``, in every order, fits the state word.

    The largest partial sum over all orders is that of the positive terms alone, the smallest that of the negative ones, so two sums
    speak for all orders.
    """
    assert sum(term for term in terms if term > 0) <= (1 << state_bits - 1) - 1, "a partial sum leaves the state word"
    assert sum(term for term in terms if term < 0) >= -(1 << state_bits - 1), "a partial sum leaves the state word"


def batch_dtype(bits: int) -> type[np.signedinteger[Any]]:
    """The smallest type for words of so many bits; headroom proves that state words and all their partial sums fit."""
    return np.int16 if bits <= 16 else np.int32 if bits <= 32 else np.int64
