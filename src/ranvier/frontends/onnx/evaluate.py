"""The walk over the nodes: each is given to the handler for what goes into it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...model.errors import RanvierError
from .affine import identity_data
from .answers import BEHIND, ENDS, refuse_behind
from .constants import CONSTANTS
from .file import Graph
from .node import Call, Context, key_of, label_of
from .operators import OPERATORS
from .refused import reason
from .tensors import quoted, tensor_constant
from .values import Data, Label, Quantised, Scores, Stage, Value, start_counting

__all__ = ["SUPPORTED", "evaluate", "samples_axes"]

_Handler = tuple[Callable[[Call], Value | tuple[Value, ...]], int, int]
_ON_DATA: dict[str, _Handler] = {**OPERATORS, **ENDS}
#: Operators that `load_onnx` knows.
SUPPORTED = tuple(sorted(_ON_DATA | BEHIND | {"Constant": CONSTANTS["Constant"]}))


def samples_axes(graph: Graph) -> list[int | None]:
    """Where the samples may lie in the input, the likely place first; None: the input is one sample."""
    shape = graph.input_shape
    if None in shape:
        return [shape.index(None)]
    return [None] if len(shape) == 1 or shape[0] == 1 else [0, None]


def evaluate(graph: Graph, names: tuple[str, ...], batch: int | None) -> tuple[dict[str, Value], int, Context]:
    """The values of the tensors ``names``, the size of one sample, and what was noted on the way."""
    start_counting()
    known = None if batch is None else graph.input_shape[batch]
    context = Context(graph.opset, graph.folder, known)
    shape = tuple(1 if axis == batch or n is None else n for axis, n in enumerate(graph.input_shape))
    size = math.prod(shape)
    if size > 1 << 20:
        raise RanvierError(f"input {quoted(graph.input_name)}: it has {size} values; at most {1 << 20} are read")
    values: dict[str, Value] = {graph.input_name: identity_data(Stage(size), shape, batch)}
    if not graph.input_floats:
        context.note(f"input {quoted(graph.input_name)} takes whole numbers as they are; say their range, 0 to 255 for bytes, "
                     "with --input-range")
    with np.errstate(all="ignore"):    # what is not finite is refused where it is used
        for index, node in _needed(graph, names):
            _step(graph, node, label_of(node, index), values, context)
    for name in names:
        if name not in values and name in graph.tensors:
            raise RanvierError(f"output {quoted(name)}: it is a constant; export the model again")
        if name not in values:
            raise RanvierError(f"output {quoted(name)}: no node gives it; export the model again")
    return {name: values[name] for name in names}, size, context


def _needed(graph: Graph, names: tuple[str, ...]) -> list[tuple[int, Any]]:
    """The nodes that ``names`` depend on, in the file's order."""
    wanted, found = set(names), []
    for index in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[index]
        if wanted.intersection(name for name in node.output if name):
            wanted.update(name for name in node.input if name)
            found.append((index, node))
    return found[::-1]


def _step(graph: Graph, node: Any, label: str, values: dict[str, Value], context: Context) -> None:
    key = key_of(node)
    inputs: list[Value | None] = []
    for name in node.input:
        if name and name not in values and name in graph.tensors:
            try:
                values[name] = tensor_constant(graph.tensors[name], graph.folder)
            except RanvierError as error:
                raise RanvierError(f"{label}: {error}") from None
        if name and name not in values:
            raise RanvierError(f"{label}: its input {quoted(name)} is not a constant, and no node before it gives it; "
                               "export the model again")
        inputs.append(values[name] if name else None)
    call = Call(node, label, inputs, context)
    handler, least, most = _handler(call, key)
    if not least <= len(inputs) <= most or any(value is None for value in inputs[:least]) or not node.output:
        raise RanvierError(f"{label}: it has {len(inputs)} inputs and {len(node.output)} outputs; export the model again")
    given = handler(call)
    results = given if isinstance(given, tuple) else (given,)
    for name, value in zip(node.output, results, strict=False):
        if name in values or name in graph.tensors:
            raise RanvierError(f"{label}: it gives {quoted(name)}, which is there already; export the model again")
        if name:
            values[name] = value


def _handler(call: Call, key: str) -> _Handler:
    """The handler for what goes in."""
    if any(isinstance(value, Scores | Label) for value in call.values) and key not in ("QuantizeLinear", "DequantizeLinear"):
        if key not in BEHIND:
            raise refuse_behind(call)
        return BEHIND[key]
    if any(isinstance(value, Data | Quantised) for value in call.values) or any(isinstance(value, Scores) for value in call.values):
        if any(isinstance(value, Quantised) for value in call.values) and key != "DequantizeLinear":
            raise call.fail("it computes with quantised data; quantise with QuantFormat.QDQ")
        if key not in _ON_DATA:
            raise call.fail(reason(key, SUPPORTED))
        return _ON_DATA[key]
    if key not in CONSTANTS:
        raise call.fail("it computes with constants only; export the model with constants folded" if key in _ON_DATA
                        else reason(key, SUPPORTED))
    return CONSTANTS[key]
