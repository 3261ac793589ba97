"""The network: hashed runs of three characters, one a step, and a membrane for each language that adds up what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from language_texts import LANGUAGES, normalise

from ranvier import Network, Population, Projection, RanvierError, Semantics, simulate
from ranvier.encoders import ngram_neurons

#: Neurons that runs of three characters are hashed to, and characters of a run.
SIZE, RUN = 4096, 3
#: Characters of a piece that is judged, and steps that they take.
CHARACTERS = 64
STEPS = CHARACTERS - RUN + 1
STATE_BITS, WEIGHT_BITS = 13, 4
#: Where the trained network and the linear classifier are.
NETWORK, LINEAR = (Path(__file__).parent / name for name in ("language.ranvier", "linear.npz"))
CODES = tuple(LANGUAGES)
#: Samples that are in memory as spikes at once.
_BATCH = 128


def network_of(weights: npt.NDArray[np.int64]) -> Network:
    """The spiking network with so many (`SIZE`, languages) weights."""
    populations = (Population("ngrams", SIZE, "input", {"theta": 1, "v_max": 1}, Semantics()),
                   Population("language", len(CODES), "li", {}, Semantics()))
    return Network(populations, (Projection.dense("ngrams", "language", weights),), state_bits=STATE_BITS, weight_bits=WEIGHT_BITS,
                   input_bits=1, info={"steps": STEPS, "languages": list(CODES), "encoder": {"name": "text", "size": SIZE, "n": RUN}})


def neurons_of(texts: list[str]) -> npt.NDArray[np.int64]:
    """Neurons (texts, steps) that spike, a step each, of texts that all have the same number of characters."""
    return np.array([ngram_neurons(text, SIZE, RUN) for text in texts], np.int64)


def spikes_of(neurons: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The same as values of the input population, uint8 (texts, steps, `SIZE`), 0 or 1."""
    values = np.zeros((*neurons.shape, SIZE), np.uint8)
    np.put_along_axis(values, neurons[..., None], 1, axis=2)
    return values


def answers_of(network: Network, neurons: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], int]:
    """The golden model's choice after each step, (texts, steps), and how many state words a bound changed."""
    found, clamps = [], 0
    for first in range(0, len(neurons), _BATCH):
        run = simulate(network, spikes_of(neurons[first:first + _BATCH]), neurons.shape[1], record=False)
        found.append(run.readouts["language"].argmax(axis=2))
        clamps += int(run.clamps["language"].sum())
    return np.concatenate(found), clamps


def linear_answers(weights: npt.NDArray[np.floating], neurons: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The linear classifier's choice after each step: the same runs of characters, weights of floating point."""
    choice: npt.NDArray[np.int64] = weights.astype(np.float64)[neurons].cumsum(axis=1).argmax(axis=2)
    return choice


def read(network: Network, text: str) -> tuple[str, npt.NDArray[np.int32]]:
    """A text as it is read, normalised, and the membranes after each step. Raises `RanvierError` where it has no letters.

    A text of fewer than `RUN` letters and spaces is one event, and one step.
    """
    content = normalise(text)
    if not content:
        raise RanvierError("language: the text has no letters; give at least one word")
    neurons = neurons_of([content])
    return content, simulate(network, spikes_of(neurons), neurons.shape[1], record=False).readouts["language"][0]
