"""What shows a mismatch again, as files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model.fabric.config import FabricConfig
from ..model.mismatch import Mismatch
from ..model.network.network import Network
from .network import save_network
from .safe import write_atomic, write_json

__all__ = ["REPRODUCER_FILES", "write_reproducer"]

#: What a folder with a reproducer may hold; the waveform is there if one could be drawn.
REPRODUCER_FILES = frozenset({"network.ranvier", "input.npz", "fabric.json", "mismatch.json", "waveform.vcd"})


def write_reproducer(folder: Path, network: Network, inputs: Mapping[str, npt.NDArray[Any]], fabric: FabricConfig, mismatch: Mismatch,
                     **about: Any) -> list[str]:
    """Network, inputs (``input_0`` is the first population's), fabric, and the difference with all ``about`` the run; the files' names."""
    save_network(network, folder / "network.ranvier")
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"input_{n}": np.asarray(inputs[p.name]) for n, p in enumerate(network.inputs)}
    np.savez_compressed(buffer, **arrays)
    write_atomic(folder / "input.npz", buffer.getvalue())
    write_json(folder / "fabric.json", fabric.to_json())
    write_json(folder / "mismatch.json", {**mismatch.to_json(), **about})
    return ["network.ranvier", "input.npz", "fabric.json", "mismatch.json"]
