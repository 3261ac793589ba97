"""Cores as TrueNorth has them, as a network: crossbars, axons of four types, neurons that send to an axon of a core.

A synapse of axon i and neuron j has the weight that neuron j gives the type of axon i, where the crossbar has a bit there; so a core is
a population, and the crossbar with the weights becomes projections. An axon is one bit in a tick, however many neurons send to it: where
several do, a relay neuron stands for it, which spikes once. It takes no step of its own.

A random synapse of the weight s acts in a step with sgn(s) where |s| >= rho, a number of 8 bits that is drawn for the synapse and the step.
A relay neuron stands for each: what its axon gives it is |s| + 1, its threshold is 1 with 8 random bits, and its bounds of 0 let it forget.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.errors import RanvierError
from ..model.network.network import Network
from ..model.network.population import Population
from ..model.network.projection import Projection
from ..model.neurons.truenorth import RHO_BITS

__all__ = ["AXON_TYPES", "INPUT", "Axon", "Core", "Target", "build_network", "relay_name", "synapses_name"]

#: Types that an axon can have, and so weights of a neuron.
AXON_TYPES = 4
#: Name of the population that the host drives.
INPUT = "input"
#: Weights are 9 bits, signed; delays 1 to 15 ticks.
_WEIGHT, _DELAYS = 256, 15
#: What the seed of a core's random synapses differs in from that of its neurons.
SYNAPSES_SEED = 1 << 30

#: An axon: its core's name and its number.
Axon = tuple[str, int]


@dataclass(frozen=True)
class Target:
    """Where a neuron's spikes go: an axon of a core, so many ticks (1 to 15) later."""

    core: str
    axon: int
    delay: int = 1


@dataclass(frozen=True, eq=False)
class Core:
    """One core.

    name
        Unique; a name that a population can have, and not `INPUT`.
    crossbar
        Bits, (axons, neurons).
    types
        Type of each axon, 0 to 3: (axons,).
    weights
        Weight of each neuron for each type, -256 to 255: (neurons, 4).
    targets
        One for each neuron; None for those that send to no axon.
    parameters
        Those of the kind ``truenorth``, as in `Population`.
    stochastic
        Bits b, (neurons, 4): the neuron's synapses of that type are random. Synapse of axon i and neuron j draws as number
        i * neurons + j of the seed that ``parameters`` give, `SYNAPSES_SEED` added or taken off.
    """

    name: str
    crossbar: npt.NDArray[Any]
    types: npt.NDArray[Any]
    weights: npt.NDArray[Any]
    targets: Sequence[Target | None]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stochastic: npt.NDArray[Any] | None = None

    @property
    def axons(self) -> int:
        """Number of axons."""
        return int(np.shape(self.crossbar)[0])

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(np.shape(self.crossbar)[1])

    def check(self) -> None:
        """Raises `RanvierError` where the tables do not fit each other."""
        crossbar, types, weights = np.asarray(self.crossbar), np.asarray(self.types), np.asarray(self.weights)
        if crossbar.ndim != 2 or not crossbar.size or not np.isin(crossbar, (0, 1)).all():
            raise RanvierError(f"core {self.name}: crossbar has the shape {crossbar.shape}; it must be bits of axons x neurons")
        if types.shape != (self.axons,) or not np.isin(types, range(AXON_TYPES)).all():
            raise RanvierError(f"core {self.name}: types must be {self.axons} numbers from 0 to {AXON_TYPES - 1}, one for each axon")
        if weights.shape != (self.neurons, AXON_TYPES) or weights.dtype.kind not in "iu" \
                or weights.min() < -_WEIGHT or weights.max() >= _WEIGHT:
            raise RanvierError(f"core {self.name}: weights must be {self.neurons} x {AXON_TYPES} integers from {-_WEIGHT} to {_WEIGHT - 1}")
        if len(self.targets) != self.neurons:
            raise RanvierError(f"core {self.name}: {len(self.targets)} targets for {self.neurons} neurons; give one for each, or None")
        if self.stochastic is not None and (np.shape(self.stochastic) != weights.shape or not np.isin(self.stochastic, (0, 1)).all()):
            raise RanvierError(f"core {self.name}: stochastic must be {self.neurons} x {AXON_TYPES} bits, as many as weights")

    def synapses(self, random: bool = False) -> npt.NDArray[np.int64]:
        """Weight of each synapse that is ``random``, or of each that is not; 0 where there is none: (axons, neurons)."""
        chosen = np.zeros((self.neurons, AXON_TYPES), bool) if self.stochastic is None else np.asarray(self.stochastic, bool)
        weights: npt.NDArray[np.int64] = np.where(chosen == random, np.asarray(self.weights, np.int64), 0)
        found: npt.NDArray[np.int64] = np.asarray(self.crossbar, np.int64) * weights.T[np.asarray(self.types)]
        return found


def relay_name(core: str) -> str:
    """Name of the population of a core's relays."""
    return f"{core}/axons"


def synapses_name(core: str) -> str:
    """Name of the population of a core's random synapses."""
    return f"{core}/synapses"


def build_network(cores: Sequence[Core], inputs: Sequence[Axon] = (), *, state_bits: int = 20, info: Mapping[str, Any] | None = None,
                  ) -> Network:
    """The network of ``cores``. Neuron n of the population `INPUT` is the axon ``inputs[n]``: a value of 1 spikes into it in that step.

    Step s of the network is a tick: what a neuron sends in it reaches its axon in step s + delay. Weights have as few bits as they need.
    Raises `RanvierError` where two cores have one name, a target or an input does not exist, or a table does not fit.
    """
    by_name = _checked(cores, inputs)
    sources: dict[Axon, list[tuple[str, int, int]]] = defaultdict(list)
    for n, axon in enumerate(inputs):
        sources[axon].append((INPUT, n, 0))
    for core in cores:
        for n, target in enumerate(core.targets):
            if target is not None:
                sources[target.core, target.axon].append((core.name, n, int(target.delay)))
    populations = [Population(INPUT, len(inputs), "input", theta=1)] if inputs else []
    projections: list[Projection] = []
    for core in cores:
        relays = sorted(axon for name, axon in sources if name == core.name and len(sources[name, axon]) > 1)
        if relays:
            populations.append(Population(relay_name(core.name), len(relays), "truenorth", alpha=1, gamma=0))
        if core.synapses(True).any():
            populations.append(_random_synapses(core))
        populations.append(Population(core.name, core.neurons, "truenorth", core.parameters))
        projections += _projections(core, relays, sources, {INPUT: len(inputs), **{name: c.neurons for name, c in by_name.items()}})
    widest = max([-1 - int(p.weights.min()) if p.weights.min() < 0 else 0 for p in projections]
                 + [int(p.weights.max()) for p in projections] + [1])
    weight_bits = next(bits for bits in (2, 4, 8, 16) if widest < 1 << bits - 1)
    return Network(tuple(populations), tuple(projections), state_bits, weight_bits, input_bits=1, info=dict(info or {}))


def _checked(cores: Sequence[Core], inputs: Sequence[Axon]) -> dict[str, Core]:
    if not cores:
        raise RanvierError("cores: there are none; give at least one")
    by_name = {core.name: core for core in cores}
    if len(by_name) < len(cores) or INPUT in by_name:
        names = [core.name for core in cores]
        twice = next((name for name in names if names.count(name) > 1), INPUT)
        raise RanvierError(f"core {twice}: the name is there twice; names of cores must differ, and from {INPUT!r}")
    for core in cores:
        core.check()
    wanted = [(f"input {n}", axon) for n, axon in enumerate(inputs)]
    for core in cores:
        for n, target in enumerate(core.targets):
            if target is None:
                continue
            wanted.append((f"neuron {n} of core {core.name}", (target.core, target.axon)))
            if not 1 <= target.delay <= _DELAYS:
                raise RanvierError(f"core {core.name}: neuron {n} has the delay {target.delay}; it must be 1 to {_DELAYS}")
    for who, (name, axon) in wanted:
        if name not in by_name:
            raise RanvierError(f"core {name}: it is missing; {who} sends to it")
        if not 0 <= axon < by_name[name].axons:
            raise RanvierError(f"core {name}: it has no axon {axon}, to which {who} sends; it has {by_name[name].axons}")
    return by_name


def _random_synapses(core: Core) -> Population:
    """A neuron for each random synapse, in the order of axons, then neurons."""
    numbers = np.flatnonzero(core.synapses(True))
    seed = int(np.asarray(core.parameters.get("seed", 0)).flat[0]) ^ SYNAPSES_SEED
    return Population(synapses_name(core.name), len(numbers), "truenorth", alpha=1, gamma=0, tm=RHO_BITS, v_min=0, v_max=0, number=numbers,
                      seed=seed)


def _projections(core: Core, relays: list[int], sources: Mapping[Axon, list[tuple[str, int, int]]], sizes: Mapping[str, int],
                 ) -> list[Projection]:
    """What ends in ``core``, in its relays and in its random synapses."""
    plain, random = core.synapses(), core.synapses(True)
    axon_of, neuron_of = np.nonzero(random)
    into_random = np.zeros((core.axons, len(axon_of)), np.int64)
    into_random[axon_of, np.arange(len(axon_of))] = np.abs(random[axon_of, neuron_of]) + 1
    # Weights of every axon into each population that axons reach.
    ends = {core.name: plain, **({synapses_name(core.name): into_random} if len(axon_of) else {})}
    into_relays = np.zeros((core.axons, len(relays)), np.int64)
    into_relays[relays, np.arange(len(relays))] = 1
    found: dict[tuple[str, str, int], npt.NDArray[np.int64]] = {}
    for (name, axon), senders in sources.items():
        for source, n, delay in senders if name == core.name else ():
            for end, weights in ({relay_name(core.name): into_relays} if axon in relays else ends).items():
                if weights[axon].any():
                    found.setdefault((end, source, delay), np.zeros((sizes[source], weights.shape[1]), np.int64))[n] = weights[axon]
    for end, weights in ends.items() if relays else ():
        found[end, relay_name(core.name), 0] = weights[relays]
    if len(axon_of):
        signs = np.zeros((len(axon_of), core.neurons), np.int64)
        signs[np.arange(len(axon_of)), neuron_of] = np.sign(random[axon_of, neuron_of])
        found[core.name, synapses_name(core.name), 0] = signs
    return [Projection.dense(source, end, weights, delay) for (end, source, delay), weights in sorted(found.items())]
