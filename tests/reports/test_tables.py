"""Reports: tables of good ones, one line about broken ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ranvier.cli import cli
from ranvier.model.errors import RanvierError
from ranvier.model.network.semantics import Semantics
from ranvier.reports.tables import demo_rows, load_report, print_rows, run_rows, semantics_lines

SEMANTICS = {name: Semantics(strict=False, reset="subtract").to_json() for name in ("input", "hidden")}
RUN: dict[str, Any] = {
    "network": "n.ranvier", "samples": 1200, "ticks": 4, "fabric": {"cores": 2, "core": {"lanes": 64}}, "accuracy": 0.987,
    "rtl_samples": 200, "rtl_mismatches": 0, "clocks_per_sample_stream": 522.04, "weight_limit_share": 0.989,
    "counters": {"spikes": 12345}, "semantics": SEMANTICS}
DEMO: dict[str, Any] = {
    "ann_accuracy": 0.99, "snn_accuracy": {"1": 0.97, "4": 0.9896}, "ticks": 4, "weight_bits": 4,
    "fabric": {"cores": 2, "core": {"lanes": 64}}, "rtl_samples": 200, "rtl_mismatches": 0, "clocks_per_sample": 604.1,
    "clocks_per_sample_stream": 522.0, "clocks_per_tick": 130.5, "weight_words_on_busiest_core": 455.0,
    "weight_limit_share": 0.989, "spikes_per_sample": {"input": 417.1, "hidden": 37.8}, 
    "synaptic_operations_per_sample": 53773.2, "clamps": 0, "semantics": SEMANTICS}


def test_rows_of_a_run() -> None:
    rows = dict(run_rows(RUN))
    assert rows["samples"] == "1,200" and rows["accuracy"] == "98.70 %" and rows["fabric"] == "2 cores x 64 lanes"
    assert rows["mismatches"] == "0" and rows["counter spikes"] == "12,345" and rows["clocks per sample, in a stream"] == "522.0"
    without = {key: value for key, value in RUN.items() if key not in ("accuracy", "rtl_mismatches")}
    assert not {"accuracy", "mismatches"} & set(dict(run_rows(without)))


def test_rows_of_the_demo() -> None:
    rows = dict(demo_rows(DEMO))
    assert rows["ANN accuracy"] == "99.00 %" and rows["SNN accuracy, 1 tick, 4-bit weights"] == "97.00 %"
    assert rows["SNN accuracy, 4 ticks, 4-bit weights"] == "98.96 %"
    assert rows["spikes per picture, input / hidden"] == "417.1 / 37.8"
    assert rows["share of the weight-memory limit while work is queued"] == "98.9 %"


def test_lines_of_the_semantics() -> None:
    (line,) = semantics_lines(RUN)
    assert line.startswith("semantics of input, hidden: ") and ">= theta" in line and "reset subtract" in line
    strict = {**SEMANTICS, "hidden": Semantics(strict=True, reset="subtract").to_json()}
    assert len(semantics_lines({"semantics": strict})) == 2
    for broken in ({}, {"semantics": 3}, {"semantics": {"a": {}}}, {"semantics": {"a": {**SEMANTICS["input"], "reset_moment": 3}}}):
        with pytest.raises(RanvierError, match="semantics"):
            semantics_lines(broken)


def test_print_keeps_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows("[b]title[/x]", ("figure", "value"), [("[/y]", "[red]1")])
    shown = capsys.readouterr().out
    assert "[b]title[/x]" in shown and "[/y]" in shown and "[red]1" in shown


@pytest.mark.parametrize("key", sorted(DEMO))
def test_every_missing_or_wrong_figure_is_one_line(key: str) -> None:
    for kind, rows in ((DEMO, demo_rows), (RUN, run_rows)):
        if key not in kind or key in ("accuracy", "rtl_mismatches", "semantics"):
            continue
        broken = copy.deepcopy(kind)
        del broken[key]
        with pytest.raises(RanvierError, match=r"^report\.json: a figure is missing[^\n]*$"):
            rows(broken)
        for value in ([], 10**400):
            try:
                rows({**kind, key: value})
            except RanvierError:
                continue
            # Shown as they are.
            assert key in ("ticks", "samples", "weight_bits", "rtl_samples", "rtl_mismatches", "clamps")


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=4)


@given(st.dictionaries(st.sampled_from(sorted(DEMO)), VALUES, max_size=4), st.booleans())
def test_no_report_raises_anything_else(changes: dict[str, Any], demo: bool) -> None:
    try:
        (demo_rows if demo else run_rows)({**(DEMO if demo else RUN), **changes})
    except RanvierError as error:
        assert str(error).startswith("report.json: ") and str(error).isprintable(), repr(str(error))


@pytest.mark.parametrize("text", [
    "", "{", "[]", "3", "null", '{"snn_accuracy": 1}', '{"a": NaN}', '{"ticks": 1, "ticks": 2}', "\x00", '"\\ud800"', "[" * 100_000,
    "{}", json.dumps({**DEMO, "snn_accuracy": {"x": 1}}), json.dumps({**DEMO, "fabric": []}), json.dumps({**RUN, "counters": 3}),
])
def test_a_broken_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    result = CliRunner().invoke(cli, ["report", str(tmp_path)])
    assert isinstance(result.exception, RanvierError), result.output
    assert "report.json" in str(result.exception) and not result.output


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(RanvierError, match=r"report\.json: no such file"):
        load_report(tmp_path)
    with pytest.raises(RanvierError, match="no such file|not a directory"):
        load_report(tmp_path / "none")


def test_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(DEMO))
    (tmp_path / "raster.png").write_bytes(b"x")
    result = CliRunner().invoke(cli, ["report", str(tmp_path)])
    assert result.exit_code == 0 and f"picture: {tmp_path / 'raster.png'}" in result.output
    assert "membranes.png" not in result.output
