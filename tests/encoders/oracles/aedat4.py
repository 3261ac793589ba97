"""Writes the small AEDAT4 recording that the tests read, with iniVation's own library, from the first case of `draws.py`.

    python -m venv ENV && ENV/bin/pip install dv-processing==2.0.4
    ENV/bin/python tests/encoders/oracles/aedat4.py
"""

from __future__ import annotations

from pathlib import Path

import dv_processing as dv
from draws import events

OUTPUT = Path(__file__).resolve().parents[2] / "cases" / "encoders" / "small.aedat4"


def main() -> None:
    case = next(events())
    config = dv.io.MonoCameraWriter.EventOnlyConfig("Ranvier", case.sensor_size[:2])
    writer = dv.io.MonoCameraWriter(str(OUTPUT), config)
    store = dv.EventStore()
    for t, x, y, p in zip(*(case.columns[name].tolist() for name in "txyp"), strict=True):
        store.push_back(t, x, y, bool(p))
    writer.writeEvents(store)
    del writer


if __name__ == "__main__":
    main()
