"""The proof by example: a batch through the forward pass and through `simulate`, every spike and every state word."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..model.errors import RanvierError
from ..model.mismatch import Mismatch
from ..simulation import simulate
from .network import Network

__all__ = ["check"]

Array = npt.NDArray[Any]


def check(model: Network, inputs: Any, steps: int) -> int:
    """Compare the forward pass of ``model`` with `ranvier.simulate` of what `to_network` makes of it.

    ``inputs`` are as in `simulate`. Gives the number of values that were compared. Raises `RanvierError` with the first that differs: its
    step, then population, sample and neuron, and which word.
    """
    with torch.no_grad():
        output = model(inputs, steps, record=True)
    network = output.network
    golden = simulate(network, inputs, steps)
    names: dict[tuple[str, str], tuple[Array, Array]] = {}
    for population in network.populations:
        name = population.name
        if population.spiking:
            names[name, "spike"] = golden.spikes[name].astype(np.int64), _array(output.spikes(name))
        names[name, "membrane"] = golden.membranes[name], _array(output.word(name))
        for word, values in golden.states[name].items():
            names[name, word] = values, _array(output.word(name, word))
    differing = {key: expected != found for key, (expected, found) in names.items()}
    wrong = {key: int(np.flatnonzero(values.any(axis=(0, 2)))[0]) for key, values in differing.items() if values.any()}
    if wrong:
        key = min(wrong, key=lambda key: wrong[key])    # the first population of those, in the network's order
        step, (expected, found) = wrong[key], names[key]
        sample, neuron = (int(n) for n in np.argwhere(differing[key][:, step])[0])
        plain = key[1] in ("spike", "membrane")
        total = sum(int(values.sum()) for values in differing.values())
        raise RanvierError("training and model differ: " + str(Mismatch(
            key[1] if plain else "state", window=sample, step=step, population=key[0], neuron=neuron,
            expected=int(expected[sample, step, neuron]), found=int(found[sample, step, neuron]), total=total,
            detail="" if plain else key[1])))
    return sum(values.size for values in differing.values())


def _array(values: torch.Tensor) -> Array:
    """Whole numbers as integers; what is not whole stays as it is, and is not equal to any."""
    array: Array = values.detach().cpu().double().numpy()
    return array
