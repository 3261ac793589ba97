"""Populations that are trained: real numbers to train, and the integers that they stand for.

A population's channels have a scale each, or one together: the real number that an integer 1 stands for. Weights that end in the
population, its threshold and its bias are divided by it and rounded. So a smaller scale is a larger integer threshold and finer weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..model.errors import RanvierError
from ..model.fixed import NO_LEAK
from ..model.network.population import Population as IntegerPopulation
from ..model.network.semantics import Semantics
from .fixed import rounded

__all__ = ["IF", "LI", "LIF", "CubaLI", "CubaLIF", "Input", "Population"]

#: Names of the parameters that are trained, and those of the integers that they become.
TRAINED = {"threshold": "theta", "bias": "bias", "beta": "k", "alpha": "k_i"}


class Population(nn.Module):
    """Neurons of one kind; use the class of the kind.

    name, shape, kind, semantics
        As in `ranvier.Population`.
    scale
        (1,) or (channels,): what an integer 1 stands for. None leaves it to `Network`, which takes the largest weight to the end of
        its bits.
    threshold, bias
        Real numbers in the units of the weights; one, or for each channel or neuron.
    beta, alpha
        Factors that membrane and synaptic current keep in a step, 0 to 1; names as in snnTorch. ``k`` and ``k_i`` are 65536 of them.
    learn
        Which of ``scale``, ``threshold``, ``bias``, ``beta``, ``alpha`` get gradients.
    integers
        Other parameters of the kind, as in `ranvier.Population`; they are not trained. Bounds that are not given are the widest that
        the proof of headroom allows with the weights of that moment.
    """

    def __init__(self, name: str, shape: int | tuple[int, int, int], kind: str, *, semantics: Semantics | None = None,
                 scale: npt.ArrayLike | None = None, per_channel: bool = True, threshold: npt.ArrayLike = 1.0,
                 bias: npt.ArrayLike = 0.0, beta: npt.ArrayLike = 1.0, alpha: npt.ArrayLike = 1.0, learn: tuple[str, ...] = (),
                 integers: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        twice = sorted(set(integers or {}) & set(TRAINED.values()))
        if twice:
            real = next(key for key, value in TRAINED.items() if value == twice[0])
            raise RanvierError(f"population {name}: {twice[0]} is given as an integer; give {real}, a real number")
        plain = IntegerPopulation(name, shape, kind, dict(integers or {}), semantics)
        self.name, self.shape, self.kind, self.semantics, self.integers = plain.name, plain.shape, kind, plain.semantics, plain.parameters
        self.plain = plain
        self.learn = learn
        self.scaled = scale is not None
        channels = plain.shape[2] if per_channel else 1
        start = np.ones(channels) if scale is None else np.asarray(scale, np.float64).reshape(-1)
        if not np.all(np.isfinite(start)) or np.any(start <= 0):
            raise RanvierError(f"population {name}: a scale is not a positive number")
        self._register("log_scale", torch.from_numpy(np.log(start)), "scale")
        for key, value in (("threshold", threshold), ("bias", bias), ("beta", beta), ("alpha", alpha)):
            if TRAINED[key] not in plain.neuron.constants:
                self._register(key, torch.tensor(np.asarray(value, np.float64).reshape(-1)), key)

    def _register(self, name: str, value: Tensor, learned: str) -> None:
        size = int(np.prod(self.shape))
        if len(value) not in (1, self.shape[2], size):
            raise RanvierError(f"population {self.name}: {learned} has {len(value)} entries; it must have 1, {self.shape[2]} or {size}")
        self.register_parameter(name, nn.Parameter(value, requires_grad=learned in self.learn))

    def extra_repr(self) -> str:
        return f"{self.name!r}, {self.shape}"

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.plain.size

    @property
    def scale(self) -> Tensor:
        """What an integer 1 stands for: (1,) or (channels,)."""
        found: Tensor = self.log_scale.exp()
        return found

    def per_neuron(self, values: Tensor) -> Tensor:
        """One number, or one for each channel or neuron, as (neurons,)."""
        return values if len(values) == self.size else values.repeat(self.size // len(values))

    def quantised(self, state_bits: int) -> dict[str, Tensor]:
        """The trained parameters as integers in float64, 1 number, or one for each channel or neuron; gradients pass."""
        high = (1 << state_bits - 1) - 1
        found = {}
        for key, least, most in (("threshold", 1, high), ("bias", -high - 1, high)):
            value = getattr(self, key)
            same = len(value) in (1, self.shape[2]) and len(self.log_scale) in (1, self.shape[2])
            ends = (value, self.scale) if same else (self.per_neuron(value), self.per_neuron(self.scale))
            found[TRAINED[key]] = rounded(ends[0] / ends[1], least, most)
        for key in ("beta", "alpha"):
            if hasattr(self, key):
                found[TRAINED[key]] = rounded(getattr(self, key) * NO_LEAK, 0, NO_LEAK)
        return found


class Input(Population):
    """The input unit's neurons: a held value with ``theta`` the largest value is a rate encoder, values below 2**B with ``theta`` 1 are
    spikes. All parameters are integers and none is trained."""

    def __init__(self, name: str, shape: int | tuple[int, int, int], theta: npt.ArrayLike = 1, bias: npt.ArrayLike = 0, *,
                 semantics: Semantics | None = None, **integers: Any) -> None:
        super().__init__(name, shape, "input", semantics=semantics, scale=1.0, threshold=theta, bias=bias, integers=integers)


def _learned(**flags: bool) -> tuple[str, ...]:
    return tuple(name for name, flag in flags.items() if flag)


class IF(Population):
    """Integrate and fire, without leak. Its scale learns, and its threshold is 1 unless it is given."""

    def __init__(self, name: str, shape: int | tuple[int, int, int], *, threshold: npt.ArrayLike = 1.0, bias: npt.ArrayLike = 0.0,
                 semantics: Semantics | None = None, scale: npt.ArrayLike | None = None, per_channel: bool = True,
                 learn_scale: bool = True, learn_threshold: bool = False, learn_bias: bool = True, **integers: Any) -> None:
        super().__init__(name, shape, "if", semantics=semantics, scale=scale, per_channel=per_channel, threshold=threshold, bias=bias,
                         learn=_learned(scale=learn_scale, threshold=learn_threshold, bias=learn_bias), integers=integers)


class LIF(Population):
    """Integrate and fire with a leak; ``beta`` is what the membrane keeps in a step, and learns where that is asked for."""

    def __init__(self, name: str, shape: int | tuple[int, int, int], beta: npt.ArrayLike = 0.9, *, threshold: npt.ArrayLike = 1.0,
                 bias: npt.ArrayLike = 0.0, semantics: Semantics | None = None, scale: npt.ArrayLike | None = None,
                 per_channel: bool = True, learn_scale: bool = True, learn_threshold: bool = False, learn_bias: bool = True,
                 learn_beta: bool = False, **integers: Any) -> None:
        super().__init__(name, shape, "lif", semantics=semantics, scale=scale, per_channel=per_channel, threshold=threshold, bias=bias,
                         beta=beta, integers=integers,
                         learn=_learned(scale=learn_scale, threshold=learn_threshold, bias=learn_bias, beta=learn_beta))


class CubaLIF(Population):
    """Integrate and fire with a leak and a synaptic current, of which ``alpha`` is kept in a step."""

    def __init__(self, name: str, shape: int | tuple[int, int, int], alpha: npt.ArrayLike = 0.5, beta: npt.ArrayLike = 0.9, *,
                 threshold: npt.ArrayLike = 1.0, bias: npt.ArrayLike = 0.0, semantics: Semantics | None = None,
                 scale: npt.ArrayLike | None = None, per_channel: bool = True, learn_scale: bool = True, learn_threshold: bool = False,
                 learn_bias: bool = True, learn_beta: bool = False, learn_alpha: bool = False, **integers: Any) -> None:
        super().__init__(name, shape, "cubalif", semantics=semantics, scale=scale, per_channel=per_channel, threshold=threshold,
                         bias=bias, beta=beta, alpha=alpha, integers=integers,
                         learn=_learned(scale=learn_scale, threshold=learn_threshold, bias=learn_bias, beta=learn_beta,
                                        alpha=learn_alpha))


class LI(Population):
    """A readout: it integrates with a leak and never spikes. One scale for all, so that the largest integer is the answer."""

    def __init__(self, name: str, shape: int | tuple[int, int, int], beta: npt.ArrayLike = 1.0, *, bias: npt.ArrayLike = 0.0,
                 scale: npt.ArrayLike | None = None, per_channel: bool = False, learn_scale: bool = True, learn_bias: bool = True,
                 learn_beta: bool = False, **integers: Any) -> None:
        super().__init__(name, shape, "li", scale=scale, per_channel=per_channel, bias=bias, beta=beta, integers=integers,
                         learn=_learned(scale=learn_scale, bias=learn_bias, beta=learn_beta))


class CubaLI(Population):
    """A readout with a synaptic current."""

    def __init__(self, name: str, shape: int | tuple[int, int, int], alpha: npt.ArrayLike = 0.5, beta: npt.ArrayLike = 1.0, *,
                 bias: npt.ArrayLike = 0.0, semantics: Semantics | None = None, scale: npt.ArrayLike | None = None,
                 per_channel: bool = False, learn_scale: bool = True, learn_bias: bool = True, learn_beta: bool = False,
                 learn_alpha: bool = False, **integers: Any) -> None:
        super().__init__(name, shape, "cubali", semantics=semantics, scale=scale, per_channel=per_channel, bias=bias, beta=beta,
                         alpha=alpha, integers=integers,
                         learn=_learned(scale=learn_scale, bias=learn_bias, beta=learn_beta, alpha=learn_alpha))
