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
from ranvier.verify.acted import FEATURES
from ranvier.verify.campaign import run_campaign
from ranvier.verify.fabrics import MOST_FABRICS, covering_fabrics
from ranvier.verify.host_faults import run_host_faults
from ranvier.verify.line_faults import run_line_faults

pytestmark = pytest.mark.verify

NETWORKS = 1000
FAULTS = 10_000
SESSIONS = 150


#: In so many of the networks every feature acts at the least.
LEAST_ACTED = 3
#: Networks that fill the longest queue are rare: they need many spikes in many words at once.
RARE = {"queue of 16 full": 1}


def test_random_networks(tmp_path: Path, share: float) -> None:
    """1,000 seeded networks over all build parameters, at most 32 fabrics: no mismatch, and everything acted.

    A share of it takes a part of the fabrics, and asks for each feature that these can have only whether it acted at all.
    """
    fabrics = covering_fabrics(MOST_FABRICS)[::round(1 / share)]
    networks = round(NETWORKS * len(fabrics) / len(covering_fabrics()))
    with bar(f"{networks} random networks on {len(fabrics)} fabrics", networks) as update:
        outcome = run_campaign(networks, fabrics, folder=tmp_path, progress=update)
    print(f"\n{outcome.to_json()}")
    assert outcome.mismatches == (), [f"seed {seed}: {mismatch}" for seed, mismatch in outcome.mismatches]
    assert outcome.networks == networks
    assert outcome.spikes > 100 * networks and outcome.clamps > 100 * networks, "the campaign has become too quiet to show anything"
    if share == 1:
        quiet = {name: outcome.acted.get(name, 0) for name in FEATURES
                 if outcome.acted.get(name, 0) < RARE.get(name, LEAST_ACTED)}
        assert not quiet, f"too quiet to show anything: {quiet}"
    else:
        idle = [name for name in FEATURES if not outcome.acted.get(name)]
        assert len(idle) < len(FEATURES) // 4, f"too quiet to show anything: {idle}"


def test_line_faults(share: float) -> None:
    """10,000 seeded faults of every kind and 100,000 bytes of noise on the line: whole commands or nothing, and no hang."""
    faults = round(FAULTS * share)
    with bar("faults on the line", faults) as update:
        tally = run_line_faults(faults, noise_bytes=round(100_000 * share), progress=update)
    print(f"\n{tally.to_json()}")
    assert tally.failures == []
    assert tally.total >= faults
    assert tally.noise_bytes >= round(100_000 * share)
    # Half of the victims are sent again, so that many are executed; of the others more than a third are dropped.
    assert tally.executed > faults // 20 and tally.dropped > faults // 3, "the faults have become too mild, or too rough"


def test_host_faults(share: float) -> None:
    """Sessions over a bad line: the model's results or one clear error, and the next session works."""
    sessions = round(SESSIONS * share)
    with bar("sessions over a bad line", sessions) as update:
        tally = run_host_faults(sessions, progress=update)
    print(f"\n{tally.to_json()}")
    assert tally.failures == []
    assert tally.recovered > sessions // 10


def test_all_digits(share: float) -> None:
    """All 10,000 test pictures, or a share of them: no differing spike, membrane, counter or clock, and the published accuracy."""
    folder = find_digits()
    conventional = load_onnx(folder / "digits.onnx")
    pictures, labels = load_pictures(folder / "mnist_test.npz", conventional.input_size)
    every = round(1 / share)
    pictures, labels = pictures[::every], labels[::every]
    network = convert(conventional, steps=4).network
    placement = map_network(network, choose_fabric(network))
    with bar(f"{len(pictures):,} digits, RTL against model", len(pictures)) as update:
        result = run_rtl_set(placement, pictures, 4, progress=update)
    assert result.mismatch is None, str(result.mismatch)
    assert result.samples == len(pictures) == -(-10_000 // every)
    accuracy = float(np.mean(classify(result.readouts) == labels))
    print(f"\n{len(pictures):,} digits: 0 mismatches, {result.clocks} clocks, accuracy in RTL {100 * accuracy:.2f} %")
    assert accuracy >= (0.987 if share == 1 else 0.98)
