"""The rules of `model/fixed.py` on tensors of whole numbers, and what each passes on the way back.

Tensors hold integers in floating point. `real_dtype` says in which type nothing is ever rounded; products with a decay factor are
always made in float64, where they have at most 34 + 17 bits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..model.fixed import NO_LEAK, ROUNDING
from ..model.network.network import Network
from .surrogates import Surrogate

__all__ = ["decay", "real_dtype", "reset", "rounded", "spike_count"]


def real_dtype(network: Network) -> torch.dtype:
    """Floating type that holds every sum of ``network`` exactly.

    Headroom keeps all that arrives, in whatever order, within the state word, and the sum of a membrane with a current within two bits
    more. float32 has every integer up to 2**24, float64 up to 2**53.
    """
    return torch.float32 if network.state_bits + 2 * network.options.currents <= 24 else torch.float64


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return torch.round(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def rounded(value: Tensor, least: int, most: int) -> Tensor:
    """The nearest integer within ``least`` to ``most``; the gradient passes the rounding, and what is not held at an end."""
    result: Tensor = _Rounded.apply(value).clamp(least, most)
    return result


class _Decay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, k: Tensor, rounding: str) -> Tensor:
        ctx.save_for_backward(x, k)
        magnitude = torch.floor((x.abs().double() * k.double() + ROUNDING[rounding]) / NO_LEAK)
        return (torch.sign(x) * magnitude).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        (gradient,), (x, k) = gradients, ctx.saved_tensors
        factors = (gradient * x).sum(0).to(k.dtype) / NO_LEAK if ctx.needs_input_grad[1] else None
        return gradient * (k / NO_LEAK).to(x.dtype), factors, None


def decay(x: Tensor, k: Tensor | None, rounding: str) -> Tensor:
    """`fixed.decay` of ``x`` (samples, neurons) by ``k`` (neurons,), or ``x`` where there is no leak.

    Back: x * k / 65536 of real numbers.
    """
    if k is None:
        return x
    result: Tensor = _Decay.apply(x, k, rounding)
    return result


class _SpikeCount(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, theta: Tensor, strict: bool, spike_bits: int, surrogate: Surrogate) -> Tensor:
        ctx.save_for_backward(u, theta)
        ctx.most, ctx.surrogate = (1 << spike_bits) - 1, surrogate
        if spike_bits == 1:
            return (u > theta if strict else u >= theta).to(u.dtype)
        # A quotient that is no integer is at least 1 / theta away from one, and the error of the division is less than that, since u
        # and theta are integers that the type holds.
        return torch.floor((u - int(strict)).clamp(min=0) / theta).clamp(max=ctx.most)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        (gradient,), (u, theta) = gradients, ctx.saved_tensors
        x = u / theta
        slope = gradient * ctx.surrogate(x - x.round().clamp(1, ctx.most)) / theta
        thresholds = -(slope * x).sum(0) if ctx.needs_input_grad[1] else None
        return slope, thresholds, None, None, None


def spike_count(u: Tensor, theta: Tensor, strict: bool, spike_bits: int, surrogate: Surrogate) -> Tensor:
    """`fixed.spike_count` of ``u`` (samples, neurons) with ``theta`` (neurons,). Back: ``surrogate`` at the nearest threshold."""
    result: Tensor = _SpikeCount.apply(u, theta, strict, spike_bits, surrogate)
    return result


def reset(u: Tensor, count: Tensor, theta: Tensor, v_reset: Tensor, kind: str) -> Tensor:
    """`fixed.reset`. Back: no gradient by way of the count, as in snnTorch; to a value, what does not spike passes."""
    if kind == "none":
        return u
    if kind == "subtract":
        return u - (theta * count).detach()
    return torch.where(count.detach() != 0, v_reset, u)
