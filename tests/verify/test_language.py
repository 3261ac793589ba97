"""The language example in RTL: the fabric of an iCEBreaker reads the example's own sentences, 64 characters each."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier import classify, load_network, map_network, run_rtl_set
from ranvier.boards import BOARDS
from tests.examples.test_language import CODES, network_file, run, texts

pytestmark = pytest.mark.verify


def test_sentences_in_rtl(share: float) -> None:
    """56 sentences, or a share of them: no differing spike, membrane, counter or clock, and the languages are found."""
    every = round(1 / share)
    sentences = [text[:network_file.CHARACTERS] for group in texts.load_sentences().values() for text in group][::every]
    labels = np.repeat(np.arange(len(CODES)), 4)[::every]
    network = load_network(network_file.NETWORK)
    placement = map_network(network, run.fabric_of(BOARDS["icebreaker"], network))
    spikes = network_file.spikes_of(network_file.neurons_of(sentences))
    result = run_rtl_set(placement, spikes, network_file.STEPS, encoded=True)
    assert result.mismatch is None, str(result.mismatch)
    assert result.mismatches == 0 and result.samples == len(sentences) == -(-56 // every)
    right = float(np.mean(classify(result.readouts) == labels))
    print(f"\n{result.samples} sentences: 0 mismatches, {result.clocks} clocks, {100 * right:.1f} % right")
    assert right > 0.9
