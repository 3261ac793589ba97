"""Encode the recordings for training: spikes as they are, and copies that were changed by chance.

    python examples/speech/prepare.py --data free-spoken-digit-dataset/recordings

writes into `build/speech`: `spikes.npz` (all recordings, and names), `test.npz` (samples and labels of the official test set, which
`ranvier.simulate` takes as they are) and `copies.npy`. About a minute of one core; 120 MB. What is written is derived of recordings
under CC BY-SA 4.0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import augment
import front_end
import fsdd
import numpy as np

COPIES = 10
#: Tempi of the recordings that copies are made of.
TEMPI = (1.0, 0.88, 1.13)
FOLDER = Path("build/speech")


def prepare(recordings: fsdd.Recordings, folder: Path, copies: int = COPIES) -> None:
    """Write the three files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    energies = [front_end.energies(recordings.clips if tempo == 1 else [augment.resampled(clip, tempo) for clip in recordings.clips])
                for tempo in TEMPI]
    spikes, clips = front_end.spikes_of(energies[0]), len(recordings.clips)
    np.savez_compressed(folder / "spikes.npz", spikes=spikes, digits=recordings.digits, speakers=recordings.speakers,
                        indices=recordings.indices)
    tested = recordings.official
    np.savez_compressed(folder / "test.npz", samples=spikes[tested], labels=recordings.digits[tested])
    made = []
    for number in range(copies):
        rng = np.random.default_rng(number)
        chosen = np.stack([energies[tempo][clip] for clip, tempo in enumerate(rng.integers(0, len(TEMPI), clips))])
        made.append(front_end.spikes_of(augment.augmented(chosen, rng)))
    np.save(folder / "copies.npy", np.stack(made))


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description="Encode the recordings for training.")
    parser.add_argument("--data", help=f"folder of wav files, or npz; or name it in {fsdd.VARIABLE}")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    options = parser.parse_args()
    recordings = fsdd.load(options.data)
    for note in recordings.notes:
        print(note)
    prepare(recordings, options.output)
    print(f"{options.output}: {len(recordings.clips)} recordings, {COPIES} changed copies of each")


if __name__ == "__main__":
    fsdd.told(main)
