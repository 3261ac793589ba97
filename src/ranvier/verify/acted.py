"""What of a network *acted* in a run: without it, something that is compared would have been different."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..mapping.mapper import tailor
from ..model.errors import RanvierError
from ..model.fabric.cycles import Cycles, predict_cycles
from ..model.fabric.layout import Counter
from ..model.fabric.placement import Placement
from ..model.network.network import Network
from ..model.network.population import Population
from ..model.network.projection import Projection
from ..model.run.golden import GoldenRun, run_golden
from .fabrics import CampaignFabric

__all__ = ["FEATURES", "acted"]

Inputs = Mapping[str, npt.NDArray[Any]]

#: Every feature that `acted` can find, in the order of tables.
FEATURES = (
    *(f"delay {d}" for d in range(1, 16)), *(f"hop of {d} ticks" for d in range(2, 16)), *(f"exponent {e}" for e in range(1, 16)),
    *(f"period {k}" for k in range(2, 16)), *(f"queue of {n} full" for n in (2, 3, 5, 16)), "wait for the sweep", "clamp",
    "no inputs", "no readouts", "row without synapses", "weights of 16 bits", "spike words of 16 bits", "doubling 0", "reads_back 0",
    "more than 5 steps", "more than 20 steps", "more than 40 steps", "several windows", "endless window", "new values every step",
    *(f"counts of {n} bits" for n in (2, 4)), "a count above 1", "convolution", "stride", "padding", "dilation", "groups", "wide kernel",
    "many channels", "image on several cores", "current of before", "current of after", "subtraction in the next tick",
    "v_reset in the next tick", "old v",
    *(f"reset {kind}" for kind in ("none", "subtract", "value")), "spike at >", "spike at >=", "leak", "tailored depths filled",
    *(f"form {name}" for name in ("simulation", "drawn", "ECP5", "UP5K", "iCE40")))


def acted(fabric: CampaignFabric, placement: Placement, inputs: Inputs, steps: int, golden: GoldenRun, cycles: Cycles, *,
          endless: bool) -> Tally[str]:
    """The features that acted in a run of ``placement``, each counted once.

    A projection acted if silencing it changes a membrane or a spike: then its delay, its hop in ticks and its exponent have. A queue was
    full if one entry more, or less for the longest, changes a tick's clocks. What is only there, such as a form, acts if something spikes.
    """
    network, config = placement.network, placement.config
    found: set[str] = set()
    spiked = {name: bool(trace.any()) for name, trace in golden.spikes.items()}
    moves = any(bool((membranes != membranes[:, :1]).any()) for membranes in golden.membranes.values())
    counters = cycles.counters.sum(axis=0)
    plan = placement.schedule
    for number in _effective(network, inputs, steps, golden, endless):
        projection = network.projections[number]
        found |= {f"delay {projection.delay}", f"hop of {plan.delay(projection)} ticks", f"exponent {projection.exponent}",
                  f"period {plan.period}"}
        if np.abs(projection.weights).max() >= 1 << 7:
            found.add("weights of 16 bits")
        found |= _geometry(placement, projection)
    if _queue_matters(placement, golden, cycles, steps):
        found.add(f"queue of {config.queue_depth} full")
    batch = len(next(iter(golden.membranes.values())))
    alive = any(spiked.values()) or not network.projections and moves
    for name, true in {
            "wait for the sweep": counters[Counter.STALLS] > 0, "clamp": counters[Counter.CLAMPS] > 0,
            "no inputs": alive and not network.inputs, "no readouts": alive and not network.readouts,
            "row without synapses": moves and any(p.kind != "input" and not network.incoming(p.name) for p in network.populations),
            "spike words of 16 bits": alive and config.word_bits == 16, "doubling 0": alive and not config.doubling,
            "reads_back 0": alive and not config.reads_back, **{f"more than {n} steps": alive and steps > n for n in (5, 20, 40)},
            f"counts of {config.spike_bits} bits": alive, "a count above 1": any(int(trace.max()) > 1 for trace in golden.spikes.values()),
            "several windows": alive and batch > 1, "endless window": alive and endless,
            "new values every step": any(v.ndim == 3 and bool((v != v[:, :1]).any()) for v in map(np.asarray, inputs.values())),
            "tailored depths filled": alive and fabric.network is not None and _filled(placement),
            f"form {fabric.form}": alive}.items():
        if true:
            found.add(name)
    for population in network.populations:
        found |= _late(network, population, golden)
        if spiked.get(population.name):
            found |= {f"reset {population.semantics.reset}", f"spike at >{'' if population.semantics.strict else '='}"}
        if np.any(network.parameter(population, "k") < 1 << 16) and golden.membranes[population.name].any():
            found.add("leak")
    return Tally(found & set(FEATURES))


def _geometry(placement: Placement, projection: Projection) -> set[str]:
    """What a convolution has, if it is one."""
    source, destination = (placement.network.by_name[end] for end in (projection.source, projection.destination))
    if projection.is_dense(source, destination):
        return set()
    lanes = placement.config.core.lanes
    cases = {"convolution": True, "stride": max(projection.stride) > 1, "padding": max(projection.padding) > 0,
             "dilation": max(projection.dilation) > 1, "groups": projection.groups > 1,
             "wide kernel": max(projection.weights.shape[:2]) > 1,
             "many channels": destination.shape[2] > lanes, "image on several cores": len(placement.parts[destination.name]) > 1}
    return {name for name, true in cases.items() if true}


def _late(network: Network, population: Population, golden: GoldenRun) -> set[str]:
    """Currents that flowed, and resets after the tick of their spike."""
    found, semantics = set(), population.semantics
    if population.neuron.currents and golden.states["i"][population.name].any():
        found.add(f"current of {semantics.current}")
    if population.spiking and golden.spikes[population.name].any():
        found |= {name for name, moment, reset in (
            ("subtraction in the next tick", "next_tick", "subtract"), ("v_reset in the next tick", "next_tick", "value"),
            ("old v", "old_v", "value")) if (semantics.reset_moment, semantics.reset) == (moment, reset)}
    return found


def _effective(network: Network, inputs: Inputs, steps: int, golden: GoldenRun, endless: bool) -> Iterator[int]:
    """Numbers of the projections without whose weights some membrane or spike would be different."""
    for number, projection in enumerate(network.projections):
        if not golden.spikes[projection.source].any():
            continue
        silent = replace(projection, weights=np.zeros_like(projection.weights))
        others = (*network.projections[:number], silent, *network.projections[number + 1:])
        without = run_golden(replace(network, projections=others), inputs, steps, record=True, endless=endless, threads=1)
        if any(not np.array_equal(golden.membranes[name], without.membranes[name]) for name in golden.membranes) or any(
                not np.array_equal(golden.spikes[name], without.spikes[name]) for name in golden.spikes):
            yield number


def _queue_matters(placement: Placement, golden: GoldenRun, cycles: Cycles, steps: int) -> bool:
    depth = placement.config.queue_depth
    for other in (depth + 1, depth - 1):
        try:
            config = placement.config.replace(queue_depth=other)
        except RanvierError:    # the longest that there is
            continue
        changed = predict_cycles(replace(placement, config=config), golden.popcounts, golden.clamps, steps)
        return bool(np.any(changed.clocks != cycles.clocks))
    raise AssertionError("a queue has a length beside its own")


def _filled(placement: Placement) -> bool:
    """Whether no depth of the fabric could be less for this network."""
    return tailor(placement.network, placement.config).replace(doubling=placement.config.doubling) == placement.config
