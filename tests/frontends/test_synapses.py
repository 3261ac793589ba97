"""Synapses of conventional networks: the same map as a matrix, scaled, without groups, and joined with the next."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.frontends.synapses import Synapses


def drawn(rng: np.random.Generator, shape: tuple[int, int, int]) -> Synapses:
    """A convolution of any geometry that fits ``shape``; grouped or not."""
    channels = shape[2]
    groups = int(rng.choice([n for n in range(1, channels + 1) if channels % n == 0]))
    kernel = [int(rng.integers(1, min(3, size) + 1)) for size in shape[:2]]
    dilation = [int(rng.integers(1, 3)) if 2 * (k - 1) < size else 1 for k, size in zip(kernel, shape, strict=False)]
    padding = [int(rng.integers(0, d * (k - 1) + 1)) for d, k in zip(dilation, kernel, strict=True) for _ in range(2)]
    weight = rng.normal(size=(*kernel, channels // groups, groups * int(rng.integers(1, 3))))
    return Synapses(weight, shape, (int(rng.integers(1, 4)), int(rng.integers(1, 4))), tuple(padding),  # type: ignore[arg-type]
                    (dilation[0], dilation[1]), groups)


def plain(synapses: Synapses, image: np.ndarray) -> np.ndarray:
    """One sample, by the definition of a convolution."""
    height, width, channels = synapses.output_shape
    kh, kw, each, _ = synapses.weight.shape
    found = np.zeros((height, width, channels))
    for y, x, out, ky, kx, i in np.ndindex(height, width, channels, kh, kw, each):
        row = y * synapses.stride[0] - synapses.padding[0] + ky * synapses.dilation[0]
        column = x * synapses.stride[1] - synapses.padding[2] + kx * synapses.dilation[1]
        if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
            source = out // (channels // synapses.groups) * each + i
            found[y, x, out] += image[row, column, source] * synapses.weight[ky, kx, i, out]
    return found.ravel()


@pytest.mark.parametrize("seed", range(60))
def test_forms_of_one_map_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 7)), int(rng.integers(1, 7)), int(rng.integers(1, 5)))
    first = drawn(rng, shape)
    x = rng.normal(size=(3, first.size))
    wanted = np.array([plain(first, image.reshape(shape)) for image in x])
    np.testing.assert_allclose(first.apply(x), wanted, atol=1e-12)
    np.testing.assert_allclose(x @ first.matrix(), wanted, atol=1e-12)
    np.testing.assert_allclose(first.ungrouped().apply(x), wanted, atol=1e-12)
    for gain in (rng.normal(size=first.size), np.tile(rng.normal(size=shape[2]), shape[0] * shape[1])):
        scaled = first.scaled(gain)
        np.testing.assert_allclose(scaled.apply(x), first.apply(x * gain), atol=1e-12)
    assert not scaled.is_dense or first.is_dense or min(shape[:2]) == 1


def test_two_maps_become_one_where_padding_allows() -> None:
    joined, refused = 0, 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        first = drawn(rng, (int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 4))))
        second = drawn(rng, first.output_shape)
        both = first.then(second)
        if both is None:
            refused += 1
            assert any(second.padding), "without padding there is always one"
            continue
        joined += 1
        x = rng.normal(size=(2, first.size))
        np.testing.assert_allclose(both.apply(x), second.apply(first.apply(x)), atol=1e-12)
    assert min(joined, refused) > 80, (joined, refused)
