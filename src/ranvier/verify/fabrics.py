"""The fabrics of the campaign: few of them hold every pair of values of two build parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np

from ..mapping.mapper import tailor
from ..model.errors import RanvierError
from ..model.fabric.config import MOST_WORD_BITS, CoreConfig, FabricConfig, InputConfig, least_word_bits
from ..model.network.network import Network
from ..rtl.forms.form import SIMULATION, drawn_form
from ..rtl.forms.technology import CHECKED, CHECKED_UP5K, ECP5, SIMULATED, Technology, weights_in_spram
from .random_networks import random_network

__all__ = ["CHOICES", "MOST_FABRICS", "CampaignFabric", "covering_choices", "covering_fabrics", "forms_to_draw", "is_possible",
           "technology_for"]

#: So many fabrics must do: each is compiled, which takes half a minute or more.
MOST_FABRICS = 32


def forms_to_draw() -> dict[str, Technology]:
    """The forms of the RTL that can be simulated, by name. All but the one that users run garble words that are read while written."""
    return {
        "simulation": SIMULATED,
        # Decisions that no board has together: each fabric draws its own.
        "drawn": replace(CHECKED, name="checked simulation of a drawn form", form=SIMULATION),
        "ECP5": replace(ECP5, name="checked simulation of the ECP5", garbles_collisions=True),
        "UP5K": CHECKED_UP5K,
        # The same form where the cores' weights are more than four SPRAMs can hold.
        "iCE40": replace(CHECKED_UP5K, name="checked simulation of an iCE40 without SPRAM", spram_blocks=0),
    }


#: Build parameters and the values that the campaign tries. Every pair of values of two parameters that can go together
#: is in one of the fabrics.
CHOICES: dict[str, tuple[Any, ...]] = {
    "cores": (1, 2, 3, 16),
    "lanes": (4, 8, 16, 64),
    "sweep_lanes": (1, 2, 4, 8),
    "input_lanes": (1, 4, 16),
    "weight_bits": (2, 4, 8, 16),
    "state_bits": (12, 16, 19, 32),
    "input_bits": (1, 8),
    "rounding": ("nearest", "zero"),
    "queue_depth": (2, 3, 5, 16),
    "word_bits": ("least", 16, "twice"),    # spike words as short as the ring allows, of 16 bits, or twice the least
    "doubling": (0, 1),
    "reads_back": (0, 1),
    "spike_bits": (1, 2, 4),
    "next_tick": (0, 1),
    "currents": (0, 1),
    "windows": (0, 1),
    "depths": ("roomy", "tailored"),        # memories for any of the campaign's networks, or as `tailor` makes them for one
    "form": tuple(forms_to_draw()),
}


@dataclass(frozen=True, eq=False)
class CampaignFabric:
    """A fabric, its form, the choices that made it, and the network that it is tailored to, if it is."""

    config: FabricConfig
    form: str
    choice: dict[str, Any]
    network: Network | None = None

    @property
    def technology(self) -> Technology | None:
        """What the simulator is told; None for the form that it takes by itself."""
        return technology_for(self.form, self.config)


def technology_for(form: str, config: FabricConfig) -> Technology | None:
    """What a simulator is told to build ``config`` in one of `forms_to_draw`; None for the form that it takes by itself.

    A fabric's drawn form follows from its configuration, so that a reproducer needs no more than both.
    """
    if form == "simulation":
        return None
    technology = forms_to_draw()[form]
    if form != "drawn":
        return technology
    return replace(technology, form=drawn_form(np.random.default_rng([*config.digest.encode()])))


def _config(choice: dict[str, Any]) -> FabricConfig:
    """The fabric with roomy memories."""
    least = max(4, least_word_bits(choice["cores"], max(choice["sweep_lanes"], choice["input_lanes"]), choice["spike_bits"]))
    word_bits = {"least": least, "twice": 2 * least}.get(choice["word_bits"], choice["word_bits"])
    if choice["word_bits"] == "twice" and word_bits > MOST_WORD_BITS:
        raise RanvierError("fabric: no longer word")
    lanes, sweep = choice["lanes"], choice["sweep_lanes"]
    groups = max(64, 512 // sweep)
    config = FabricConfig(
        cores=choice["cores"],
        core=CoreConfig(lanes=lanes, sweep_lanes=sweep, program_depth=1024, row_depth=128, weight_depth=8192, state_depth=groups,
                        drive_depth=groups, dynamics_depth=groups, readout_depth=groups),
        input=InputConfig(sweep_lanes=choice["input_lanes"], row_depth=8, state_depth=256, drive_depth=256, dynamics_depth=256),
        state_bits=choice["state_bits"], weight_bits=choice["weight_bits"], input_bits=choice["input_bits"],
        rounding=choice["rounding"], word_bits=word_bits, spike_depth=4096, levels=24, queue_depth=choice["queue_depth"],
        doubling=choice["doubling"], reads_back=choice["reads_back"], spike_bits=choice["spike_bits"], next_tick=choice["next_tick"],
        currents=choice["currents"], windows=choice["windows"])
    weights_in_spram(config, forms_to_draw()[choice["form"]])
    return config


def is_possible(choice: dict[str, Any]) -> bool:
    """Whether there is such a fabric."""
    return _has_possible(**{name: choice[name] for name in ("cores", "lanes", "sweep_lanes", "input_lanes", "word_bits",
                                                             "spike_bits")}) \
        and (choice["doubling"] or choice["spike_bits"] == 1) \
        and _has_possible(**{name: choice[name] for name in ("cores", "lanes", "weight_bits", "form")})


@cache
def _has_possible(**some: Any) -> bool:
    """Whether there is a fabric with these values, whatever the others are."""
    easy = {"cores": 1, "lanes": 8, "sweep_lanes": 1, "input_lanes": 1, "weight_bits": 2, "state_bits": 16, "input_bits": 1,
            "rounding": "zero", "queue_depth": 2, "word_bits": "least", "doubling": 0, "reads_back": 0, "spike_bits": 1, "next_tick": 0,
            "currents": 0, "windows": 0, "form": "simulation"}
    try:
        _config(easy | some)
    except RanvierError:
        return False
    return True


def _fabric(number: int, choice: dict[str, Any]) -> CampaignFabric:
    config = _config(choice)
    if choice["depths"] == "roomy":
        return CampaignFabric(config, choice["form"], choice)
    for attempt in range(100):
        network = random_network(np.random.default_rng([number, attempt]), config, max_neurons=30, max_hidden=4, wide=True)
        try:
            tailored = tailor(network, config).replace(doubling=config.doubling)
        except RanvierError:
            continue
        return CampaignFabric(tailored, choice["form"], choice, network)
    raise AssertionError(f"no network to tailor {choice} to")


def covering_fabrics(most: int = MOST_FABRICS) -> list[CampaignFabric]:
    """Fabrics that hold every pair of values of two build parameters that can go together; at most ``most``."""
    chosen = covering_choices()
    if len(chosen) > most:
        raise AssertionError(f"{len(chosen)} fabrics are needed for every pair; at most {most} were wanted")
    return [_fabric(number, choice) for number, choice in enumerate(chosen)]


@cache
def covering_choices(seed: int = 3) -> list[dict[str, Any]]:
    """Values of the build parameters for each of `covering_fabrics`, found greedily."""
    rng = np.random.default_rng(seed)
    missing = {((a, x), (b, y)) for a, b in combinations(CHOICES, 2) for x, y in product(CHOICES[a], CHOICES[b])
               if _draft(rng, {a: x, b: y}) is not None}
    chosen: list[dict[str, Any]] = []
    while missing:
        pairs = sorted(missing, key=repr)
        drafts = [_draft(rng, dict(pairs[rng.integers(len(pairs))])) for _ in range(60)]
        best = max((_improved(rng, draft, missing) for draft in drafts if draft is not None), key=lambda d: len(_pairs(d) & missing))
        chosen.append(best)
        missing -= _pairs(best)
    return chosen


def _improved(rng: np.random.Generator, choice: dict[str, Any], missing: set[Any]) -> dict[str, Any]:
    """``choice`` with one parameter after the other set to what covers most of ``missing``."""
    def quality(other: dict[str, Any]) -> tuple[int, bool, int]:
        """Ties go to what was drawn, and to small fabrics, which are compiled sooner."""
        size = other["cores"] * other["lanes"]
        return len(_pairs(other) & missing), size < choice["cores"] * choice["lanes"] or other == choice, -size

    for name in map(str, rng.permutation(list(CHOICES))):
        choice = max((other for value in CHOICES[name] if is_possible(other := {**choice, name: value})), key=quality)
    return choice


def _draft(rng: np.random.Generator, pair: dict[str, Any]) -> dict[str, Any] | None:
    """A possible fabric that holds ``pair``, the other parameters at random; None where none was found."""
    for _ in range(400):
        choice = {name: pair.get(name, values[rng.integers(len(values))]) for name, values in CHOICES.items()}
        if is_possible(choice):
            return choice
    return None


def _pairs(choice: dict[str, Any]) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    return set(combinations(choice.items(), 2))
