"""Conventional networks that a line of numpy can judge."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ranvier.frontends.conventional import Activation, Clip, Conventional, DenseLayer, Relu

CLIP = Clip(1.2)


def random_network(activation: Activation = CLIP, sizes: tuple[int, ...] = (20, 16, 12, 4), seed: int = 0) -> Conventional:
    """Random dense layers."""
    rng = np.random.default_rng(seed)
    layers = []
    for index, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        last = index == len(sizes) - 2
        layers.append(DenseLayer(f"layer{index + 1}", rng.normal(size=(n_in, n_out)) * np.sqrt(2 / n_in),
                                 rng.normal(size=n_out) * 0.1, None if last else activation))
    return Conventional("m.onnx", sizes[0], tuple(layers))


def rare_detector() -> Conventional:
    """Two outputs; hidden neurons that are silent unless the first eight inputs are all high."""
    rng = np.random.default_rng(0)
    weight = np.zeros((16, 8))
    weight[:8], weight[8:] = rng.uniform(2, 3, (8, 8)), -0.5
    return Conventional("rare.onnx", 16, (
        DenseLayer("hidden", weight, np.full(8, -8.0), Relu()),
        DenseLayer("output", np.column_stack([np.full(8, -0.5), np.full(8, 0.5)]), np.array([4.0, -4.0]), None)))


def rare_samples(rng: np.random.Generator, count: int, events: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Samples of the detector, and 1 for those that are events."""
    x, y = rng.integers(0, 90, (count, 16)), np.zeros(count, int)
    chosen = rng.choice(count, events, replace=False)
    x[chosen, :8], x[chosen, 8:], y[chosen] = rng.integers(200, 256, (events, 8)), rng.integers(0, 40, (events, 8)), 1
    return x, y
