"""Convolution as a matrix product: receptive fields, unfolded, times a kernel. For numbers of any type."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["field_sums", "grouped_kernel", "receptive_fields"]

Array = npt.NDArray[Any]


def receptive_fields(images: Array, extent: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int],
                     padding: tuple[int, int, int, int]) -> Array:
    """A view of what each pixel of the result sees: (n, height, width, kernel height, kernel width, channels).

    ``images`` are (n, height, width, channels); ``extent`` is what the kernel spans, ``padding`` is (top, bottom, left, right), of zeros.
    """
    top, bottom, left, right = padding
    if any(padding):
        images = np.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)))
    (down, across), (tall, wide) = stride, dilation
    windows = sliding_window_view(images, extent, axis=(1, 2))
    return np.moveaxis(windows[:, ::down, ::across, :, ::tall, ::wide], 3, -1)


def grouped_kernel(weights: Array, groups: int) -> Array:
    """Weights (kernel height, kernel width, source channels / groups, channels) as `field_sums` takes them.

    (groups, weights of a receptive field in a group, channels in a group)
    """
    kh, kw, each, channels = weights.shape
    return np.ascontiguousarray(weights.reshape(kh * kw * each, groups, channels // groups).transpose(1, 0, 2))


def field_sums(fields: Array, kernel: Array) -> Array:
    """Sums of `receptive_fields` times a `grouped_kernel`: (n, height, width, channels)."""
    count, height, width, kh, kw, channels = fields.shape
    groups = len(kernel)
    rows = fields.reshape(count * height * width, kh * kw, groups, channels // groups)
    if groups == 1:
        sums: Array = rows.reshape(len(rows), -1) @ kernel[0]
    else:
        unfolded = np.ascontiguousarray(rows.transpose(2, 0, 1, 3)).reshape(groups, len(rows), -1)
        sums = (unfolded @ kernel).transpose(1, 0, 2)
    return sums.reshape(count, height, width, -1)
