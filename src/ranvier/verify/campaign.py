"""The campaign: seeded random networks on a small set of fabrics, model against RTL."""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..mapping.mapper import map_network
from ..model.errors import RanvierError
from ..model.fabric.config import FabricConfig
from ..model.fabric.image import memory_image, split_address
from ..model.fabric.layout import Counter, Memory
from ..model.fabric.placement import Placement
from ..model.mismatch import Mismatch
from ..model.network.network import Network
from ..processes import worker_processes
from ..sim.simulator import Simulator
from .acted import FEATURES, acted
from .evidence import check_batch, save_reproducer
from .fabrics import CampaignFabric
from .random_networks import random_inputs, random_network

__all__ = ["Outcome", "draw_case", "run_campaign"]

#: Words of its image that are read back after each network.
_READ_BACK = 64


@dataclass(frozen=True)
class Outcome:
    """What a campaign did; ``acted`` says in how many networks each of `FEATURES` acted."""

    networks: int
    fabrics: int
    ticks: int
    spikes: int
    weight_words: int
    clamps: int
    words_read_back: int
    acted: Mapping[str, int]
    mismatches: tuple[tuple[int, Mismatch], ...]    # seed and first difference

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {"networks": self.networks, "fabrics": self.fabrics, "ticks": self.ticks, "spikes": self.spikes,
                "weight_words": self.weight_words, "clamps": self.clamps, "words_read_back": self.words_read_back,
                "mismatches": len(self.mismatches), "acted": {name: self.acted.get(name, 0) for name in FEATURES},
                "failed": [{"seed": seed, **mismatch.to_json()} for seed, mismatch in self.mismatches]}


def draw_case(seed: int, config: FabricConfig, network: Network | None = None) -> tuple[Placement, dict[str, Any], int, bool]:
    """A random network that fits ``config``, its inputs, the steps of a window, and whether the window stays open.

    Where the fabric is tailored to ``network``, it is mostly that one, with other weights.
    """
    for attempt in range(50):
        rng = np.random.default_rng([seed, attempt])
        sizes = (12, 90, 200) if config.queue_depth > 8 else (4, 12, 40, 90)    # a long queue is not filled by few neurons
        if network is not None and (attempt > 20 or rng.random() < 0.6):
            drawn = _other_weights(rng, network)
        else:
            drawn = random_network(rng, config, max_neurons=int(rng.choice(sizes)), max_hidden=int(rng.integers(1, 5)), wide=True,
                                   seed=seed)
        steps = int(rng.integers(1, (7, 21, 61)[rng.choice(3, p=[0.4, 0.3, 0.3])]))
        batch = int(rng.integers(1, 5 if steps <= 20 else 3)) if drawn.inputs else 1
        inputs = random_inputs(rng, drawn, batch, steps)
        try:
            return map_network(drawn, config), inputs, steps, batch == 1 and bool(rng.integers(2))
        except RanvierError:      # too large for this fabric: a smaller one comes
            continue
    raise AssertionError(f"seed {seed}: no network fits {config}")


def _other_weights(rng: np.random.Generator, network: Network) -> Network:
    """The network with the source neurons of each projection in another order, so that no sum of weights changes."""
    projections = tuple(replace(p, weights=p.weights[:, :, rng.permutation(p.weights.shape[2])]) for p in network.projections)
    return replace(network, projections=projections)


def run_campaign(networks: int, fabrics: list[CampaignFabric], *, seed: int = 0, folder: Path | None = None, workers: int | None = None,
                 progress: Callable[[int], None] | None = None) -> Outcome:
    """Compare ``networks`` random networks, shared out over ``fabrics``; a mismatch leaves a reproducer in ``folder``.

    ``workers`` processes take a fabric each; as many as there are processors when not given.
    """
    workers = min(workers or os.cpu_count() or 1, len(fabrics))
    tasks = [(fabric, range(seed + n, seed + networks, len(fabrics)), folder) for n, fabric in enumerate(fabrics)]
    parts: list[Outcome] = []
    with worker_processes(workers) as pool:
        for future in as_completed([pool.submit(_run_fabric, *task) for task in tasks if task[1]]):
            parts.append(future.result())
            if progress is not None:
                progress(sum(part.networks for part in parts))
    failed = sorted((failure for part in parts for failure in part.mismatches), key=lambda failure: failure[0])
    numbers = ("networks", "fabrics", "ticks", "spikes", "weight_words", "clamps", "words_read_back")
    sums = {name: sum(getattr(part, name) for part in parts) for name in numbers}
    return Outcome(**sums, acted=sum((Tally(part.acted) for part in parts), Tally()), mismatches=tuple(failed))


def _run_fabric(fabric: CampaignFabric, seeds: range, folder: Path | None) -> Outcome:
    """The campaign's networks of one fabric."""
    ticks = spikes = words = clamps = read_back = 0
    found: Tally[str] = Tally()
    failed: list[tuple[int, Mismatch]] = []
    with Simulator(fabric.config, technology=fabric.technology) as simulator:
        for seed in seeds:
            placement, inputs, steps, endless = draw_case(seed, fabric.config, fabric.network)
            simulator.load(placement)
            check = check_batch(placement, simulator, inputs, steps, endless=endless)
            counters = check.cycles.counters.sum(axis=0)
            ticks += check.cycles.clocks.size
            spikes += int(counters[Counter.SPIKES])
            words += int(counters[Counter.WEIGHT_WORDS])
            clamps += int(counters[Counter.CLAMPS])
            found += acted(fabric, placement, inputs, steps, check.golden, check.cycles, endless=endless)
            compared, wrong = _read_back(np.random.default_rng(seed), placement, simulator)
            read_back += compared
            mismatch = check.mismatch or wrong
            if mismatch is not None:
                failed.append((seed, mismatch))
                if folder is not None:
                    save_reproducer(folder / f"seed-{seed}", placement, inputs, steps, mismatch, endless=endless, seed=seed,
                                    form=fabric.form)
    return Outcome(len(seeds), 1, ticks, spikes, words, clamps, read_back, found, tuple(failed))


def _read_back(rng: np.random.Generator, placement: Placement, simulator: Simulator) -> tuple[int, Mismatch | None]:
    """Words of the image that the run does not change, read back: how many, and the first that is wrong."""
    writes = memory_image(placement).writes
    writes = writes[[split_address(int(address))[1] != Memory.STATE for address in writes[:, 0]]]
    # Where an address is written twice, the last one counts.
    kept = {int(address): int(data) for address, data in writes}
    chosen = rng.permutation(sorted(kept))[:_READ_BACK]
    values = simulator.read(chosen)
    for address, value in zip(chosen.tolist(), values.tolist(), strict=True):
        expected = kept[address] if placement.config.reads_back else 0
        if value != expected:
            return len(chosen), Mismatch("count", detail=f"what is read back at {address:#x}", expected=expected, found=value)
    return len(chosen), None
