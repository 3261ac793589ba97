"""What Rockpool's model of XyloAudio 3 makes of the random signals of `draws.py`, as a checksum of the spikes for each.

    python -m venv ENV && ENV/bin/pip install rockpool==3.1.0 scipy
    ENV/bin/python tests/encoders/oracles/normalisation.py

Rockpool is under the AGPL, so it is run in an environment of its own, and nothing of the project imports it. Its module imports samna and
jax, which this rule does not use: they are replaced by nothing.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import zlib
from importlib.metadata import version
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
from draws import loudness

OUTPUT = Path(__file__).resolve().parents[2] / "cases" / "encoders" / "rockpool.npz"


class _Nothing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules that are asked for and not used."""

    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("samna", "jax", "jaxlib"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


def main() -> None:
    sys.meta_path.insert(0, _Nothing())
    from rockpool.devices.xylo.syns65302.afe.divisive_normalization import py_spike_gen
    sums = []
    for signal, options in loudness():
        every = {name: np.full(signal.shape[1], value) for name, value in options.items()}
        spikes, _ = py_spike_gen(signal, np.ones(signal.shape[1], int), every["b1"], every["b2"], every["b"], every["eps"],
                                 np.full(signal.shape[1], 1))
        sums.append(zlib.crc32(np.asarray(spikes, np.uint8).tobytes()))
    np.savez_compressed(OUTPUT, sums=np.array(sums, np.uint32), version=np.array(version("rockpool")))


if __name__ == "__main__":
    main()
