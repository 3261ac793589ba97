"""The command `ranvier` in the process of its test."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ranvier import cli

__all__ = ["Result", "Run", "runner"]


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be JSON and nothing else."""
        return json.loads(self.out)


Run = Callable[..., Result]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *first: str) -> Run:
    """Runs `ranvier` with the arguments that it is given, behind ``first``."""
    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["ranvier", *first, *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as left:
            code = int(left.code or 0)
        return Result(code, *capsys.readouterr())
    return run
