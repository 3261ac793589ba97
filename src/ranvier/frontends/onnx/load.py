"""`load_onnx`: from a file to a conventional network."""

from __future__ import annotations

import os
from typing import Any

import onnx

from ...files.safe import read_bounded, shown
from ...model.errors import RanvierError
from ..conventional import Conventional
from .answers import answer_of
from .evaluate import SUPPORTED, evaluate, samples_axes
from .file import Graph, graph_of, parse
from .layers import layers_of
from .node import Context
from .tensors import quoted
from .values import Constant, Data, Label, Quantised, Scores, Value

__all__ = ["SUPPORTED", "load_onnx"]


def load_onnx(path: str | os.PathLike[str] | onnx.ModelProto, output: str | None = None) -> Conventional:
    """The network in the ONNX file ``path``, or in a model that is loaded already.

    output
        The name of the output to take, where the file has several that are not the label and the scores of the same classes.

    Only the file is read and, for external data, plain files of the same folder. Raises `RanvierError` with one line that
    names the file, the node, tensor or field, and the mend.
    """
    if isinstance(path, onnx.ModelProto):
        owner, folder = "model", None
        name = path.graph.name if isinstance(path.graph.name, str) and path.graph.name.isprintable() else ""
        source = name[:60] or "model"
    elif isinstance(path, str | os.PathLike):
        owner = shown(path)
        source, folder = os.path.basename(owner), os.path.dirname(os.path.abspath(path))
    else:
        raise RanvierError(f"load_onnx: it was given a {type(path).__name__}; give a path or an onnx.ModelProto")
    if output is not None and not isinstance(output, str):
        raise RanvierError(f"load_onnx: output is a {type(output).__name__}; give the name of an output")
    model = path if isinstance(path, onnx.ModelProto) else None
    data = b"" if isinstance(path, onnx.ModelProto) else read_bounded(path)
    try:
        return _network(graph_of(parse(data) if model is None else model, folder), source, output)
    except RanvierError as error:
        hint = "; weights beside a model have such names, so give the .onnx file" if owner.endswith(".data") else ""
        raise RanvierError(f"{owner}: {error}{hint}") from None
    except UnicodeDecodeError:
        raise RanvierError(f"{owner}: a name is not text; the file is damaged, export the model again") from None


def _network(graph: Graph, source: str, output: str | None) -> Conventional:
    if output is not None and output not in graph.outputs:
        raise RanvierError(f"output {quoted(output)}: the model has {', '.join(map(quoted, graph.outputs[:8]))}; give one of these")
    first: RanvierError | None = None
    for batch in samples_axes(graph):
        try:
            value, size, context, owner = _chosen(graph, output, batch)
            found, answer = answer_of(value, context, owner)
            if first is not None:
                context.note(f"input {quoted(graph.input_name)}: all its {size} values are one sample, because the graph joins its rows")
            made = layers_of(found, answer, context, owner)
            return Conventional(source, size, made.layers, tuple(context.notes), made.answer, made.input_shape, made.channels_first)
        except RanvierError as error:
            first = first or error
    assert first is not None
    raise first


def _chosen(graph: Graph, output: str | None, batch: int | None) -> tuple[Data | Scores | Label, int, Context, str]:
    """The value to answer with, the size of a sample, what was noted, and the output's name for messages."""
    names = graph.outputs if output is None else (output,)
    values, size, context = evaluate(graph, names, batch)
    answers = {name: _answer(value, name) for name, value in values.items()}
    labels = [name for name in names if isinstance(answers[name], Label)]
    name = (labels or list(names))[0]
    # The label decides where it and the rest come from the same layer; otherwise all must be the same values.
    made = {id((_data(value).linear or _data(value).stage) if len(labels) == 1 else _data(value)) for value in answers.values()}
    if len(made) > 1:
        raise RanvierError(f"graph: it has several outputs, {', '.join(map(quoted, names[:8]))}; choose one with --head NAME "
                           "(load_onnx(path, output=NAME))")
    return answers[name], size, context, f"output {quoted(name)}"


def _data(value: Data | Scores | Label) -> Data:
    return value if isinstance(value, Data) else value.data


def _answer(value: Value, name: str) -> Any:
    """A value that an output may have."""
    if isinstance(value, Constant | Quantised):
        raise RanvierError(f"output {quoted(name)}: it is {'a constant' if isinstance(value, Constant) else 'still quantised'}; "
                           "export the model again")
    return value
