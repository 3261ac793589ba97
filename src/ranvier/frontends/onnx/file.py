"""A file as a graph: parsed, bounded, with names that are text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx

from ...model.errors import RanvierError
from .foreign import foreign
from .tensors import FLOATS, INTEGERS, quoted

__all__ = ["Graph", "graph_of", "parse"]

_OLDEST_OPSET = 7
_MAX_NODES = 4096


@dataclass(frozen=True)
class Graph:
    """The parts of a file that are looked at.

    ``input_shape`` has None where the file leaves a size open. ``folder`` is where external data may lie, or None.
    """

    opset: int
    nodes: list[Any]
    tensors: dict[str, Any]
    input_name: str
    input_shape: tuple[int | None, ...]
    input_floats: bool
    outputs: tuple[str, ...]
    folder: str | None


def parse(data: bytes) -> Any:
    """The model in ``data``; `RanvierError` says what else it is."""
    other = foreign(data)
    if other:
        raise RanvierError(other)
    try:
        return onnx.load_model_from_string(data)
    except Exception:  # protobuf's own type, whose stubs would be a dependency for one name
        raise RanvierError("it is not an ONNX file, or damaged; export the model again") from None


def graph_of(model: Any, folder: str | None) -> Graph:
    """The graph of a parsed model."""
    if not model.HasField("graph") or not model.graph.node:
        raise RanvierError("it is not an ONNX file, or it has no nodes; export the model again")
    graph = model.graph
    if len(graph.node) > _MAX_NODES:
        raise RanvierError(f"graph: {len(graph.node)} nodes; at most {_MAX_NODES} are read")
    _check_text(graph)
    if model.functions:
        raise RanvierError("graph: it defines functions of its own; export the model with standard operators only")
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    if len(opsets) != 1 or not _OLDEST_OPSET <= opsets[0] <= newest:
        raise RanvierError(
            f"opset_import: {opsets or 'none'}; export the model with one default opset, {_OLDEST_OPSET} to {newest}")
    if graph.sparse_initializer:
        raise RanvierError("graph: sparse initializers are not supported; save the weights as dense tensors")
    tensors: dict[str, Any] = {}
    for tensor in graph.initializer:
        if tensor.name in tensors:
            raise RanvierError(f"tensor {quoted(tensor.name)}: it is there twice; keep one")
        tensors[tensor.name] = tensor
    used = {name for node in graph.node for name in node.input}
    inputs = [value for value in graph.input if value.name not in tensors and value.name in used]
    if len(inputs) != 1:
        names = ", ".join(quoted(value.name) for value in inputs[:6])
        raise RanvierError(f"graph: it has {len(inputs)} inputs that are used ({names or 'none'}); export a model with one, "
                           "a tensor (batch, sizes...)")
    if not graph.output:
        raise RanvierError("graph: it has no output; export the model again")
    kind = inputs[0].type.tensor_type
    if kind.elem_type not in FLOATS and kind.elem_type not in INTEGERS:
        raise RanvierError(f"input {quoted(inputs[0].name)}: it must be a tensor of floats; export such an input")
    return Graph(opsets[0], list(graph.node), tensors, inputs[0].name, _shape(inputs[0]), kind.elem_type in FLOATS,
                 tuple(value.name for value in graph.output), folder)


def _check_text(graph: Any) -> None:
    """Refuse names that are not UTF-8: the runtimes of protobuf hand them over as bytes, or fail, as they like."""
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        texts = [item.name]
        if isinstance(item, onnx.NodeProto):
            texts += [item.op_type, item.domain, *item.input, *item.output, *(a.name for a in item.attribute)]
        elif isinstance(item, onnx.TensorProto):
            texts += [text for entry in item.external_data for text in (entry.key, entry.value)]
        if not all(isinstance(text, str) for text in texts):
            raise RanvierError("graph: a name is not text; the file is damaged, export the model again")


def _shape(value: Any) -> tuple[int | None, ...]:
    """Sizes of a graph input, None for one that the file leaves open: at most one, the batch."""
    kind = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value else None for d in kind.shape.dim)
    if not kind.HasField("shape") or not 1 <= len(shape) <= 8 or sum(n is None for n in shape) > 1 or any(
            n is not None and n < 1 for n in shape):
        shown = ", ".join("?" if n is None else str(n) for n in shape)
        raise RanvierError(f"input {quoted(value.name)}: its shape is ({shown}); it must be (batch, sizes...) with known sizes, "
                           "so export it with those")
    return shape
