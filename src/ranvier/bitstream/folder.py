"""Folders of builds: they may be replaced where they have the file that marks one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from ..files.folder import check_folder, result_folder

__all__ = ["check_output", "replaced_folder"]


def check_output(output: Path, mark: str) -> None:
    """Only a folder with the file ``mark``, an empty one or none may be replaced. Raises `RanvierError`."""
    check_folder(output, lambda names: mark in names)


def replaced_folder(output: Path, mark: str) -> AbstractContextManager[Path]:
    """`files.folder.result_folder` for a folder with the file ``mark``."""
    return result_folder(output, lambda names: mark in names)
