"""What tonic makes of the random recordings of `draws.py`, as a checksum for each.

    python -m venv ENV && ENV/bin/pip install tonic==1.7.0
    ENV/bin/python tests/encoders/oracles/tonic_transforms.py

tonic is under the GPL, so it is run in an environment of its own, and nothing of the project imports it.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import tonic.transforms
from draws import events

OUTPUT = Path(__file__).resolve().parents[2] / "cases" / "encoders" / "tonic.npz"


def _sum(columns: list[np.ndarray]) -> int:
    return zlib.crc32(b"".join(np.asarray(column, "<i8").tobytes() for column in columns))


def _events(found: np.ndarray) -> int:
    return _sum([found[name] for name in "txyp"])


def main() -> None:
    sums = []
    for case in events():
        given = np.empty(len(case.columns["t"]), np.dtype([("t", int), ("x", int), ("y", int), ("p", int)]))
        for name, column in case.columns.items():
            given[name] = column
        frames = tonic.transforms.ToFrame(sensor_size=case.sensor_size, **case.to_frame)(given.copy())
        sums.append((
            _events(tonic.transforms.Denoise(filter_time=case.filter_time)(given.copy())),
            _events(tonic.transforms.Downsample(time_factor=case.time_factor, spatial_factor=case.spatial_factor)(given.copy())),
            _events(tonic.transforms.MergePolarities()(given.copy())),
            _sum([np.array(frames.shape), frames])))
    np.savez_compressed(OUTPUT, sums=np.array(sums, np.uint32), version=np.array(tonic.__version__))


if __name__ == "__main__":
    main()
