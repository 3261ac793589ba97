"""The campaign: seeded random networks on a small set of fabrics, model against RTL."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import dataclass, fields
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from ..mapping.mapper import map_network
from ..model.errors import RanvierError
from ..model.fabric.config import CoreConfig, FabricConfig, InputConfig
from ..model.fabric.layout import Counter
from ..model.fabric.placement import Placement
from ..processes import worker_processes
from ..sim.compare import Mismatch
from ..sim.simulator import Simulator
from .evidence import check_batch, save_reproducer
from .random_networks import random_inputs, random_network

__all__ = ["CHOICES", "Outcome", "covering_choices", "covering_fabrics", "draw_case", "run_campaign"]

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
                        drive_depth=groups, dynamics_depth=groups, readout_depth=groups),
        input=InputConfig(sweep_lanes=choice["input_lanes"], row_depth=8, state_depth=256, drive_depth=256, dynamics_depth=256),
        state_bits=choice["state_bits"], weight_bits=choice["weight_bits"], input_bits=choice["input_bits"],
        rounding=choice["rounding"], word_bits=max(8, min(word_bits, 256)), spike_depth=4096, levels=24, queue_depth=choice["queue_depth"])


def _possible(choice: dict[str, Any]) -> bool:
    try:
        _fabric(choice)
    except RanvierError:
        return False
    return True


def covering_fabrics(most: int = 24) -> list[FabricConfig]:
    """Fabrics that hold every pair of values of two build parameters that can go together; at most ``most``."""
    chosen = covering_choices()
    if len(chosen) > most:
        raise AssertionError(f"{len(chosen)} fabrics are needed for every pair; at most {most} were wanted")
    return [_fabric(choice) for choice in chosen]


def covering_choices(seed: int = 1) -> list[dict[str, Any]]:
    """Values of the build parameters for each of `covering_fabrics`, found greedily."""
    rng = np.random.default_rng(seed)
    missing = {((a, x), (b, y)) for a, b in combinations(CHOICES, 2) for x, y in product(CHOICES[a], CHOICES[b])
               if _draft(rng, {a: x, b: y}) is not None}
    chosen: list[dict[str, Any]] = []
    while missing:
        pairs = sorted(missing, key=repr)
        drafts = [_draft(rng, dict(pairs[rng.integers(len(pairs))])) for _ in range(150)]
        best = max((draft for draft in drafts if draft is not None), key=lambda draft: len(_pairs(draft) & missing))
        chosen.append(best)
        missing -= _pairs(best)
    return chosen


def _draft(rng: np.random.Generator, pair: dict[str, Any]) -> dict[str, Any] | None:
    """A possible fabric that holds ``pair``, the other parameters at random; None where none was found."""
    for _ in range(200):
        choice = {name: pair.get(name, values[rng.integers(len(values))]) for name, values in CHOICES.items()}
        if _possible(choice):
            return choice
    return None


def _pairs(choice: dict[str, Any]) -> set[tuple[tuple[str, Any], tuple[str, Any]]]:
    return set(combinations(choice.items(), 2))


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


def run_campaign(networks: int, fabrics: list[FabricConfig], *, seed: int = 0, folder: Path | None = None, workers: int | None = None,
                 progress: Callable[[int], None] | None = None) -> Outcome:
    """Compare ``networks`` random networks, shared out over ``fabrics``; a mismatch leaves a reproducer in ``folder``.

    ``workers`` processes take a fabric each; as many as there are processors when not given.
    """
    workers = min(workers or os.cpu_count() or 1, len(fabrics))
    tasks = [(config, range(seed + n, seed + networks, len(fabrics)), folder) for n, config in enumerate(fabrics)]
    parts: list[Outcome] = []
    with worker_processes(workers) as pool:
        for future in as_completed([pool.submit(_run_fabric, *task) for task in tasks]):
            parts.append(future.result())
            if progress is not None:
                progress(sum(part.networks for part in parts))
    failed = sorted((failure for part in parts for failure in part.mismatches), key=lambda failure: failure[0])
    sums = {f.name: sum(getattr(part, f.name) for part in parts) for f in fields(Outcome) if f.name != "mismatches"}
    return Outcome(**sums, mismatches=tuple(failed))


def _run_fabric(config: FabricConfig, seeds: range, folder: Path | None) -> Outcome:
    """The campaign's networks of one fabric."""
    ticks = spikes = words = clamps = 0
    failed: list[tuple[int, Mismatch]] = []
    with Simulator(config) as simulator:
        for seed in seeds:
            placement, inputs, steps, endless = draw_case(seed, config)
            simulator.load(placement)
            check = check_batch(placement, simulator, inputs, steps, endless=endless)
            counters = check.cycles.counters.sum(axis=0)
            ticks += check.cycles.clocks.size
            spikes += int(counters[Counter.SPIKES])
            words += int(counters[Counter.WEIGHT_WORDS])
            clamps += int(counters[Counter.CLAMPS])
            if check.mismatch is not None:
                failed.append((seed, check.mismatch))
                if folder is not None:
                    save_reproducer(folder / f"seed-{seed}", placement, inputs, steps, check.mismatch, endless=endless, seed=seed)
    return Outcome(len(seeds), 1, ticks, spikes, words, clamps, tuple(failed))
