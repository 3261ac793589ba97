"""The Free Spoken Digit Dataset, as its users have it: a folder of wav files, or one npz of all samples.

Zohar Jackson and contributors, CC BY-SA 4.0. None of it is in this repository. A file's name is digit_speaker_index; of each speaker and
digit the recordings 0 to 4 are the official test set.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ranvier import RanvierError
from ranvier.encoders.audio import load_wav

__all__ = ["VARIABLE", "Recordings", "find", "load", "told"]

#: Environment variable with the folder or npz, where no option names it.
VARIABLE = "RANVIER_FSDD"
#: Samples a second.
RATE = 8000
#: Recordings of a speaker and digit that the official split tests with.
TESTED = 5
_NAME = re.compile(r"([0-9])_([a-z0-9]+)_([0-9]+)")
_HOW = ("the Free Spoken Digit Dataset (CC BY-SA 4.0; 3,000 wav files, 21 MB): "
        "git clone https://github.com/Jakobovski/free-spoken-digit-dataset, then give its folder `recordings` with --data, "
        f"or as {VARIABLE}")


@dataclass(frozen=True, eq=False)
class Recordings:
    """clips
        int16 [time] each, 8,000 samples a second.
    digits, speakers, indices
        Of each clip: int64, str, int64.
    notes
        What had to be done to files, a line each.
    """

    clips: tuple[npt.NDArray[np.int16], ...]
    digits: npt.NDArray[np.int64]
    speakers: npt.NDArray[np.str_]
    indices: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()

    @property
    def official(self) -> npt.NDArray[np.bool_]:
        """Which clips the official split tests with."""
        return self.indices < TESTED

    @property
    def names(self) -> list[str]:
        """Speakers, in the alphabet's order."""
        return sorted(set(self.speakers.tolist()))

    def part(self, chosen: npt.NDArray[np.bool_]) -> Recordings:
        """The clips that are chosen."""
        clips = tuple(self.clips[n] for n in np.flatnonzero(chosen))
        return Recordings(clips, self.digits[chosen], self.speakers[chosen], self.indices[chosen], self.notes)


def find(path: str | os.PathLike[str] | None = None) -> Path:
    """The folder or file that is named, or that the environment names. Raises `RanvierError` that says where to get it."""
    named = path or os.environ.get(VARIABLE)
    if not named:
        raise RanvierError(f"speech: no recordings are named. This needs {_HOW}")
    found = Path(named)
    if not found.exists():
        raise RanvierError(f"{found}: there are no recordings. This needs {_HOW}")
    return found


def load(path: str | os.PathLike[str] | None = None) -> Recordings:
    """All recordings in a folder of wav files (a clone's root will do), or in an npz of ``names``, ``samples`` and ``offsets``.

    Raises `RanvierError` for a path without any, and for files that are damaged.
    """
    found = find(path)
    if found.is_file():
        return _archive(found)
    folder = found / "recordings" if (found / "recordings").is_dir() else found
    files = sorted(file for file in folder.glob("*.wav") if _NAME.fullmatch(file.stem))
    if not files:
        raise RanvierError(f"{folder}: it has no files with names like 7_jackson_3.wav. This needs {_HOW}")
    sounds = [load_wav(file, RATE) for file in files]
    notes = tuple(f"{file.name}: {note}" for file, sound in zip(files, sounds, strict=True) for note in sound.notes)
    return _recordings([file.stem for file in files], [sound.samples for sound in sounds], notes)


def _archive(path: Path) -> Recordings:
    try:
        with np.load(path, allow_pickle=False) as archive:
            names, samples, offsets = archive["names"], archive["samples"], archive["offsets"]
    except (OSError, ValueError, KeyError) as error:
        raise RanvierError(f"{path}: it is no npz of names, samples and offsets ({error}). This needs {_HOW}") from None
    fits = (samples.dtype == np.int16 and samples.ndim == names.ndim == 1 and offsets.shape == (len(names) + 1,) and len(names)
            and offsets.dtype.kind in "iu" and offsets[0] == 0 and offsets[-1] == len(samples) and (np.diff(offsets) > 0).all())
    if not fits:
        raise RanvierError(f"{path}: names, samples and offsets do not fit one another; write the file again")
    return _recordings([str(name) for name in names], np.split(samples, offsets[1:-1]), ())


def _recordings(names: Sequence[str], clips: Sequence[npt.NDArray[Any]], notes: tuple[str, ...]) -> Recordings:
    parts = [_NAME.fullmatch(name) for name in names]
    wrong = next((name for name, part in zip(names, parts, strict=True) if part is None), None)
    if wrong is not None:
        raise RanvierError(f"speech: a recording is called {wrong!r}; names are digit_speaker_index")
    digits, speakers, indices = zip(*(part.groups() for part in parts if part is not None), strict=True)
    return Recordings(tuple(clips), np.array(digits, np.int64), np.array(speakers), np.array(indices, np.int64), notes)


def told(main: Callable[[], None]) -> None:
    """Run a program; an error of the user's is one line and exit code 2."""
    try:
        main()
    except RanvierError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
