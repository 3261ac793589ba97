"""The long evidence: `make verify`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ranvier.commands.demo import find_digits
from ranvier.convert.convert import convert
from ranvier.files.samples import load_pictures
from ranvier.frontends.onnx import load_onnx
from ranvier.mapping.choose import choose_fabric
from ranvier.mapping.mapper import map_network
from ranvier.progress import bar
from ranvier.runs import classify, run_rtl_set
from ranvier.verify.campaign import CHOICES, covering_fabrics, run_campaign
from ranvier.verify.host_faults import run_host_faults
from ranvier.verify.line_faults import run_line_faults

pytestmark = pytest.mark.verify

NETWORKS = 500
FAULTS = 10_000
SESSIONS = 150


def test_random_networks(tmp_path: Path) -> None:
    """500 seeded networks over all build parameters, at most 24 fabrics: no mismatch."""
    fabrics = covering_fabrics(24)
    with bar(f"{NETWORKS} random networks on {len(fabrics)} fabrics", NETWORKS) as update:
        outcome = run_campaign(NETWORKS, fabrics, folder=tmp_path, progress=update)
    print(f"\n{outcome.to_json()}")
    assert outcome.mismatches == (), [f"seed {seed}: {mismatch}" for seed, mismatch in outcome.mismatches]
    assert outcome.networks == NETWORKS
    assert outcome.spikes > 50_000 and outcome.clamps > 50_000, "the campaign has become too quiet to show anything"
    assert len(CHOICES) == 10


def test_line_faults() -> None:
    """10,000 seeded faults of every kind and 100,000 bytes of noise on the line: whole commands or nothing, and no hang."""
    with bar("faults on the line", FAULTS) as update:
        tally = run_line_faults(FAULTS, progress=update)
    print(f"\n{tally.to_json()}")
    assert tally.failures == []
    assert tally.total >= FAULTS
    assert tally.noise_bytes >= 100_000
    assert tally.executed > FAULTS // 20 and tally.dropped > FAULTS // 2, "the faults have become too mild, or too rough"


def test_host_faults() -> None:
    """Sessions over a bad line: the model's results or one clear error, and the next session works."""
    with bar("sessions over a bad line", SESSIONS) as update:
        tally = run_host_faults(SESSIONS, progress=update)
    print(f"\n{tally.to_json()}")
    assert tally.failures == []
    assert tally.recovered > SESSIONS // 10


def test_all_digits() -> None:
    """All 10,000 test pictures: no differing spike, membrane, counter or clock, and the published accuracy."""
    folder = find_digits()
    conventional = load_onnx(folder / "digits.onnx")
    pictures, labels = load_pictures(folder / "mnist_test.npz", conventional.input_size)
    network = convert(conventional, steps=4).network
    placement = map_network(network, choose_fabric(network))
    with bar("10,000 digits, RTL against model", len(pictures)) as update:
        result = run_rtl_set(placement, pictures, 4, progress=update)
    assert result.mismatch is None, str(result.mismatch)
    assert result.pictures == 10_000
    accuracy = float(np.mean(classify(result.readouts) == labels))
    print(f"\n10,000 digits: 0 mismatches, {result.clocks} clocks, accuracy in RTL {100 * accuracy:.2f} %")
    assert accuracy >= 0.987
