"""`ranvier train` where torch is not installed, as for most users; tests/training has the rest."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.command_line import runner


def test_without_torch_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    found = runner(monkeypatch, capsys)("train", tmp_path / "run.toml", "-o", tmp_path / "out")
    assert (found.code, found.err) == (2, "error: ranvier train needs torch; install it with: pip install 'ranvier[train]'\n")
    assert not (tmp_path / "out").exists()
