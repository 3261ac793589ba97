"""Current-clamp recordings of two cortical cells, read from a source archive of the Python package index.

The archive is BluePyEfe's (Blue Brain Project, EPFL); its tests, which hold the recordings, are under a BSD licence. Cells `B6` and `B8`
were each given five steps of current for two seconds. The archive's SHA-256 is compared before anything in it is read, and no file of it
is run or written to disk. The recordings are Igor binary waves of version 5; WaveMetrics describes the format in its Technical Note 3.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ranvier.model.errors import RanvierError

__all__ = ["ARCHIVE_NAME", "ARCHIVE_SHA256", "ATTRIBUTION", "CELLS", "Step", "Wave", "download", "read_cells", "read_wave", "spike_times"]

ATTRIBUTION = "recordings: BluePyEfe 2.3.63, tests/exp_data (Blue Brain Project/EPFL), BSD"
REQUIREMENT = "bluepyefe==2.3.63"
ARCHIVE_NAME = "bluepyefe-2.3.63.tar.gz"
ARCHIVE_SHA256 = "ff475ade62eb3513b00a69076ae3b446d69c1ffbfb7bc8928b039111c96e62a3"
#: The sweeps of each cell, from the smallest step of current to the largest.
CELLS = {"B6": range(181, 186), "B8": range(145, 150)}
#: A spike is a crossing of this membrane, upwards: every spike of both cells peaks above it.
SPIKE_MV = -20.0

_MOST_ARCHIVE_BYTES, _MOST_WAVE_BYTES = 8 << 20, 1 << 20
_HEADER, _SINGLE = 384, 2
_DURATION = re.compile(r"P0DUR(\d):(\d+);")
_PULSE = 3      # of the pattern's segments, the one with the step of current

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Wave:
    """Samples, float64 (n,), seconds between them, their unit, and the note of who recorded them."""

    samples: Floats
    dt: float
    unit: str
    note: str


@dataclass(frozen=True, eq=False)
class Step:
    """A recording: a step of current into a cell.

    current
        What the step adds to the holding current, in pA.
    dt
        Milliseconds between samples.
    onset, end
        The sample from which the step is on, and that from which it is off.
    membrane
        mV, float64 (samples,).
    spikes
        Times of the spikes during the step, in ms from its onset.
    """

    current: float
    dt: float
    onset: int
    end: int
    membrane: Floats
    spikes: Floats

    @property
    def duration(self) -> float:
        """Milliseconds of the step."""
        return (self.end - self.onset) * self.dt


def download(folder: Path) -> Path:
    """Download the archive (1 MB) into ``folder`` with pip, unless it is there; its path.

    pip makes an archive's metadata to learn its name, which runs its build script: so pip is given the hash, which it compares first.
    """
    archive = folder / ARCHIVE_NAME
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            wanted = Path(temporary) / "requirements.txt"
            wanted.write_text(f"{REQUIREMENT} --hash=sha256:{ARCHIVE_SHA256}\n", encoding="utf-8")
            done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "bluepyefe",
                                   "--require-hashes", "-r", str(wanted), "-d", str(folder)], capture_output=True, text=True, check=False)
        if done.returncode or not archive.exists():
            last = (done.stderr.strip().splitlines() or ["no word from pip"])[-1]
            raise RanvierError(f"pip could not download {REQUIREMENT} ({last}); fetch {ARCHIVE_NAME} and name it with --archive")
    return archive


def read_cells(archive: Path) -> dict[str, tuple[Step, ...]]:
    """All recordings by cell, the smallest step first, after checking the archive's hash. Raises `RanvierError`."""
    try:
        if archive.stat().st_size > _MOST_ARCHIVE_BYTES:
            raise RanvierError(f"{archive}: it is too large to be {ARCHIVE_NAME}")
        data = archive.read_bytes()
    except OSError as error:
        raise RanvierError(f"{archive}: it cannot be read ({error.strerror}); give the path of {ARCHIVE_NAME}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != ARCHIVE_SHA256:
        raise RanvierError(f"{archive}: it is not {ARCHIVE_NAME} as published: its SHA-256 is {found}, not {ARCHIVE_SHA256}")
    with tarfile.open(fileobj=io.BytesIO(data)) as files:
        return {cell: tuple(_step(files, cell, sweep) for sweep in sweeps) for cell, sweeps in CELLS.items()}


def _step(files: tarfile.TarFile, cell: str, sweep: int) -> Step:
    """One sweep: channel 0 is the current, channel 3 the membrane."""
    waves = []
    for channel in (0, 3):
        name = f"bluepyefe-2.3.63/tests/exp_data/{cell}/{cell}_Ch{channel}_IDRest_{sweep}.ibw"
        member = files.extractfile(name)
        assert member is not None
        waves.append(read_wave(member.read(_MOST_WAVE_BYTES), name))
    current, membrane = waves
    durations = {int(n): int(ms) for n, ms in _DURATION.findall(current.note)}
    dt = current.dt * 1e3
    onset = round(sum(durations[n] for n in range(1, _PULSE)) / dt)
    end = onset + round(durations[_PULSE] / dt)
    amplitude = float(np.median(current.samples[onset + 1:end]) - np.median(current.samples[:onset]))
    times = spike_times(membrane.samples, dt) - onset * dt
    return Step(amplitude, dt, onset, end, membrane.samples, times[(times > 0) & (times <= (end - onset) * dt)])


def read_wave(data: bytes, name: str) -> Wave:
    """An Igor binary wave of version 5, of one dimension and single precision, either byte order. Raises `RanvierError`."""
    order = ">" if data[:2] == b"\x00\x05" else "<"
    if len(data) < _HEADER or struct.unpack_from(order + "h", data)[0] != 5:
        raise RanvierError(f"{name}: it is no Igor binary wave of version 5")
    # The BinHeader5 of 64 bytes has the size of the note at byte 12; the WaveHeader5 of 320 bytes follows it.
    note_size, = struct.unpack_from(order + "i", data, 12)
    count, kind = struct.unpack_from(order + "ih", data, 64 + 12)
    sizes = struct.unpack_from(order + "4i", data, 64 + 68)
    dt, = struct.unpack_from(order + "d", data, 64 + 84)
    unit = data[64 + 148:64 + 152].rstrip(b"\0").decode("latin1")
    if kind != _SINGLE or sizes[1:] != (0, 0, 0):
        raise RanvierError(f"{name}: type {kind} and dimensions {sizes}; a wave of single precision and one dimension can be read")
    if count != sizes[0] or count < 1 or note_size < 0 or _HEADER + 4 * count + note_size > len(data):
        raise RanvierError(f"{name}: it ends before its {count} samples and its note do")
    end = _HEADER + 4 * count
    samples = np.frombuffer(data, order + "f4", count, _HEADER).astype(np.float64)
    return Wave(samples, dt, unit, data[end:end + note_size].decode("latin1"))


def spike_times(membrane: Floats, dt: float, threshold: float = SPIKE_MV) -> Floats:
    """Times of the samples at which the membrane has crossed ``threshold`` upwards, in the unit of ``dt``."""
    return (np.flatnonzero((membrane[:-1] < threshold) & (membrane[1:] >= threshold)) + 1) * dt
