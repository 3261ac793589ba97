"""The digits that were trained as spikes: the file that is carried, without torch; tests/commands/test_demo.py has it in RTL."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import ranvier

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
#: Of the 10,000 test digits, how many `ranvier train` counted right in its own forward pass.
RIGHT = 9828


def test_the_model_has_the_accuracy_of_training() -> None:
    network = ranvier.load_network(DIGITS / "trained_1.ranvier")
    assert (network.weight_bits, network.info["steps"], [p.size for p in network.populations]) == (4, 1, [784, 128, 10])
    with np.load(DIGITS / "mnist_test.npz") as data:
        pictures, labels = data["pictures"], data["labels"]
    found = ranvier.simulate(network, pictures, 1)
    assert np.count_nonzero(found.readouts["output"][:, -1].argmax(1) == labels) == RIGHT
    # The converted network, which this one was trained from, takes 13,560 synaptic operations at one step.
    operations = 128 * found.spikes["input"].sum() + 10 * found.spikes["hidden"].sum()
    assert operations / len(labels) < 13_560
