"""Delays that are trained: a place between the shortest and the longest, and the whole delay that it stands for.

A synapse whose delay learns is in one of several integer projections, one for each delay. Forwards it is in the nearest alone, so that what
runs is the integer model. Backwards it is spread over all of them by a Gaussian around its place, whose width falls in the course of a
run: dilated convolutions with learnable spacings, as in Hammouamri, Khalfaoui-Hassani and Masquelier, "Learning delays in spiking neural
networks using dilated convolutions with learnable spacings" (ICLR 2024). There the forward pass is spread too, and rounded at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt
import torch
from torch import Tensor

from ..model.errors import RanvierError
from ..model.limits import MAX_DELAY

__all__ = ["Delays", "gates"]

#: What has a delay of its own, and which axes of a kernel (height, width, source, destination) tell one from another.
EACH = {"synapse": (0, 1, 2, 3), "source": (2,), "destination": (3,), "projection": ()}


@dataclass(frozen=True)
class Delays:
    """Delays of a projection that are trained, in steps from ``least`` to ``most``.

    most, least
        0 to 15. A projection that leads backwards needs ``least=1``; where a population lies a tick behind its source, the fabric keeps
        spikes for 14 steps.
    each
        What has a delay of its own: every ``synapse``, ``source`` (neuron or channel), ``destination`` (the same), or the ``projection``.
    start
        Delays to begin with, real numbers of a shape that spreads over the kernel's, or (sources, destinations). None draws them evenly.
    sigma
        Width of the Gaussian at the beginning of a run and at its end, in steps. None begins with half of the range and ends with 0.5.

    The network has a projection for every delay that is in use, each with as many weights as the whole: both memory and operations grow
    with them.
    """

    most: int
    least: int = 0
    each: str = "synapse"
    start: npt.ArrayLike | None = None
    sigma: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name, value in (("least", self.least), ("most", self.most)):
            if type(value) is not int or not 0 <= value <= MAX_DELAY:
                raise RanvierError(f"delays: {name} is {value!r}; it must be 0 to {MAX_DELAY}")
        if self.least >= self.most:
            raise RanvierError(f"delays: least is {self.least} and most {self.most}; most must be greater, or give a delay that is fixed")
        if self.each not in EACH:
            raise RanvierError(f"delays: each is {self.each!r}; it must be one of {', '.join(EACH)}")
        if self.sigma is not None and not (len(self.sigma) == 2 and min(self.sigma) > 0):
            raise RanvierError(f"delays: sigma is {self.sigma!r}; give two positive widths, that of the beginning first")

    @property
    def steps(self) -> range:
        """The delays that there are."""
        return range(self.least, self.most + 1)

    def shape(self, kernel: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the delays of a kernel."""
        return tuple(size if axis in EACH[self.each] else 1 for axis, size in enumerate(kernel))

    def width(self, progress: float) -> float:
        """The Gaussian's width where ``progress`` of a run is done, 0 to 1: a geometric course."""
        first, last = self.sigma or ((self.most - self.least) / 2, 0.5)
        return float(first * (last / first) ** min(max(progress, 0.0), 1.0))


def gates(place: Tensor, delays: Delays, width: float) -> list[Tensor]:
    """For each delay, 1 where it is the one of ``place`` and 0 where it is not; back, the slope of a Gaussian.

    ``place`` is 0 for the shortest delay and 1 for the longest, what is beyond counts as the end.
    """
    position = place * (delays.most - delays.least)
    hard = position.detach().round().clamp(0, delays.most - delays.least)
    # A normalised Gaussian is a softmax of its exponents.
    distances = torch.stack([(position - n).square() for n in range(len(delays.steps))])
    soft = torch.softmax(distances / (-2 * width ** 2), 0)
    # What is added is 0 to the bit.
    return [(hard == n).to(place.dtype) + (share - share.detach()) for n, share in enumerate(soft)]
