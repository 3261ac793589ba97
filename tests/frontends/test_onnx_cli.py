"""`ranvier convert` with files of several outputs, and with files that are refused: one line, exit code 2, nothing written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ranvier.cli import main
from ranvier.files.network import load_network

CASES = Path(__file__).resolve().parents[1] / "cases" / "onnx"


def convert(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["ranvier", "convert", *map(str, arguments)])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    np.savez(tmp_path / "samples.npz", pictures=np.random.default_rng(0).integers(0, 256, (20, 64), dtype=np.uint8))
    return tmp_path / "samples.npz"


@pytest.mark.parametrize("head", [[], ["--head", "probabilities"], ["--head", "label"]])
def test_a_head_is_converted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, samples: Path, head: list[str]) -> None:
    made = tmp_path / "n.ranvier"
    assert convert(monkeypatch, CASES / "53_sklearn_pipe.onnx", *head, "--calibrate", samples, "-o", made) == 0
    assert [population.size for population in load_network(made).populations] == [64, 64, 10]


@pytest.mark.parametrize(("arguments", "words"), [
    (["53_sklearn_pipe.onnx", "--head", "nothing"], "output 'nothing': the model has 'label', 'probabilities'; give one of these"),
    (["24_residual.onnx"], "a Relu has no upper bound"), (["snan.onnx"], "NaN or infinite"),
    (["six_inputs.npz"], "this is no ONNX file but a NumPy file")])
def test_refusals_are_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str],
                               words: str) -> None:
    made = tmp_path / "n.ranvier"
    assert convert(monkeypatch, CASES / arguments[0], *arguments[1:], "-o", made) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(f"error: {CASES / arguments[0]}: ") and words in error
    assert not made.exists()
