"""The digits stay what they were: every spike, membrane, readout, clamp, clock, counter and memory word of 500 of them.

The digests in `tests/cases/digits.json` were recorded at commit ff9da2c, before neurons became plug-ins. A change that is meant to
change one of them says so, and records it again: ``python tests/model/run/test_digits_stay.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranvier.convert.convert import convert
from ranvier.frontends.onnx import load_onnx
from ranvier.mapping.choose import choose_fabric
from ranvier.mapping.mapper import map_network
from ranvier.model.fabric.cycles import predict_cycles
from ranvier.model.fabric.image import memory_image
from ranvier.model.run.golden import run_golden

_ROOT = Path(__file__).resolve().parents[3]
_RECORDED = _ROOT / "tests" / "cases" / "digits.json"
_DIGITS = _ROOT / "examples" / "digits"
_STEPS, _PICTURES = 4, 500
_COMPARED = ("fabric", "image", "spikes", "membranes", "readouts", "clamps", "clocks", "counters", "clocks_alone")


def _digest(arrays: Iterable[np.ndarray]) -> str:
    """Of values and shapes; the width of an integer does not matter."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(str(array.shape).encode())
        found.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return found.hexdigest()


def digests() -> dict[str, Any]:
    """What is compared, by name."""
    conventional = load_onnx(_DIGITS / "digits.onnx")
    with np.load(_DIGITS / "calibration.npz") as found:
        calibration = found[found.files[0]]
    with np.load(_DIGITS / "mnist_test.npz") as found:
        pictures = next(found[name] for name in found.files if found[name].ndim > 1)[:_PICTURES]
    calibration, pictures = (a.reshape(len(a), -1) for a in (calibration, pictures))
    network = convert(conventional, steps=_STEPS, calibration=calibration, weight_bits=4).network
    placement = map_network(network, choose_fabric(network, 2, 64))
    run = run_golden(network, {network.inputs[0].name: pictures}, _STEPS, blocks=placement.blocks, record=True)
    stream, alone = (predict_cycles(placement, run.popcounts, run.clamps, _STEPS, stream=stream) for stream in (True, False))
    names = [p.name for p in network.populations]
    return {
        "fabric": placement.config.digest,
        "image": _digest([memory_image(placement).writes]),
        "spikes": _digest(run.spikes[name] for name in names),
        "membranes": _digest(run.membranes[name] for name in names),
        "readouts": _digest(run.readouts[name] for name in sorted(run.readouts)),
        "clamps": _digest(run.clamps[name] for name in names),
        "clocks": _digest([stream.clocks, alone.clocks]),
        "counters": _digest([stream.counters, alone.counters]),
        "clocks_alone": round(float(alone.clocks.sum(axis=1).mean()), 3),
    }


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return digests()


@pytest.mark.parametrize("what", _COMPARED)
def test_the_digits_stay(found: dict[str, Any], what: str) -> None:
    assert found[what] == json.loads(_RECORDED.read_text())[what]


if __name__ == "__main__":
    _RECORDED.write_text(json.dumps(digests(), indent=2) + "\n")
