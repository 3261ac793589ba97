"""The campaign: seeded random networks on a small set of fabrics, model against RTL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from .evidence import check_batch, save_reproducer
from .mapper import map_network
from .model.config import CoreConfig, FabricConfig, InputConfig
from .model.errors import RanvierError
from .model.layout import Counter
from .model.placement import Placement
from .random_networks import random_inputs, random_network
from .sim.compare import Mismatch
from .sim.simulator import Simulator

__all__ = ["CHOICES", "Outcome", "covering_fabrics", "draw_case", "run_campaign"]

#: Build parameters and the values that the campaign tries. Every pair of values of two parameters that can go together
#: is in one of the fabrics.
CHOICES: dict[str, tuple[Any, ...]] = {
    "cores": (1, 2, 3, 16),
    "lanes": (4, 8, 16, 64),
    "sweep_lanes": (1, 2, 4, 8),
    "input_lanes": (1, 4, 16),
    "weight_bits": (2, 4, 8),
    "state_bits": (12, 16, 19, 32),
    "input_bits": (1, 8),
    "rounding": ("nearest", "zero"),
    "queue_depth": (2, 4),
    "spare_word": (0, 1),     # spike words as short as the ring allows, or twice that
}


@dataclass(frozen=True)
class Outcome:
    """What a campaign did."""

    networks: int
    fabrics: int
    ticks: int
    spikes: int
    weight_words: int
    clamps: int
    mismatches: tuple[tuple[int, Mismatch], ...]    # seed and first difference

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {"networks": self.networks, "fabrics": self.fabrics, "ticks": self.ticks, "spikes": self.spikes,
                "weight_words": self.weight_words, "clamps": self.clamps, "mismatches": len(self.mismatches),
                "failed": [{"seed": seed, **mismatch.to_json()} for seed, mismatch in self.mismatches]}


def _fabric(choice: dict[str, Any]) -> FabricConfig:
    nodes = choice["cores"] + 1
    word_bits = 1 << (nodes * max(choice["sweep_lanes"], choice["input_lanes"]) - 1).bit_length() + choice["spare_word"]
    lanes, sweep = choice["lanes"], choice["sweep_lanes"]
    groups = max(64, 512 // sweep)
    return FabricConfig(
        cores=choice["cores"],
        core=CoreConfig(lanes=lanes, sweep_lanes=sweep, program_depth=1024, row_depth=128, weight_depth=8192, state_depth=groups,
                        drive_depth=groups, dynamics_depth=groups),
        input=InputConfig(sweep_lanes=choice["input_lanes"], row_depth=8, state_depth=256, drive_depth=256, dynamics_depth=256),
        state_bits=choice["state_bits"], weight_bits=choice["weight_bits"], input_bits=choice["input_bits"],
        rounding=choice["rounding"], word_bits=min(word_bits, 256), spike_depth=4096, levels=24, queue_depth=choice["queue_depth"])


def _possible(choice: dict[str, Any]) -> bool:
    try:
        _fabric(choice)
    except RanvierError:
        return False
    return True


def covering_fabrics(most: int = 24, seed: int = 1) -> list[FabricConfig]:
    """Fabrics that hold every pair of values of two build parameters, found greedily; at most ``most``."""
    rng = np.random.default_rng(seed)
    names = list(CHOICES)
    missing = {((a, x), (b, y)) for a, b in combinations(names, 2) for x, y in product(CHOICES[a], CHOICES[b])
               if _pair_possible({a: x, b: y})}
    chosen: list[dict[str, Any]] = []
    while missing:
        drafts = [_draft(rng, missing) for _ in range(150)]
        best = max(drafts, key=lambda draft: len(_pairs(draft) & missing))
        chosen.append(best)
        missing -= _pairs(best)
    if len(chosen) > most:
        raise AssertionError(f"{len(chosen)} fabrics are needed for every pair; at most {most} were wanted")
    return [_fabric(choice) for choice in chosen]


def _pair_possible(pair: dict[str, Any]) -> bool:
    """Some fabric has this pair: with the smallest values for the rest nothing else can forbid it."""
    smallest = {name: values[0] for name, values in CHOICES.items()}
    return _possible({**smallest, **pair})


def _pairs(choice: dict[str, Any]) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    return set(combinations(choice.items(), 2))


def _draft(rng: np.random.Generator, missing: set[tuple[tuple[str, Any], tuple[str, Any]]]) -> dict[str, Any]:
    """A fabric that holds one missing pair; the other parameters at random, as far as they go together."""
    pairs = sorted(missing, key=repr)
    pair = dict(pairs[rng.integers(len(pairs))])
    for _ in range(100):
        choice = {name: pair.get(name, values[rng.integers(len(values))]) for name, values in CHOICES.items()}
        if _possible(choice):
            return choice
    return {**{name: values[0] for name, values in CHOICES.items()}, **pair}


def draw_case(seed: int, config: FabricConfig) -> tuple[Placement, dict[str, Any], int, bool]:
    """A random network that fits ``config``, its inputs, the steps of a window, and whether the window stays open."""
    for attempt in range(50):
        rng = np.random.default_rng([seed, attempt])
        sizes = (4, 12, 40, 90)
        network = random_network(rng, config, max_neurons=int(rng.choice(sizes)), max_hidden=int(rng.integers(1, 5)), seed=seed)
        steps, batch = int(rng.integers(1, 7)), int(rng.integers(1, 5))
        inputs = random_inputs(rng, network, batch, steps)
        try:
            return map_network(network, config), inputs, steps, batch == 1 and bool(rng.integers(2))
        except RanvierError:      # too large for this fabric: a smaller one comes
            continue
    raise AssertionError(f"seed {seed}: no network fits {config}")


def run_campaign(networks: int, fabrics: list[FabricConfig], *, seed: int = 0, folder: Path | None = None,
                 progress: Callable[[int], None] | None = None) -> Outcome:
    """Compare ``networks`` random networks, shared out over ``fabrics``; a mismatch leaves a reproducer in ``folder``."""
    ticks = spikes = words = clamps = done = 0
    failed: list[tuple[int, Mismatch]] = []
    for config, seeds in _share(networks, fabrics, seed):
        with Simulator(config) as simulator:
            for case in seeds:
                placement, inputs, steps, endless = draw_case(case, config)
                simulator.load(placement)
                check = check_batch(placement, simulator, inputs, steps, endless=endless)
                counters = check.cycles.counters.sum(axis=0)
                ticks += check.cycles.clocks.size
                spikes, words, clamps = spikes + int(counters[Counter.SPIKES]), words + int(counters[Counter.WEIGHT_WORDS]), clamps + int(counters[Counter.CLAMPS])
                if check.mismatch is not None:
                    failed.append((case, check.mismatch))
                    if folder is not None:
                        save_reproducer(folder / f"seed-{case}", placement, inputs, steps, check.mismatch, endless=endless, seed=case)
                done += 1
                if progress is not None:
                    progress(done)
    return Outcome(done, len(fabrics), ticks, spikes, words, clamps, tuple(failed))


def _share(networks: int, fabrics: list[FabricConfig], seed: int) -> Iterator[tuple[FabricConfig, range]]:
    for n, config in enumerate(fabrics):
        yield config, range(seed + n, seed + networks, len(fabrics))
