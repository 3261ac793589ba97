"""Train the spiking network with torch and give its integers as a `ranvier.Network`.

A layer of leaky neurons is one function of autograd with its own way back, and what arrives by way of delays is one product of
matrices for all steps, so that a training takes a minute. The steps are those of the integer model: weights are rounded to 4 bits and
thresholds to whole numbers, membranes after their leak too, but for halves and a leak's last bit. So what is reported is counted in
`ranvier.simulate`. Gradients pass what is rounded; a surrogate stands for the slope of a spike (`atan` of `ranvier.training`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import front_end
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from ranvier import Network, Population, Projection

__all__ = ["FRAME_WISE", "SPIKING", "Settings", "SpikingNet", "train"]

TOP = 7
"""Largest weight of 4 bits; -8 stays unused."""
DIGITS = 10


@dataclass(frozen=True)
class Settings:
    """first, second
        Neurons of the two layers.
    heard, between, again
        Delays, in steps, of the projections from the sound to the first layer, from there to the second, and of the second to itself.
    beta
        What membranes keep in a step at the beginning; it is trained, one for each layer. None: nothing is ever kept.
    """

    first: int = 96
    second: int = 96
    heard: tuple[int, ...] = (0, 2, 4)
    between: tuple[int, ...] = (0, 3)
    again: tuple[int, ...] = (1,)
    beta: float | None = 0.7
    dropout: float = 0.2

    @property
    def weights(self) -> int:
        """Number of synapses."""
        return (front_end.NEURONS * self.first * len(self.heard) + self.first * self.second * len(self.between)
                + self.second**2 * len(self.again) + self.second * DIGITS)


SPIKING = Settings()
#: As many weights, and no step knows of another but through the sum of the answer.
FRAME_WISE = Settings(190, 190, (0,), (0,), (), None)


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return torch.round(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def rounded(value: Tensor) -> Tensor:
    """The nearest whole number, through which gradients pass."""
    result: Tensor = _Rounded.apply(value)  # type: ignore[no-untyped-call]
    return result


class _Leaky(torch.autograd.Function):
    """Spikes [steps, samples, n] of a layer of LIF neurons.

    drive [steps, samples, n] is what arrives from other layers; again (n, n) the weights from the layer's own spikes of the step before;
    beta and theta (n,).
    """

    @staticmethod
    def forward(ctx: Any, drive: Tensor, again: Tensor, beta: Tensor, theta: Tensor, recurrent: bool) -> Tensor:
        kept, v = torch.empty_like(drive), torch.zeros_like(drive[0])
        over, spikes = torch.empty_like(drive), torch.empty_like(drive)
        for step in range(len(drive)):
            kept[step] = v
            u = torch.round(v * beta).add_(drive[step])
            if recurrent and step:
                u.addmm_(spikes[step - 1], again)
            torch.ge(u, theta, out=spikes[step])
            over[step] = u
            v = u.addcmul_(spikes[step], theta, value=-1)
        over.div_(theta).sub_(1)
        ctx.save_for_backward(kept, over, spikes, again, beta, theta)
        ctx.recurrent = recurrent
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        kept, over, spikes, again, beta, theta = ctx.saved_tensors
        slope = 1 / (1 + (torch.pi * over).square_())    # alpha 2, of u / theta
        given, driven = gradients[0], torch.empty_like(kept)
        held = torch.zeros_like(kept[0])
        for step in range(len(kept) - 1, -1, -1):
            arrived = given[step]
            if ctx.recurrent and step + 1 < len(kept):
                arrived = arrived + driven[step + 1] @ again.T
            driven[step] = held.addcmul(arrived, slope[step] / theta)
            held = driven[step] * beta
        weights = torch.einsum("tbi,tbj->ij", spikes[:-1], driven[1:]) if ctx.recurrent else None
        # By the threshold: -x of the slope, as in ranvier.training; the gradient by way of the reset is left out.
        moved = -(given * slope * (over + 1) / theta).sum((0, 1))
        return driven, weights, (driven * kept).sum((0, 1)), moved, None


class SpikingNet(nn.Module):
    """The network of `Settings`; `forward` gives the readout's membranes after each step, in the units of the weights."""

    def __init__(self, settings: Settings, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        generator = torch.Generator().manual_seed(seed)

        def drawn(rows: int, columns: int, gain: float = 1.0) -> nn.Parameter:
            return nn.Parameter((torch.rand((rows, columns), generator=generator) * 2 - 1) * gain * (6 / rows) ** 0.5)

        s = settings
        self.sound = drawn(front_end.NEURONS * len(s.heard), s.first)
        self.between = drawn(s.first * len(s.between), s.second)
        self.again = drawn(s.second, s.second, 0.3) if s.again else nn.Parameter(torch.zeros(s.second, s.second), requires_grad=False)
        self.answer = drawn(s.second, DIGITS, 0.3)
        self.log_scale = nn.ParameterList(nn.Parameter(torch.log(self._largest(n) / TOP)) for n in range(3))
        start = torch.logit(torch.tensor(s.beta)) if s.beta else torch.tensor(-torch.inf)
        self.keep = nn.ParameterList(nn.Parameter(start.reshape(1).clone(), requires_grad=s.beta is not None) for _ in range(2))

    def _largest(self, layer: int) -> Tensor:
        """Of each neuron's weights 0.6 of the largest; of the readout, of all together."""
        weights = (self.sound, torch.cat([self.between, self.again]), self.answer)[layer].detach().abs()
        return 0.6 * (weights.amax(0) if layer < 2 else weights.max().reshape(1))

    def integers(self) -> tuple[list[Tensor], list[Tensor]]:
        """Weights and thresholds as whole numbers that pass gradients."""
        scales = [value.exp() for value in self.log_scale]
        pairs = ((self.sound, 0), (self.between, 1), (self.again, 1), (self.answer, 2))
        weights = [rounded((value / scales[n]).clamp(-TOP, TOP)) for value, n in pairs]
        return weights, [rounded(1 / scales[n]).clamp(1, 2000) for n in (0, 1)]

    def betas(self) -> list[Tensor]:
        """What the two layers keep in a step, (n,) each: one number a layer, since one for each neuron would take 8 more block RAMs."""
        sizes = self.settings.first, self.settings.second
        return [torch.sigmoid(value).expand(size) for value, size in zip(self.keep, sizes, strict=True)]

    def forward(self, spikes: Tensor) -> tuple[Tensor, Tensor]:
        """``spikes`` [steps, samples, neurons] of 0 and 1; gives logits [steps, samples, 10] and the mean spikes of a neuron and step."""
        weights, thetas = self.integers()
        betas, s = self.betas(), self.settings
        first = self._layer(_delayed(spikes, s.heard) @ weights[0], weights[2], betas[0], thetas[0], False)
        second = self._layer(_delayed(first, s.between) @ weights[1], weights[2], betas[1], thetas[1], bool(s.again))
        answer = (second @ weights[3]).cumsum(0) * self.log_scale[2].exp()
        return answer, (first.mean() + second.mean()) / 2

    def _layer(self, drive: Tensor, again: Tensor, beta: Tensor, theta: Tensor, recurrent: bool) -> Tensor:
        spikes: Tensor = _Leaky.apply(drive, again, beta, theta, recurrent)  # type: ignore[no-untyped-call]
        return functional.dropout(spikes, self.settings.dropout, self.training)

    @torch.no_grad()
    def network(self, info: dict[str, Any] | None = None) -> Network:
        """The integers, as what runs in the model and on the fabric."""
        s = self.settings
        weights, thetas = ([value.numpy().astype(np.int64) for value in values] for values in self.integers())
        keeps = [round(float(value[0]) * 65536) for value in self.betas()]
        populations = (Population("sound", front_end.NEURONS, "input", theta=1),
                       *(Population(name, size, "lif", theta=theta, k=keep)
                         for name, size, theta, keep in zip(("first", "second"), (s.first, s.second), thetas, keeps, strict=True)),
                       Population("digit", DIGITS, "li"))
        projections = [
            *(Projection.dense("sound", "first", part, delay=delay) for part, delay in _parts(weights[0], s.heard)),
            *(Projection.dense("first", "second", part, delay=delay) for part, delay in _parts(weights[1], s.between)),
            *(Projection.dense("second", "second", weights[2], delay=delay) for delay in s.again),
            Projection.dense("second", "digit", weights[3])]
        return Network(populations, tuple(projections), weight_bits=4, state_bits=16, info=info or {})


def _delayed(values: Tensor, delays: tuple[int, ...]) -> Tensor:
    """[steps, samples, n] as it was so many steps ago, side by side; 0 before the beginning."""
    return torch.cat([values if not delay else functional.pad(values[:-delay], (0, 0, 0, 0, delay, 0)) for delay in delays], 2)


def _parts(weights: npt.NDArray[np.int64], delays: tuple[int, ...]) -> list[tuple[npt.NDArray[np.int64], int]]:
    return list(zip(np.split(weights, len(delays)), delays, strict=True))


def train(settings: Settings, copies: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], *, epochs: int, rate: float = 4e-3,
          batch: int = 64, seed: int = 0) -> SpikingNet:
    """Train on spikes [copies, samples, steps, neurons], another copy of the samples in every epoch. Labels (samples,)."""
    torch.manual_seed(seed)
    net, answers, rng = SpikingNet(settings, seed), torch.from_numpy(labels), np.random.default_rng(seed)
    optimizer = torch.optim.Adam([value for value in net.parameters() if value.requires_grad], rate)
    batches = -(-len(labels) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * batches, pct_start=0.1)
    for epoch in range(epochs):
        for rows in np.array_split(rng.permutation(len(labels)), batches):
            logits, activity = net(torch.from_numpy(copies[epoch % len(copies), rows]).transpose(0, 1).float())
            late = logits[8:]
            cost = functional.cross_entropy(late.flatten(0, 1), answers[rows].repeat(len(late)), label_smoothing=0.05)
            cost = cost + functional.cross_entropy(logits[-1], answers[rows], label_smoothing=0.05) + activity
            optimizer.zero_grad()
            cost.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return net.eval()
