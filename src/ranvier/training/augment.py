"""Pictures a little turned, sized, sheared and moved, so that a network sees no sample twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..model.errors import RanvierError

__all__ = ["Augment", "random_affine"]

#: Samples of a batch, and draws, to samples of the same shape.
Augment = Callable[[Any, torch.Generator], Any]


def random_affine(shape: tuple[int, int, int], *, degrees: float = 10.0, translate: float = 1.5, scale: float = 0.1,
                  shear: float = 0.1) -> Augment:
    """Every sample turned, moved, sized and sheared by draws of its own, bilinear, with 0 around it.

    shape
        (height, width, channels) of the samples, which are integers (samples, n) or (samples, height, width, channels).
    degrees, translate, scale, shear
        The most to either side: of a turn, in pixels, as a part of the size, as a part of the other axis.
    """
    height, width, channels = shape
    if min(degrees, translate, scale, shear) < 0 or scale >= 1:
        raise RanvierError(f"random_affine: degrees {degrees}, translate {translate}, scale {scale} and shear {shear} must not be "
                           "negative, and scale less than 1")

    def changed(samples: Any, generator: torch.Generator) -> Tensor:
        values = torch.as_tensor(np.asarray(samples) if not isinstance(samples, Tensor) else samples)
        if values[0].numel() != height * width * channels:
            raise RanvierError(f"random_affine: samples have the shape {tuple(values.shape)}; they must be (samples, "
                               f"{height * width * channels}), pictures without steps")
        images = values.float().reshape(-1, height, width, channels).permute(0, 3, 1, 2)
        count = len(images)

        def even(most: float) -> Tensor:
            return (torch.rand(count, generator=generator) * 2 - 1) * most

        angle, slant = even(math.radians(degrees)), even(shear)
        wide, high = 1 + even(scale), 1 + even(scale)
        # Coordinates reach from -1 to 1 over the picture.
        right, down = even(2 * translate / width), even(2 * translate / height)
        rows = [torch.stack([angle.cos() * wide, slant - angle.sin(), right], 1),
                torch.stack([angle.sin() + slant, angle.cos() * high, down], 1)]
        grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
        moved = functional.grid_sample(images, grid, align_corners=False).round()
        return moved.permute(0, 2, 3, 1).reshape(values.shape)

    return changed
