"""A step of `model/neurons/integrate.py` on tensors, and the integers that it takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.neurons.kind import Rule
from .fixed import decay, reset, spike_count
from .surrogates import Surrogate

__all__ = ["Neurons", "State"]

#: State words by name, each (samples, neurons).
State = dict[str, Tensor]


@dataclass(frozen=True)
class Neurons:
    """The neurons of one population, ready to step.

    integers
        Parameter to whole numbers (neurons,); gradients pass to what they were rounded from. Decay factors that leak nothing are
        left out.
    """

    rule: Rule
    integers: dict[str, Tensor]
    surrogate: Surrogate

    def initial(self, samples: int) -> State:
        """State words at the beginning of a window."""
        p, options = self.integers, self.rule.options
        words = {"v": p["v_init"]} | ({"i": p["i_init"]} if options.currents else {})
        words |= {"flag": torch.zeros_like(p["v_init"])} if options.next_tick else {}
        return {name: word.expand(samples, -1) for name, word in words.items()}

    def step(self, state: State, drive: Tensor) -> tuple[State, Tensor | None]:
        """New state words, and the count of each neuron's spikes, or None for a kind that never spikes. ``drive`` is what arrives."""
        p, rule, words = self.integers, self.rule, dict(state)
        if rule.currents:
            held = torch.clamp(decay(words["i"], p.get("k_i"), rule.rounding) + drive, p["i_min"], p["i_max"])
            drive, words["i"] = words["i"] if rule.before else held, held
        later = rule.reset if rule.next_tick else ""
        v = words["v"] if later == "subtract" else decay(words["v"], p.get("k"), rule.rounding)
        u = v + drive + p["bias"]
        if later == "value":
            u = torch.where(words["flag"] != 0, p["v_reset"], u)
        if not rule.spikes:
            return words | {"v": torch.clamp(u, p["v_min"], p["v_max"])}, None
        count = spike_count(u, p["theta"], rule.strict, rule.options.spike_bits, self.surrogate)
        if later == "value":
            words["flag"] = (count.detach() != 0).to(u.dtype)
            w = u
        else:
            w = reset(decay(u, p.get("k"), rule.rounding) if later else u, count, p["theta"], p["v_reset"], rule.reset)
        return words | {"v": torch.clamp(w, p["v_min"], p["v_max"])}, count
