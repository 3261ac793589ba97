"""ONNX import: a chain of dense layers, read without trusting the file.

What a file may hold is what `SUPPORTED` lists; anything else is refused by the node's name and type, because a
network that is silently read wrong is worse than none. The operators are those of the ONNX specification
("ONNX Operators", default domain, from version 7 on).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from ..files.safe import read_bounded, shown
from ..model.errors import RanvierError
from .conventional import Activation, Clip, Conventional, DenseLayer, Floats, Relu

__all__ = ["SUPPORTED", "load_onnx"]


_OLDEST_OPSET = 7
_MAX_NODES = 4096
#: Weights and biases beyond this are taken for damage: squares of sums of them stay finite in float64.
_LARGEST = 1e15
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)
_PLAIN = (*_FLOATS, onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL)


def load_onnx(path: str | os.PathLike[str]) -> Conventional:
    """The network in the ONNX file ``path``.

    Raises `RanvierError` with one line that names the file, the node, tensor or field, and the mend. Nothing outside
    the file is read: weights kept in further files are refused.
    """
    owner = shown(path)
    data = read_bounded(path)
    try:
        graph = _parse(data)
        layers, size, notes = _Chain(graph).walk()
        return Conventional(os.path.basename(owner), size, layers, notes)
    except RanvierError as error:
        raise RanvierError(f"{owner}: {error}") from None
    except UnicodeDecodeError:
        raise RanvierError(f"{owner}: a name is not text; the file is damaged, export the model again") from None


def _quoted(name: str) -> str:
    """A name from the file, on one line and not long."""
    return repr(name[:60])


@dataclass(frozen=True)
class _Graph:
    """The parts of a file that are looked at."""

    opset: int
    nodes: list[Any]
    tensors: dict[str, Any]
    input_name: str
    input_shape: tuple[int | None, ...]
    output_name: str


def _parse(data: bytes) -> _Graph:
    try:
        model = onnx.load_model_from_string(data)
    except Exception:  # protobuf's own type, whose stubs would be a dependency for one name
        raise RanvierError("it is not an ONNX file, or damaged; export the model again") from None
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
            raise RanvierError(f"tensor {_quoted(tensor.name)}: it is there twice; keep one")
        tensors[tensor.name] = tensor
    inputs = [value for value in graph.input if value.name not in tensors]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise RanvierError(f"graph: {len(inputs)} inputs, {len(graph.output)} outputs; export a model with one of each")
    return _Graph(opsets[0], list(graph.node), tensors, inputs[0].name, _shape(inputs[0]), graph.output[0].name)


def _check_text(graph: Any) -> None:
    """Refuse names that are not UTF-8: the runtimes of protobuf hand them over as bytes, or fail, as they like."""
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        texts = [item.name]
        if isinstance(item, onnx.NodeProto):
            texts += [item.op_type, item.domain, *item.input, *item.output, *(a.name for a in item.attribute)]
        if not all(isinstance(text, str) for text in texts):
            raise RanvierError("graph: a name is not text; the file is damaged, export the model again")


def _shape(value: Any) -> tuple[int | None, ...]:
    """Sizes of a graph input, None where the file leaves one open; the first is the batch."""
    kind = value.type.tensor_type
    if kind.elem_type not in _FLOATS:
        raise RanvierError(f"input {_quoted(value.name)}: it must be a tensor of floats; export such an input")
    shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    if len(shape) < 2 or any(n is None or n < 1 for n in shape[1:]) or (shape[0] is not None and shape[0] < 1):
        raise RanvierError(
            f"input {_quoted(value.name)}: its shape must be (batch, sizes...) with known sizes; export it with those")
    return shape


def _array(tensor: Any, owner: str) -> npt.NDArray[Any]:
    """The values of a tensor, with its size compared to its data before anything is allocated."""
    name = f"{owner}: tensor {_quoted(tensor.name)}"
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise RanvierError(f"{name} lies in another file; save the model as one file (save_as_external_data=False)")
    if tensor.data_type not in _PLAIN:
        raise RanvierError(f"{name} has the type number {tensor.data_type}; export the model with float32 weights")
    size = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    count = math.prod(tensor.dims) if all(0 <= n < 1 << 31 for n in tensor.dims) and len(tensor.dims) <= 8 else -1
    present = (len(tensor.raw_data) / size if tensor.HasField("raw_data")
               else len(tensor.float_data) + len(tensor.double_data) + len(tensor.int32_data) + len(tensor.int64_data))
    if count != present or tensor.HasField("segment"):
        raise RanvierError(f"{name}: its shape does not fit its data; export the model again")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError):
        raise RanvierError(f"{name}: its data cannot be read; export the model again") from None


def _floats(tensor: Any, owner: str) -> Floats:
    """A tensor of finite weights as float64."""
    array = _array(tensor, owner)
    if array.dtype.kind != "f":
        raise RanvierError(f"{owner}: tensor {_quoted(tensor.name)} holds {array.dtype}, not floats; use float32")
    return _finite(array.astype(np.float64), owner, f"tensor {_quoted(tensor.name)}")


def _finite(array: Floats, owner: str, what: str) -> Floats:
    if not np.all(np.isfinite(array)):
        raise RanvierError(f"{owner}: {what} has a value that is NaN or infinite; train or export the model again")
    if array.size and float(np.abs(array).max()) > _LARGEST:
        raise RanvierError(f"{owner}: {what} has a value beyond {_LARGEST:g}; check how the model was trained")
    return array


@dataclass
class _Layer:
    """A layer as far as it has been read."""

    label: str
    node_name: str
    weight: Floats
    bias: Floats
    activation: Activation = None


class _Chain:
    """Walks from the graph's input to its output; every node must take what the one before it gave."""

    def __init__(self, graph: _Graph) -> None:
        self.graph = graph
        self.constants = dict(graph.tensors)
        self.current = graph.input_name
        self.shape = graph.input_shape
        self.layers: list[_Layer] = []
        # An affine map behind an activation or the input, waiting to be folded into the next layer.
        self.scale: Floats | None = None
        self.shift: Floats | None = None
        self.ended = ""
        self.notes: list[str] = []

    def walk(self) -> tuple[tuple[DenseLayer, ...], int, tuple[str, ...]]:
        """Layers, input size and notes."""
        for index, node in enumerate(self.graph.nodes):
            label = f"node {_quoted(node.name or '#' + str(index))} ({_quoted(node.op_type)[1:-1]})"
            self._step(node, label)
        if not self.layers:
            raise RanvierError(f"graph: there is no dense layer; supported are {', '.join(SUPPORTED)}")
        last = self.layers[-1]
        if self.current != self.graph.output_name:
            raise RanvierError(
                f"output {_quoted(self.graph.output_name)}: the last node does not give it; export a plain chain")
        if last.activation is not None or self.scale is not None or self.shift is not None:
            raise RanvierError(
                f"{last.label}: the last layer's membrane is the answer; export the model without what follows")
        return self._named(), math.prod(n for n in self.graph.input_shape[1:] if n is not None), tuple(self.notes)

    def _step(self, node: Any, label: str) -> None:
        handler, most = _HANDLERS.get(node.op_type, (None, -1))
        if most < 0 or node.domain not in ("", "ai.onnx"):
            raise RanvierError(f"{label}: this operator is not supported; supported are {', '.join(SUPPORTED)}")
        if not node.output or any(node.output[1:]) and node.op_type != "Dropout":
            raise RanvierError(f"{label}: it has {len(node.output)} outputs; one is supported")
        output = node.output[0]
        if node.op_type == "Constant":
            self._constant(node, label, output)
            return
        if node.op_type == "Identity" and len(node.input) == 1 and node.input[0] in self.constants:
            self.constants[output] = self.constants[node.input[0]]
            return
        if list(node.input).count(self.current) != 1 or not self.current or len(node.input) > most:
            raise RanvierError(
                f"{label}: it does not continue the chain from {_quoted(self.current)}; branches are not supported")
        if node.input[0] != self.current and node.op_type != "Add":
            raise RanvierError(f"{label}: the data must be its first input; export the layer as data times weights")
        if self.ended and node.op_type not in ("Identity", "Dropout"):
            raise RanvierError(f"{label}: nothing may follow {self.ended}; export the model without it")
        handler(self, node, label)
        self.current = output

    def _constant(self, node: Any, label: str, name: str) -> None:
        attribute = node.attribute[0] if len(node.attribute) == 1 else onnx.AttributeProto()
        # Fields are read by the attribute's name, not by the type it claims: protobuf holds each to its own type.
        numbers = {"value_float": np.float32(attribute.f), "value_floats": np.array(attribute.floats, np.float32),
                   "value_int": np.int64(attribute.i), "value_ints": np.array(attribute.ints, np.int64)}
        if attribute.name != "value" and attribute.name not in numbers:
            raise RanvierError(f"{label}: it is not a constant tensor; export the model with initializers")
        self.constants[name] = (attribute.t if attribute.name == "value"
                                else numpy_helper.from_array(np.asarray(numbers[attribute.name])))

    def _input(self, node: Any, label: str, index: int, what: str) -> Any:
        """The constant that is input ``index`` of ``node``."""
        name = node.input[index] if index < len(node.input) else ""
        if name not in self.constants:
            raise RanvierError(f"{label}: its {what} {_quoted(name)} is not a constant; export constant weights")
        return self.constants[name]

    def _vector(self, node: Any, label: str, index: int, what: str, size: int) -> Floats:
        """Input ``index`` as float64 (size,); one value or a leading row of one is spread."""
        array = _floats(self._input(node, label, index, what), label)
        if array.size not in (1, size) or (array.ndim and array.shape[-1] != array.size):
            raise RanvierError(f"{label}: its {what} has shape {array.shape}; it must be ({size},)")
        return np.broadcast_to(array.reshape(-1), (size,)).copy()

    def _attribute(self, node: Any, label: str, name: str, default: float | int | None) -> Any:
        """An attribute that is a number, or ``default``."""
        for attribute in node.attribute:
            if attribute.name == name:
                if attribute.ref_attr_name or attribute.type not in (
                        onnx.AttributeProto.FLOAT, onnx.AttributeProto.INT):
                    raise RanvierError(f"{label}: attribute {name} is not a number; export the model again")
                value = attribute.f if attribute.type == onnx.AttributeProto.FLOAT else attribute.i
                if not math.isfinite(value):
                    raise RanvierError(f"{label}: attribute {name} is {value}; export the model again")
                return value
        return default

    def _features(self, label: str) -> int:
        if len(self.shape) != 2 or self.shape[1] is None:
            raise RanvierError(f"{label}: its data has shape {self.shape}; put a Flatten before it")
        return self.shape[1]

    def _dense(self, node: Any, label: str, weight: Floats, bias: Floats) -> None:
        size = self._features(label)
        if weight.shape[0] != size:
            raise RanvierError(f"{label}: its weights are {weight.shape}; the data before it has {size} values")
        if self.layers and self.layers[-1].activation is None:
            raise RanvierError(
                f"{label}: no Relu or Clip between it and {self.layers[-1].label}; merge the two layers or add one")
        with np.errstate(all="ignore"):
            if self.shift is not None:
                bias = bias + self.shift @ weight
            if self.scale is not None:
                weight = self.scale[:, None] * weight
        self.scale = self.shift = None
        _finite(weight, label, "the folded weights")
        self.layers.append(_Layer(label, node.name, weight, _finite(bias, label, "the folded bias")))
        self.shape = (self.shape[0], weight.shape[1])

    def _weights(self, node: Any, label: str) -> Floats:
        weight = _floats(self._input(node, label, 1, "weights"), label)
        if weight.ndim != 2 or weight.size == 0:
            raise RanvierError(f"{label}: its weights are {weight.shape}; a dense layer has a matrix")
        return weight

    def gemm(self, node: Any, label: str) -> None:
        weight = self._weights(node, label)
        if self._attribute(node, label, "transA", 0):
            raise RanvierError(f"{label}: transA is not supported; export the layer as data times weights")
        if self._attribute(node, label, "transB", 0):
            weight = weight.T
        weight = np.ascontiguousarray(weight) * self._attribute(node, label, "alpha", 1.0)
        bias = np.zeros(weight.shape[1])
        if len(node.input) > 2 and node.input[2]:
            bias = self._vector(node, label, 2, "bias", bias.size) * self._attribute(node, label, "beta", 1.0)
        self._dense(node, label, weight, bias)

    def matmul(self, node: Any, label: str) -> None:
        weight = self._weights(node, label)
        self._dense(node, label, weight, np.zeros(weight.shape[1]))

    def _affine(self, label: str, scale: Floats | None, shift: Floats) -> None:
        """Fold x * scale + shift into the layer before it, or keep it for the one behind."""
        with np.errstate(all="ignore"):
            if self.layers and self.layers[-1].activation is None:
                layer = self.layers[-1]
                if scale is not None:
                    layer.weight, layer.bias = layer.weight * scale, layer.bias * scale
                layer.bias = layer.bias + shift
                _finite(layer.weight, label, "the folded weights")
                _finite(layer.bias, label, "the folded bias")
                return
            if scale is not None:
                self.scale = scale if self.scale is None else self.scale * scale
                self.shift = None if self.shift is None else self.shift * scale
            self.shift = shift if self.shift is None else self.shift + shift

    def add(self, node: Any, label: str) -> None:
        other = 1 if node.input[0] == self.current else 0
        self._affine(label, None, self._vector(node, label, other, "addend", self._features(label)))

    def batch_normalization(self, node: Any, label: str) -> None:
        size = self._features(label)
        if self._attribute(node, label, "training_mode", 0):
            raise RanvierError(f"{label}: it is not in inference form; export the model in evaluation mode")
        gain, offset, mean, variance = (
            self._vector(node, label, i, what, size)
            for i, what in ((1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")))
        epsilon = self._attribute(node, label, "epsilon", 1e-5)
        if float(variance.min()) < 0 or float(variance.min()) + epsilon <= 0:
            raise RanvierError(f"{label}: a variance is not positive; train or export the model again")
        scale = gain / np.sqrt(variance + epsilon)
        self._affine(label, _finite(scale, label, "the scale"), _finite(offset - mean * scale, label, "the shift"))
        self.notes.append(f"{label} was folded into its layer")

    def _activate(self, label: str, activation: Relu | Clip) -> None:
        if not self.layers or self.scale is not None or self.shift is not None:
            raise RanvierError(f"{label}: no dense layer stands directly before it; put one there or remove it")
        layer = self.layers[-1]
        # Of two clips the narrower holds; a Relu adds nothing to either.
        bounds = [a.upper for a in (layer.activation, activation) if isinstance(a, Clip)]
        layer.activation = Clip(min(bounds)) if bounds else Relu()

    def relu(self, node: Any, label: str) -> None:
        self._activate(label, Relu())

    def clip(self, node: Any, label: str) -> None:
        bounds: list[float | None] = [None, None]
        if self.graph.opset < 11:
            bounds = [self._attribute(node, label, name, None) for name in ("min", "max")]
        else:
            for index in (1, 2):
                if index < len(node.input) and node.input[index]:
                    array = _array(self._input(node, label, index, "bound"), label)
                    if array.size != 1 or array.dtype.kind not in "fi" or math.isnan(float(array.reshape(-1)[0])):
                        raise RanvierError(f"{label}: its bounds must be single numbers; export the model again")
                    bounds[index - 1] = float(array.reshape(-1)[0])
        low, high = bounds
        rectified = bool(self.layers) and self.layers[-1].activation is not None
        if (low is None or low < 0) and not rectified or low is not None and low > 0:
            raise RanvierError(f"{label}: its lower bound is {low}; it must be 0, because a spike rate is not negative")
        if high is None or high == math.inf or high > _LARGEST:
            self._activate(label, Relu())
        elif high < 1 / _LARGEST:
            raise RanvierError(f"{label}: its upper bound is {high:g}; it must be above 0")
        else:
            self._activate(label, Clip(high))

    def flatten(self, node: Any, label: str) -> None:
        axis = self._attribute(node, label, "axis", 1)
        if axis not in (1, 1 - len(self.shape)):
            raise RanvierError(f"{label}: axis is {axis}; it must be 1, so that a picture stays one row")
        self.shape = (self.shape[0], math.prod(n for n in self.shape[1:] if n is not None))

    def reshape(self, node: Any, label: str) -> None:
        size = math.prod(n for n in self.shape[1:] if n is not None)
        array = _array(self._input(node, label, 1, "shape"), label)
        target = [int(n) for n in array.reshape(-1)] if array.dtype.kind == "i" and array.size == 2 else []
        copies = not self._attribute(node, label, "allowzero", 0)
        batch = [-1, self.shape[0]] + ([0] if copies else [])
        if not target or target[0] not in batch or target[1] not in (-1, size) or target == [-1, -1]:
            raise RanvierError(f"{label}: its target shape is not (batch, {size}); only flattening is supported")
        self.shape = (self.shape[0], size)

    def identity(self, node: Any, label: str) -> None:
        """Nothing to do."""

    def dropout(self, node: Any, label: str) -> None:
        if self.graph.opset >= 12 and len(node.input) > 2 and node.input[2] and np.any(
                _array(self._input(node, label, 2, "training mode"), label)):
            raise RanvierError(f"{label}: it is in training mode; export the model in evaluation mode")

    def softmax(self, node: Any, label: str) -> None:
        axis = self._attribute(node, label, "axis", 1 if self.graph.opset < 13 else -1)
        if axis not in (1, -1) or not self.layers or self.layers[-1].activation is not None:
            raise RanvierError(f"{label}: it must follow the last dense layer, over its outputs; remove it")
        self._features(label)
        self.ended = label
        self.notes.append(f"{label} was left out: the largest output stays the largest")

    def _named(self) -> tuple[DenseLayer, ...]:
        """The layers under names that populations may have, each once."""
        taken = {"input"}
        found = []
        for index, layer in enumerate(self.layers):
            plain = "".join(c if c.isascii() and (c.isalnum() or c in "_-./") else "_" for c in layer.node_name[:48])
            name = plain.strip("_./") or f"layer{index + 1}"
            while name in taken:
                name = f"{name[:48]}.{index + 1}"
            taken.add(name)
            found.append(DenseLayer(name, np.ascontiguousarray(layer.weight), layer.bias, layer.activation))
        return tuple(found)


#: Method and largest number of inputs of each operator; a Constant is read before.
_HANDLERS: dict[str, tuple[Any, int]] = {
    "Add": (_Chain.add, 2), "BatchNormalization": (_Chain.batch_normalization, 5), "Clip": (_Chain.clip, 3),
    "Constant": (None, 0), "Dropout": (_Chain.dropout, 3), "Flatten": (_Chain.flatten, 1), "Gemm": (_Chain.gemm, 3),
    "Identity": (_Chain.identity, 1), "LogSoftmax": (_Chain.softmax, 1), "MatMul": (_Chain.matmul, 2),
    "Relu": (_Chain.relu, 1), "Reshape": (_Chain.reshape, 2), "Softmax": (_Chain.softmax, 1),
}
#: Operators that `load_onnx` knows.
SUPPORTED = tuple(_HANDLERS)
