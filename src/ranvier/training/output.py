"""What a forward pass gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..model.errors import RanvierError
from ..model.network.network import Network as IntegerNetwork
from .neurons import State

if TYPE_CHECKING:
    from .network import Network
    from .projections import Tap

__all__ = ["Output"]


class Output:
    """Spikes, state words and what follows from them; integers in floating point, with gradients.

    samples, steps
        Of the batch.
    network
        The integers that ran, as `ranvier.Network`.
    """

    def __init__(self, model: Network, network: IntegerNetwork, taps: list[Tap], spikes: dict[str, list[Tensor]],
                 words: dict[str, list[State]], samples: int, steps: int) -> None:
        self._model, self._taps, self._spikes, self._words = model, taps, spikes, words
        self.network, self.samples, self.steps = network, samples, steps

    def spikes(self, name: str) -> Tensor:
        """Counts of a population that spikes: [samples, steps, n]."""
        return torch.stack(self._spikes[name], 1)

    def word(self, name: str, word: str = "v") -> Tensor:
        """A state word after each step: [samples, steps, n]; ``v`` the membrane, ``i`` the current, ``flag`` a reset that waits.

        Readouts have theirs, others only with ``record``.
        """
        return torch.stack([state[word] for state in self._words[name]], 1)

    def logits(self, name: str = "") -> Tensor:
        """The answer of population ``name``, or of the only readout, in the units of the weights: [samples, n].

        Of a readout its last membranes times their scale, of a population that spikes the spikes of each neuron in the window.
        """
        if not name:
            readouts = self.network.readouts
            if len(readouts) != 1:
                raise RanvierError(f"logits: the network has {len(readouts)} readouts; say which population is the answer")
            name = readouts[0].name
        if name in self._spikes:
            return torch.stack(self._spikes[name]).sum(0)
        population = self._model.by_name[name]
        return self._words[name][-1]["v"] * population.per_neuron(population.scale)

    def rate(self) -> Tensor:
        """Mean count of spikes of a neuron in a step, over all that spike and are not inputs; 0 without any."""
        hidden = [p for p in self.network.populations if p.spiking and not p.driven]
        total = torch.zeros((), dtype=torch.float64)
        for population in hidden:
            total = total + torch.stack(self._spikes[population.name]).sum(dtype=torch.float64).to(total)
        return total / max(1, sum(p.size for p in hidden) * self.samples * self.steps)

    def operations(self) -> Tensor:
        """Synaptic operations of a sample: spikes that arrive within the window, each times the synapses that it takes.

        A count of c spikes is c operations a synapse.
        """
        total = torch.zeros((), dtype=torch.float64)
        for tap in self._taps:
            plain = tap.plain
            ends = self._model.by_name[plain.source], self._model.by_name[plain.destination]
            arrived = self._spikes[plain.source][:max(0, self.steps - plain.delay)]
            if arrived:
                fan_out = tap.projection.fan_out(tap.weights, plain, *ends)
                total = total + (torch.stack(arrived).sum((0, 1), dtype=torch.float64) * fan_out).sum().to(total)
        return total / self.samples
