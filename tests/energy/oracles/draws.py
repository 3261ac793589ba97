"""The networks on which NeuroBench's counts are compared: seeded, and made with numpy alone, so that both environments draw the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CASES", "Case", "cases"]

CASES = 20
_SAMPLES = 6


@dataclass(frozen=True, eq=False)
class Case:
    """A dense network of integrate-and-fire neurons with a readout: ``weights`` of each layer int64 (in, out), ``thetas`` of the hidden
    ones, and input ``spikes`` bool (samples, steps, inputs)."""

    weights: tuple[npt.NDArray[np.int64], ...]
    thetas: tuple[int, ...]
    spikes: npt.NDArray[np.bool_]


def cases() -> Iterator[Case]:
    """Of every second network some weights are 0."""
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        sizes = [int(n) for n in rng.integers(4, 40, int(rng.integers(3, 5)))]
        weights = []
        for one, other in zip(sizes, sizes[1:], strict=False):
            drawn = rng.integers(1, 8, (one, other)) * rng.choice([-1, 1], (one, other), p=[0.35, 0.65])
            weights.append(drawn * (rng.random(drawn.shape) < 0.7) if seed % 2 else drawn)
        thetas = tuple(int(n) for n in rng.integers(8, 40, len(weights) - 1))
        yield Case(tuple(weights), thetas, rng.random((_SAMPLES, int(rng.integers(1, 9)), sizes[0])) < rng.random())
