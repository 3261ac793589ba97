"""Projections that are trained: real weights, and the integers that they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..model.errors import RanvierError
from ..model.network.projection import Projection as IntegerProjection
from .delays import Delays, gates
from .fixed import rounded
from .populations import Population

__all__ = ["Conv2d", "Dense", "Projection", "Tap"]


@dataclass(frozen=True, eq=False)
class Tap:
    """A projection at one of its delays; it has one where the delay is fixed.

    plain
        The projection of the network.
    weights
        Its weights as integers in floating point; gradients pass.
    used
        Whether the network has it. Others have weights of 0 only, and are there for the gradients of delays that learn.
    """

    projection: Projection
    plain: IntegerProjection
    weights: Tensor
    used: bool


class Projection(nn.Module):
    """Synapses from one population to another; use `Dense` or `Conv2d`.

    source, destination, delay, exponent
        As in `ranvier.Projection`: equal names make a recurrence, which needs a delay. `Delays` for a delay are trained.
    weight
        Real numbers (kernel height, kernel width, source channels / groups, destination channels), all to all (1, 1, source neurons,
        destination neurons). None leaves them to `Network`, which draws them (He et al., 2015).
    learn
        Whether the weights get gradients; pooling, for example, has fixed ones.
    """

    def __init__(self, source: str, destination: str, geometry: dict[str, Any], weight: npt.ArrayLike | None, delay: int | Delays,
                 exponent: int, learn: bool) -> None:
        super().__init__()
        self.source, self.destination, self.geometry, self.delay, self.exponent = source, destination, geometry, delay, exponent
        self.learn = learn
        #: Width of the Gaussian by which delays learn, in steps.
        self.sigma = delay.width(0.0) if isinstance(delay, Delays) else 0.0
        self.weight: nn.Parameter | None
        #: Of delays that learn: 0 is the shortest, 1 the longest.
        self.place: nn.Parameter | None
        self.register_parameter("weight", None)
        self.register_parameter("place", None)
        if weight is not None:
            self._keep(np.asarray(weight, np.float64))

    @property
    def label(self) -> str:
        """``source -> destination``, for messages."""
        return f"{self.source} -> {self.destination}"

    def extra_repr(self) -> str:
        return f"{self.label}, delay {self.delay}"

    def _keep(self, weight: npt.NDArray[np.float64]) -> None:
        if weight.ndim == 2:
            weight = weight[None, None]
        if weight.ndim != 4 or not np.all(np.isfinite(weight)):
            raise RanvierError(f"projection {self.label}: weights are {weight.shape}; they must be finite numbers in four dimensions")
        self.weight = nn.Parameter(torch.tensor(weight), requires_grad=self.learn)

    def shape(self, source: Population, destination: Population) -> tuple[int, int, int, int]:
        """The shape of its weights."""
        return 1, 1, source.size, destination.size

    def draw(self, source: Population, destination: Population, generator: torch.Generator) -> None:
        """Give it weights where it has none, and places where its delays learn."""
        if self.weight is None:
            shape = self.shape(source, destination)
            bound = math.sqrt(6 / math.prod(shape[:3]))
            self._keep((torch.rand(shape, generator=generator, dtype=torch.float64).numpy() * 2 - 1) * bound)
        if isinstance(self.delay, Delays) and self.place is None:
            assert self.weight is not None
            self.place = nn.Parameter(self._places(self.delay, tuple(self.weight.shape), generator))

    def _places(self, delays: Delays, kernel: tuple[int, ...], generator: torch.Generator) -> Tensor:
        shape = delays.shape(kernel)
        if delays.start is None:
            return torch.rand(shape, generator=generator, dtype=torch.float64)
        start = torch.tensor(np.asarray(delays.start, np.float64))
        if not torch.isfinite(start).all() or start.numel() and (start.min() < delays.least or start.max() > delays.most):
            raise RanvierError(f"projection {self.label}: delays to begin with must be {delays.least} to {delays.most}")
        try:
            return ((start - delays.least) / (delays.most - delays.least)).expand(shape).clone()
        except RuntimeError:
            raise RanvierError(f"projection {self.label}: delays to begin with are {tuple(start.shape)}; they must spread over "
                               f"{shape}") from None

    def anneal(self, progress: float) -> None:
        """Narrow the Gaussian by which delays learn, where ``progress`` of a run is done, 0 to 1."""
        if isinstance(self.delay, Delays):
            self.sigma = self.delay.width(progress)

    @property
    def delays(self) -> npt.NDArray[np.int64]:
        """The delays of this moment, in steps, of a shape that spreads over the kernel's; () where the delay is fixed."""
        if not isinstance(self.delay, Delays):
            return np.array(self.delay)
        assert self.place is not None
        span = self.delay.most - self.delay.least
        found: npt.NDArray[np.int64] = (self.place.detach() * span).round().clamp(0, span).cpu().numpy().astype(np.int64) + self.delay.least
        return found

    def quantised(self, destination: Population, weight_bits: int) -> Tensor:
        """Weights as integers in float64, without the exponent; gradients pass."""
        assert self.weight is not None
        scale, high = destination.scale, (1 << weight_bits - 1) - 1
        if self.weight.shape[3] != len(scale):
            scale = destination.per_neuron(scale) if self.weight.shape[3] == destination.size else scale
        return rounded(self.weight / (scale * 2 ** self.exponent), -high - 1, high)

    def taps(self, destination: Population, weight_bits: int, every: bool) -> list[Tap]:
        """The projection at each delay of which it has synapses; with ``every`` at each that its synapses can have."""
        weights = self.quantised(destination, weight_bits)
        if not isinstance(self.delay, Delays):
            return [self._tap(self.delay, weights, True)]
        assert self.place is not None
        shares = [weights * gate for gate in gates(self.place, self.delay, self.sigma)]
        used = [bool(share.detach().any()) for share in shares]
        used[0] |= not any(used)    # where all weights are 0, the network still has the projection
        return [self._tap(delay, share, there) for delay, share, there in zip(self.delay.steps, shares, used, strict=True)
                if there or every]

    def _tap(self, delay: int, weights: Tensor, used: bool) -> Tap:
        whole = weights.detach().cpu().numpy().astype(np.int64)
        return Tap(self, IntegerProjection(self.source, self.destination, whole, delay, self.exponent, **self.geometry), weights, used)

    def arriving(self, spikes: Tensor, weights: Tensor, plain: IntegerProjection, source: Population, destination: Population) -> Tensor:
        """Sums (samples, destination neurons) of ``spikes`` (samples, source neurons) times integer ``weights``, exponent included."""
        if plain.is_dense(source.plain, destination.plain):
            return spikes @ weights[0, 0]
        return _convolved(spikes.reshape(-1, *source.shape).permute(0, 3, 1, 2), weights, plain)

    def fan_out(self, weights: Tensor, plain: IntegerProjection, source: Population, destination: Population) -> Tensor:
        """Synapses of each source neuron: (source neurons,)."""
        if plain.is_dense(source.plain, destination.plain):
            return weights.new_full((source.size,), destination.size)
        # Every sum depends on each spike that it takes with slope 1, where all weights are 1.
        with torch.enable_grad():
            spikes = weights.new_zeros((1, source.size), requires_grad=True)
            sums = self.arriving(spikes, torch.ones_like(weights).detach(), plain, source, destination).sum()
            return torch.autograd.grad(sums, spikes)[0][0]


def _convolved(images: Tensor, weights: Tensor, plain: IntegerProjection) -> Tensor:
    """Receptive fields, unfolded, times the kernel: a plain matrix product, whose sums are exact.

    Not `conv2d`, which may choose an algorithm that transforms the kernel, and that rounds.
    """
    kh, kw, channels, outputs = weights.shape
    top, bottom, left, right = plain.padding
    fields = functional.unfold(functional.pad(images, (left, right, top, bottom)), (kh, kw), plain.dilation, 0, plain.stride)
    samples, _, pixels = fields.shape
    groups = plain.groups
    # unfold has (channel, ky, kx) in its rows.
    kernel = weights.permute(3, 2, 0, 1).reshape(groups, outputs // groups, channels * kh * kw)
    sums = kernel @ fields.reshape(samples, groups, channels * kh * kw, pixels)
    return sums.reshape(samples, outputs, pixels).permute(0, 2, 1).reshape(samples, -1)


class Dense(Projection):
    """All to all, whatever the shapes of its populations."""

    def __init__(self, source: str, destination: str, *, weight: npt.ArrayLike | None = None, delay: int | Delays = 0, exponent: int = 0,
                 learn: bool = True) -> None:
        super().__init__(source, destination, {}, weight, delay, exponent, learn)


class Conv2d(Projection):
    """A convolution; geometry as in `ranvier.Projection`.

    A pooling by sum has as many groups as channels, weights 1 and ``learn=False``, and ends in a population with ``scale`` 1 that does
    not learn it.
    """

    def __init__(self, source: str, destination: str, kernel: int | tuple[int, int], *, stride: int | tuple[int, int] = 1,
                 padding: int | tuple[int, int] | tuple[int, int, int, int] = 0, dilation: int | tuple[int, int] = 1, groups: int = 1,
                 weight: npt.ArrayLike | None = None, delay: int | Delays = 0, exponent: int = 0, learn: bool = True) -> None:
        geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        super().__init__(source, destination, geometry, weight, delay, exponent, learn)
        self.kernel = (kernel, kernel) if isinstance(kernel, int) else kernel

    def shape(self, source: Population, destination: Population) -> tuple[int, int, int, int]:
        return *self.kernel, source.shape[2] // self.geometry["groups"], destination.shape[2]
