"""The long evidence of the golden model: `make verify`."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ranvier.progress import bar
from ranvier.verify.random_networks import random_inputs, random_network
from tests.model.run.test_golden import compare

pytestmark = pytest.mark.verify

NETWORKS = 5000
#: What must act in so many of a hundred networks at the least, else nothing is shown.
LEAST = {"convolution": 30, "padding on every side": 15, "stride beyond the kernel": 4, "dilation": 15, "groups": 10, "depthwise": 8,
         "one pixel": 5, "count above 1": 30, "counts of 8 bits": 4, "current": 15, "current of before": 6, "current clamped": 8,
         "reset that waits": 2, "subtraction in the next tick": 4, "old-v": 4}


def test_reference_against_golden(share: float) -> None:
    """5,000 random networks of everything: every count, state word, clamp, readout and popcount is the reference's."""
    networks, acted = round(NETWORKS * share), Counter[str]()
    with bar(f"{networks} random networks, reference against golden model", networks) as update:
        for seed in range(networks):
            rng = np.random.default_rng([18, seed])
            net = random_network(rng, rich=True)
            steps = int(rng.integers(1, 8))
            run = compare(net, random_inputs(rng, net, 2, steps), steps, endless=bool(rng.integers(2)), note=f"seed {seed}")
            found: set[str] = set()
            for projection in net.projections:
                source, destination = net.by_name[projection.source], net.by_name[projection.destination]
                if not projection.is_dense(source, destination) and run.spikes[source.name].any():
                    found |= {name for name, true in {
                        "convolution": True, "padding on every side": all(projection.padding), "dilation": projection.dilation != (1, 1),
                        "stride beyond the kernel": projection.stride[0] > projection.extent[0], "groups": projection.groups > 1,
                        "depthwise": projection.groups == source.shape[2] > 1, "one pixel": source.shape[:2] == (1, 1)}.items() if true}
            for population in net.populations:
                name, said = population.name, population.semantics
                spiked, words = run.spikes[name].any(), run.states[name]
                moved = population.neuron.currents and words["i"].any()
                found |= {label for label, true in {
                    "count above 1": run.spikes[name].max() > 1, "counts of 8 bits": run.spikes[name].max() > 127, "current": moved,
                    "current of before": moved and said.current == "before",
                    "current clamped": moved and run.clamps[name].max(initial=0) > 0,
                    "reset that waits": "flag" in words and words["flag"].any(), "old-v": spiked and said.reset_moment == "old_v",
                    "subtraction in the next tick": spiked and said.reset == "subtract" and said.reset_moment == "next_tick",
                }.items() if true}
            acted.update(found)
            update(seed + 1)
    print(f"\n{dict(acted)}")
    quiet = {name: acted[name] for name, least in LEAST.items() if acted[name] < least * networks / 100 / 2}
    assert not quiet, f"too quiet to show anything: {quiet}"
