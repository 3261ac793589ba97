"""The network that is trained: its forward pass is the integer model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..model.errors import RanvierError
from ..model.fixed import NO_LEAK
from ..model.limits import Ints
from ..model.network.headroom import prove_headroom
from ..model.network.levels import schedule, step_order
from ..model.network.network import Network as IntegerNetwork
from ..model.network.population import Population as IntegerPopulation
from .fixed import real_dtype
from .neurons import Neurons, State
from .output import Output
from .populations import Population
from .projections import Projection, Tap
from .surrogates import Surrogate, find_surrogate

__all__ = ["Network"]


class Network(nn.Module):
    """Populations, projections and a number format, as in `ranvier.Network`; a module like any other.

        model = Network([Input("image", 784, theta=255), IF("hidden", 128), LI("out", 10)],
                        [Dense("image", "hidden"), Dense("hidden", "out")])

    surrogate
        What stands for the slope of a spike: ``atan`` (as in snnTorch without a word), ``fast_sigmoid``, ``triangular``, ``boxcar``, or a
        function as in `surrogates`.
    seed
        Of the weights that are drawn.

    Parameters are float64. Raises `RanvierError` for what makes no network.
    """

    def __init__(self, populations: Sequence[Population], projections: Sequence[Projection], *, weight_bits: int = 4,
                 state_bits: int = 16, input_bits: int = 8, spike_bits: int = 1, rounding: str = "nearest",
                 surrogate: str | Surrogate = "atan", seed: int = 0, info: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.populations, self.projections = nn.ModuleList(populations), nn.ModuleList(projections)
        self.weight_bits, self.state_bits, self.input_bits, self.spike_bits = weight_bits, state_bits, input_bits, spike_bits
        self.rounding, self.surrogate, self.info = rounding, find_surrogate(surrogate), dict(info or {})
        self.by_name: dict[str, Population] = {population.name: population for population in populations}
        generator = torch.Generator().manual_seed(seed)
        for projection in projections:
            for end in (projection.source, projection.destination):
                if end not in self.by_name:
                    raise RanvierError(f"projection {projection.label}: there is no population {end!r}")
            projection.draw(self.by_name[projection.source], self.by_name[projection.destination], generator)
        for population in populations:
            if not population.scaled:
                self._choose_scale(population)
        _, _, taps = self._integers(every=True)
        schedule(self._plain({p.name: p.quantised(state_bits) for p in populations}, taps))    # whatever delays are learned

    def _choose_scale(self, population: Population) -> None:
        """The largest weight that ends in a channel, or in the population, becomes the largest integer."""
        channels = len(population.log_scale)
        largest = np.zeros(population.shape[2])
        for projection in self.projections:
            if projection.destination == population.name:
                weight = projection.weight.detach().abs().amax((0, 1, 2)) / 2 ** projection.exponent
                largest = np.maximum(largest, weight.reshape(-1, population.shape[2]).amax(0).numpy())
        if channels == 1:
            largest = largest.max(keepdims=True)
        top = (1 << self.weight_bits - 1) - 1
        with torch.no_grad():
            population.log_scale.copy_(torch.from_numpy(np.log(np.where(largest > 0, largest / top, 1.0))))

    def _integers(self, every: bool = False) -> tuple[IntegerNetwork, dict[str, dict[str, Tensor]], list[Tap]]:
        """The network of this moment, its trained parameters and its projections as integers that pass gradients.

        With ``every`` also what the network has no synapses of, see `Projection.taps`.
        """
        for name, value in self.named_parameters():
            if not torch.isfinite(value).all():
                raise RanvierError(f"{name}: a value is not a finite number; go back to the last good checkpoint")
        values = {p.name: p.quantised(self.state_bits) for p in self.populations}
        taps = [tap for p in self.projections for tap in p.taps(self.by_name[p.destination], self.weight_bits, every)]
        network = self._plain(values, [tap for tap in taps if tap.used])
        prove_headroom(network)
        schedule(network)
        return network, values, taps

    def _plain(self, values: Mapping[str, Mapping[str, Tensor]], taps: Sequence[Tap]) -> IntegerNetwork:
        return IntegerNetwork(tuple(_plain_population(p, values[p.name]) for p in self.populations), tuple(tap.plain for tap in taps),
                              self.state_bits, self.weight_bits, self.input_bits, self.spike_bits, rounding=self.rounding, info=self.info)

    def to_network(self) -> IntegerNetwork:
        """The network as `ranvier.Network`. Raises `RanvierError` where it has no headroom, no schedule, or no numbers."""
        with torch.no_grad():
            return self._integers()[0]

    def anneal(self, progress: float) -> None:
        """Narrow the Gaussians by which delays learn, where ``progress`` of a run is done, 0 to 1. `fit` does it in every epoch."""
        for projection in self.projections:
            projection.anneal(progress)

    def forward(self, inputs: Any, steps: int | None = None, *, truncate: int | None = None, record: bool = False) -> Output:
        """Run a window on every sample of a batch.

        inputs
            Integers below ``2**input_bits`` for the only input population, or for each by its name: [samples, ...] held through
            ``steps`` steps, or [samples, steps, ...] new in each; ``...`` is n or (height, width, channels).
        truncate
            Gradients go back no further than to the last step that is a multiple of it.
        record
            Keep the state words of every population, not only of readouts.
        """
        network, integers, taps = self._integers(every=torch.is_grad_enabled())
        real = real_dtype(network)
        device = self.populations[0].log_scale.device
        values, samples, steps = _inputs(network, inputs, steps, real, device)
        run = _Run(self, network, integers, taps, real, samples)
        for step in range(steps):
            if truncate and step and step % truncate == 0:
                run.cut(step)
            run.step(step, {name: value[:, step] if value.ndim == 3 else value for name, value in values.items()}, record)
        return Output(self, network, [tap for tap in taps if tap.used], run.spikes, run.words, samples, steps)


class _Run:
    """A window on its way."""

    def __init__(self, model: Network, network: IntegerNetwork, integers: Mapping[str, Mapping[str, Tensor]], taps: list[Tap],
                 real: torch.dtype, samples: int) -> None:
        self._model, self._network, self._samples, self._real, self._since = model, network, samples, real, 0
        self._neurons = {p.name: Neurons(network.rule(p), _parameters(network, p, model.by_name[p.name], integers[p.name], real),
                                         model.surrogate) for p in network.populations}
        self._states: dict[str, State] = {name: neurons.initial(samples) for name, neurons in self._neurons.items()}
        # Delays that no synapse has now must be in order as well.
        self._order = step_order(network if all(tap.used for tap in taps) else model._plain(integers, taps))
        self._incoming: dict[str, list[_Arm]] = {name: [] for name in self._order}
        for _, arm in groupby(taps, key=lambda tap: id(tap.projection)):
            found = _Arm(model, list(arm), real)
            self._incoming[found.plain.destination].append(found)
        self.spikes: dict[str, list[Tensor]] = {p.name: [] for p in network.populations if p.spiking}
        self.words: dict[str, list[State]] = {name: [] for name in self._order}

    def cut(self, step: int) -> None:
        """What was before ``step`` gets no gradient."""
        self._since = step
        self._states = {name: {word: value.detach() for word, value in state.items()} for name, state in self._states.items()}

    def step(self, step: int, values: Mapping[str, Tensor], record: bool) -> None:
        """All populations, sources without delay first."""
        for name in self._order:
            drive = values[name] if name in values else self._arriving(name, step)
            self._states[name], count = self._neurons[name].step(self._states[name], drive)
            if count is not None:
                self.spikes[name].append(count)
            if record or count is None:
                self.words[name].append(self._states[name])

    def _arriving(self, name: str, step: int) -> Tensor:
        total = torch.zeros((self._samples, self._network.by_name[name].size), dtype=self._real, device=self._states[name]["v"].device)
        for arm in self._incoming[name]:
            past = self.spikes[arm.plain.source]
            spikes = [past[step - delay] if step - delay >= self._since else past[step - delay].detach()
                      for delay in arm.delays if delay <= step]
            if spikes:
                total = total + arm.arriving(spikes)
        return total


class _Arm:
    """A projection with all its delays, the shortest first."""

    def __init__(self, model: Network, taps: list[Tap], real: torch.dtype) -> None:
        self.plain, self.delays, self._projection = taps[0].plain, [tap.plain.delay for tap in taps], taps[0].projection
        self._ends = model.by_name[self.plain.source], model.by_name[self.plain.destination]
        self._weights = [tap.weights.to(real) * 2 ** self.plain.exponent for tap in taps]
        self._dense = self.plain.is_dense(self._ends[0].plain, self._ends[1].plain)
        # One product for all delays: their sources one after another.
        self._matrix = torch.cat([weight[0, 0] for weight in self._weights]) if self._dense else None

    def arriving(self, spikes: list[Tensor]) -> Tensor:
        """Sums (samples, neurons) of the spikes (samples, source neurons) of as many steps back as there are, the latest first."""
        if self._matrix is not None:
            return torch.cat(spikes, 1) @ self._matrix[:len(spikes) * self._ends[0].size]
        return torch.stack([self._projection.arriving(found, weight, self.plain, *self._ends)
                            for found, weight in zip(spikes, self._weights, strict=False)]).sum(0)


def _ints(value: Tensor) -> Ints:
    found: Ints = value.detach().cpu().numpy().astype(np.int64)
    return found


def _plain_population(population: Population, values: Mapping[str, Tensor]) -> IntegerPopulation:
    trained = {name: _ints(value) for name, value in values.items()}
    parameters = {name: int(value[0]) if len(value) == 1 else value for name, value in trained.items()}
    return IntegerPopulation(population.name, population.shape, population.kind, {**population.integers, **parameters},
                             population.semantics)


def _parameters(network: IntegerNetwork, plain: IntegerPopulation, population: Population, trained: Mapping[str, Tensor],
                real: torch.dtype) -> dict[str, Tensor]:
    """All that `Neurons` takes, for every neuron: what is trained with its gradients, the rest as the network has it."""
    found = {}
    for name, value in network.parameters(plain).items():
        factor = name in ("k", "k_i")
        if factor and np.all(value == NO_LEAK) and not (name in trained and trained[name].requires_grad):
            continue
        whole = population.per_neuron(trained[name]) if name in trained else torch.from_numpy(value).to(population.log_scale)
        found[name] = whole if factor else whole.to(real)
    return found


def _inputs(network: IntegerNetwork, inputs: Any, steps: int | None, real: torch.dtype,
            device: torch.device) -> tuple[dict[str, Tensor], int, int]:
    """Values by input population, (samples, n) or (samples, steps, n); the samples, and the steps."""
    names = [population.name for population in network.inputs]
    if not isinstance(inputs, Mapping):
        if len(names) != 1:
            raise RanvierError(f"inputs: the network has {len(names)} input populations; give their values by name")
        inputs = {names[0]: inputs}
    if set(inputs) != set(names):
        raise RanvierError(f"inputs: values are for {', '.join(sorted(inputs)) or 'none'}; the network has {', '.join(names) or 'none'}")
    found = {name: _values(network, network.by_name[name], value) for name, value in inputs.items()}
    lengths = {value.shape[1] for value in found.values() if value.ndim == 3} | ({steps} if steps is not None else set())
    if len(lengths) != 1 or not isinstance(chosen := lengths.pop(), int) or chosen < 1:
        raise RanvierError(f"steps: {steps} are asked for, inputs with steps have {sorted(lengths) or 'none'}; give one positive number")
    batches = {len(value) for value in found.values()} or {1}
    if len(batches) != 1 or 0 in batches:
        raise RanvierError(f"inputs: the populations' batches are {', '.join(map(str, sorted(batches)))}; they must be equal, above 0")
    return {name: value.to(device=device, dtype=real) for name, value in found.items()}, batches.pop(), chosen


def _values(network: IntegerNetwork, population: IntegerPopulation, value: Any) -> Tensor:
    """The values of one input population with its neurons in one axis; integers within the network's input bits."""
    if not isinstance(value, Tensor):
        array = np.asarray(value)
        value = torch.from_numpy(array.astype(np.int64) if array.dtype.kind in "uib" else np.array(array))
    n, (least, most) = population.size, (0, (1 << network.input_bits) - 1)
    if tuple(value.shape[-3:]) == population.shape and value.ndim in (4, 5):
        value = value.reshape(*value.shape[:-3], n)
    if value.ndim not in (2, 3) or value.shape[-1] != n:
        raise RanvierError(f"input {population.name}: values have shape {tuple(value.shape)}; it must be (samples, {n}) or "
                           f"(samples, steps, {n})")
    if value.is_floating_point() and not torch.equal(value, value.round()):
        raise RanvierError(f"input {population.name}: values are not whole numbers; scale them to 0 to {most} and round them")
    if value.numel() and (value.min() < least or value.max() > most):
        raise RanvierError(f"input {population.name}: values reach from {int(value.min())} to {int(value.max())}; they must be {least} to "
                           f"{most}")
    return value
