"""Speak the ten digits with espeak-ng and write `synthetic.npz`: clips for tests and for people without the recordings.

    apt-get install espeak-ng
    python examples/speech/make_synthetic.py

They are synthetic, and read `<digit>_<voice>_<index>` as the recordings do. espeak-ng (GPL-3) is run, not linked or copied; what it speaks
is not a work derived of its text. Nothing was trained with them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ranvier import RanvierError
from ranvier.encoders.audio import load_wav

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
#: Voices by the name in a clip, which takes no hyphen.
VOICES = {"espeakus": "en-us", "espeakscotland": "en-gb-scotland"}
HERE = Path(__file__).resolve().parent


def speak(word: str, voice: str) -> np.ndarray:
    """int16 [time] at 8,000 samples a second, without the silence around the word."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", str(path), word], check=True)
        samples = load_wav(path, 8000).samples
    loud = np.flatnonzero(np.abs(samples.astype(np.int64)) > 300)
    return samples[loud[0]:loud[-1] + 1]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Speak the digits with espeak-ng.")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "synthetic.npz")
    output = parser.parse_args().output
    if shutil.which("espeak-ng") is None:
        raise RanvierError("espeak-ng is not installed; apt-get install espeak-ng")
    names = [f"{digit}_{name}_0" for digit in range(10) for name in VOICES]
    clips = [speak(WORDS[digit], voice) for digit in range(10) for voice in VOICES.values()]
    offsets = np.concatenate([[0], np.cumsum([len(clip) for clip in clips])]).astype(np.int64)
    np.savez_compressed(output, names=np.array(names), samples=np.concatenate(clips), offsets=offsets)
    print(f"{output}: {len(clips)} clips, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
