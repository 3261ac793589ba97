"""Random graphs of the operators that `load_onnx` reads, and onnxruntime as the judge of what they mean."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ranvier.frontends.onnx import load_onnx

Array = npt.NDArray[Any]
_TYPES = {np.float64: TensorProto.DOUBLE, np.float32: TensorProto.FLOAT}


def run_onnx(model: onnx.ModelProto | Path, x: Array, output: str | None = None) -> list[Array]:
    """Outputs (or the one named) of onnxruntime, which does what the graph says and nothing cleverer; ``x`` as the graph takes it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    given = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    return list(session.run(None if output is None else [output], {session.get_inputs()[0].name: x}))


@dataclass
class Graph:
    """A graph in the making. ``shape`` is that of ``current`` for one sample, with 1 at ``batch`` (None: no such axis)."""

    rng: np.random.Generator
    opset: int
    kind: type
    shape: tuple[int, ...]
    batch: int | None
    fixed: int | None = None
    current: str = "x"
    nodes: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)
    rounded: bool = False

    # Pieces

    def tensor(self, array: Any, kind: Any = None) -> str:
        """A constant, as an initializer or a Constant node."""
        array = np.asarray(array, self.kind if kind is None else kind)
        name = f"c{len(self.tensors) + len(self.nodes)}"
        proto = numpy_helper.from_array(array, name)
        if self.rng.random() < 0.2:
            self.nodes.append(helper.make_node("Constant", [], [name], value=proto))
        else:
            self.tensors.append(proto)
        return name

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node; the name of its output."""
        self.used[operator] += 1
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], f"n{len(self.nodes)}", **attributes))
        return name

    def numbers(self, *shape: int) -> Array:
        """Numbers about 1 in size, none near 0."""
        drawn = self.rng.normal(size=shape)
        return np.asarray(np.sign(drawn) * (np.abs(drawn) + 0.2))

    def pick(self, *items: Any) -> Any:
        return items[self.rng.integers(len(items))]

    def axes_form(self, operator: str, data: str, axes: list[int]) -> str:
        """Squeeze or Unsqueeze, with the axes where the opset has them."""
        if self.opset < 13:
            return self.node(operator, [data], axes=axes)
        return self.node(operator, [data, self.tensor(axes, np.int64)])

    # Steps: each changes `current` and `shape`

    def affine(self) -> None:
        """A constant added, subtracted, multiplied or divided, either way round."""
        part = [n if self.rng.random() < 0.7 else 1 for n in self.shape]
        if self.batch is not None:
            part[self.batch] = 1
        cut = int(self.rng.integers(len(part) + 1))
        other = self.tensor(self.numbers(*part[cut:]))
        operator = self.pick("Add", "Sub", "Mul", "Div", "Sum") if self.opset >= 8 else self.pick("Add", "Sub", "Mul", "Div")
        flip = operator != "Div" and self.rng.random() < 0.5
        self.current = self.node(operator, [other, self.current] if flip else [self.current, other])

    def turn(self) -> None:
        """A transposition that is taken back by the steps behind it, or not."""
        order = [int(n) for n in self.rng.permutation(len(self.shape))]
        self.current = self.node("Transpose", [self.current], perm=order)
        self.shape = tuple(self.shape[n] for n in order)
        self.batch = None if self.batch is None else order.index(self.batch)

    def nothing(self) -> None:
        """Operators that do nothing here."""
        operator = self.pick("Identity", "Dropout", "Cast")
        given = {"to": _TYPES[self.kind]} if operator == "Cast" else {}
        self.current = self.node(operator, [self.current], **given)

    def axis_more(self) -> None:
        """A new axis of size 1; sometimes it goes at once."""
        if len(self.shape) > 4:
            return
        axis = int(self.rng.integers(len(self.shape) + 1))
        back = self.opset >= 11 and bool(self.rng.random() < 0.5)
        made = self.axes_form("Unsqueeze", self.current, [axis - len(self.shape) - 1 if back else axis])
        if self.rng.random() < 0.4:
            self.current = self.axes_form("Squeeze", made, [axis])
            return
        self.current = made
        self.shape = (*self.shape[:axis], 1, *self.shape[axis:])
        if self.batch is not None and axis <= self.batch:
            self.batch += 1

    def flatten(self) -> None:
        """One row a sample, in one of the ways that exporters write."""
        if self.batch is not None and self.batch != 0:
            order = [self.batch, *(i for i in range(len(self.shape)) if i != self.batch)]
            self.current = self.node("Transpose", [self.current], perm=order)
            self.shape = tuple(self.shape[i] for i in order)
            self.batch = 0
        size = int(np.prod(self.shape))
        if self.batch is None:
            target = self.pick([1, size], [1, -1], [size], [-1])
            self.current = self.node("Reshape", [self.current, self.tensor(target, np.int64)])
            self.shape = (1, size) if len(target) == 2 else (size,)
            return
        way = self.pick("flatten", "reshape", "view")
        if way == "flatten":
            self.current = self.node("Flatten", [self.current], axis=1)
        elif way == "reshape":
            ways = [[-1, size], [0, size], [0, -1]]
            target = self.pick(*ways) if self.fixed is None else self.pick(*ways, [self.fixed, size], [self.fixed, -1])
            self.current = self.node("Reshape", [self.current, self.tensor(target, np.int64)])
        else:
            found = self.node("Shape", [self.current])
            found = self.node("Gather", [found, self.tensor(0, np.int64)], axis=0)
            found = self.axes_form("Unsqueeze", found, [0])
            if len(self.shape) == 3 and self.rng.random() < 0.5:    # x.view(x.size(0), x.size(1) * x.size(2))
                known = self.node("Shape", [self.current])
                rest = self.node("Mul", [self.node("Gather", [known, self.tensor([axis], np.int64)], axis=0) for axis in (1, 2)])
            else:
                rest = self.tensor([self.pick(-1, size)], np.int64)
            found = self.node("Concat", [found, rest], axis=0)
            self.current = self.node("Reshape", [self.current, found])
        self.shape = (1, size)

    def weights(self, *shape: int) -> str:
        """A matrix in one of the forms that files have."""
        array = self.rng.normal(size=shape) / np.sqrt(max(shape))
        way = self.pick("plain", "plain", "transposed", "half", "brain", "integers")
        if way == "plain":
            return self.tensor(array)
        if way == "transposed":
            return self.node("Transpose", [self.tensor(array.T)], perm=list(range(array.ndim))[::-1])
        if way == "integers" and self.opset >= 10:
            self.rounded = True
            many = self.opset >= 13 and array.ndim == 2 and bool(self.rng.random() < 0.5)
            scale, kind = self.rng.random(shape[1] if many else 1) * 0.01 + 0.001, self.pick(np.int8, np.uint8)
            zero = np.full(scale.shape, 0 if kind is np.int8 else 128)
            integers = np.clip(np.rint(array / scale) + zero, *((-128, 127) if kind is np.int8 else (0, 255)))
            parts = [self.tensor(integers, kind), self.tensor(scale if many else scale[0], np.float32),
                     self.tensor(zero if many else zero[0], kind)]
            found = self.node("DequantizeLinear", parts, **({"axis": 1} if many else {}))
            return found if self.kind is np.float32 else self.node("Cast", [found], to=TensorProto.DOUBLE)
        if way == "half" or way == "brain" and self.opset >= 13:
            number = TensorProto.FLOAT16 if way == "half" else TensorProto.BFLOAT16
            narrow = array.astype(helper.tensor_dtype_to_np_dtype(number))
            return self.node("Cast", [self.tensor(narrow, narrow.dtype)], to=_TYPES[self.kind])
        return self.tensor(array)

    def dense(self) -> None:
        """A dense layer in one of its forms."""
        forms: list[Callable[[], None]] = [self._matmul]
        if len(self.shape) == 2 and self.batch is not None:
            forms += [self._gemm, self._gemm]
        if self.batch is None or self.batch != max(len(self.shape) - 2, 0):
            forms.append(self._left)
        if self.batch is not None and self.batch == len(self.shape) - 1:
            forms = [self._left] if len(self.shape) > 1 else []
            if len(self.shape) == 2:
                forms.append(self._gemm_left)
        if forms:
            self.pick(*forms)()

    def _gemm(self) -> None:
        if self.batch == 1:
            self._gemm_left()
            return
        size, made, flags = self.shape[1], int(self.rng.integers(2, 6)), {}
        turned = bool(self.rng.random() < 0.5)
        weights = self.weights(made, size) if turned else self.weights(size, made)
        if turned or self.rng.random() < 0.3:
            flags["transB"] = int(turned)
        data = self.current
        if self.rng.random() < 0.2:
            data, flags["transA"] = self.node("Transpose", [data], perm=[1, 0]), 1
        inputs = [data, weights]
        if self.rng.random() < 0.7 or self.opset < 11:
            inputs.append(self.tensor(self.rng.normal(size=self.pick((made,), (1, made), (1,), ()))))
        if self.rng.random() < 0.3:
            flags |= {"alpha": 0.5, "beta": 2.0}
        self.current, self.shape = self.node("Gemm", inputs, **flags), (1, made)

    def _gemm_left(self) -> None:
        made = int(self.rng.integers(2, 6))
        inputs = [self.weights(made, self.shape[0]), self.current]
        if self.opset < 11 or self.rng.random() < 0.5:
            inputs.append(self.tensor(self.rng.normal(size=(made, 1))))
        self.current, self.shape = self.node("Gemm", inputs), (made, 1)

    def _matmul(self) -> None:
        size, made = self.shape[-1], int(self.rng.integers(2, 6))
        lead = (1,) * int(self.rng.integers(2)) if len(self.shape) > 2 and self.rng.random() < 0.3 else ()
        self.current = self.node("MatMul", [self.current, self.weights(*lead, size, made)])
        self.shape = (*self.shape[:-1], made)

    def _left(self) -> None:
        made = int(self.rng.integers(2, 6))
        place = -2 if len(self.shape) > 1 else -1
        self.current = self.node("MatMul", [self.weights(made, self.shape[place]), self.current])
        self.shape = (*self.shape[:-2], made, *self.shape[-1:]) if place == -2 else (made,)

    def norm(self) -> None:
        """BatchNormalization, or what Keras makes of it."""
        if len(self.shape) < 2 or self.batch == 1 or len(self.shape) < 3 and self.batch is None and self.shape[0] != 1:
            return
        size = self.shape[1]
        parts = [self.numbers(size), self.rng.normal(size=size), self.rng.normal(size=size), self.rng.random(size) + 0.1]
        self.current = self.node("BatchNormalization", [self.current, *map(self.tensor, parts)], epsilon=1e-3)

    def parallel(self) -> None:
        """Two linear ways from one tensor that are added or put side by side."""
        if len(self.shape) != 2 or self.batch == 1:
            return
        made = int(self.rng.integers(2, 5))
        ways = [self.node("MatMul", [self.current, self.weights(self.shape[1], made)]) for _ in range(2)]
        operator = self.pick("Add", "Sub", "Concat")
        self.current = self.node(operator, ways, **({"axis": 1} if operator == "Concat" else {}))
        self.shape = (self.shape[0], made * (2 if operator == "Concat" else 1))

    def part(self) -> None:
        """Some of the values."""
        axes = [i for i, n in enumerate(self.shape) if n > 2 and i != self.batch]
        if not axes:
            return
        axis = self.pick(*axes)
        size = self.shape[axis]
        if self.rng.random() < 0.5:
            places = [int(n) for n in self.rng.permutation(size)[:size - 1]]
            self.current = self.node("Gather", [self.current, self.tensor(places, np.int64)], axis=axis)
        elif self.opset < 10:
            self.current = self.node("Slice", [self.current], starts=[1], ends=[size + 3], axes=[axis])
        else:
            parts = self.pick(([1], [size + 3], [axis], [1]), ([-1], [0], [axis - len(self.shape)], [-1]))
            self.current = self.node("Slice", [self.current, *(self.tensor(n, np.int64) for n in parts)])
        self.shape = tuple(size - 1 if i == axis else n for i, n in enumerate(self.shape))

    def activation(self) -> None:
        """One or two activations in a row, with bounds of any sign."""
        for _ in range(self.pick(1, 1, 2)):
            ways = ["Relu", "Relu", *(["Max", "Min", "both"] if self.opset >= 8 else []),
                    *(["Clip"] if self.opset >= 12 or self.kind is np.float32 else [])]
            way, low, high = self.pick(*ways), self.pick(0.0, 0.0, -0.5, 0.3), self.pick(1.0, 6.0, 0.9)
            if way == "Relu":
                self.current = self.node("Relu", [self.current])
            elif way == "Clip" and self.opset < 11:
                self.current = self.node("Clip", [self.current], min=low, max=high)
            elif way == "Clip":
                bounds = self.pick(["low", "high"], ["low"], ["", "high"])
                self.current = self.node("Clip", [self.current, *(
                    self.tensor({"low": low, "high": high}[name]) if name else "" for name in bounds)])
            else:
                for name, value in (("Max", low), ("Min", high)) if self.rng.random() < 0.5 else (("Min", high), ("Max", low)):
                    if way in ("both", name):
                        other = self.tensor(value)
                        self.current = self.node(name, [other, self.current] if self.rng.random() < 0.5 else [self.current, other])

    def model(self, end: str) -> onnx.ModelProto:
        """The graph with ``end`` behind it."""
        if end:
            axis = {"axis": next((i for i, n in enumerate(self.shape) if n == int(np.prod(self.shape)) and i != self.batch), 0)}
            self.current = self.node(end, [self.current], **({} if end in ("Sigmoid", "Relu") else axis))
        shape: list[Any] = list(self.input_shape)
        graph = helper.make_graph(
            self.nodes, "random", [helper.make_tensor_value_info("x", _TYPES[self.kind], shape)],
            [helper.make_tensor_value_info(self.current, TensorProto.INT64 if end == "ArgMax" else _TYPES[self.kind], None)], self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8 if self.opset < 19 else 10)

    @property
    def input_shape(self) -> tuple[Any, ...]:
        return self._input

    def begin(self) -> None:
        """Keep the input's shape as the file will say it."""
        self._input = tuple(("n" if self.fixed is None else self.fixed) if i == self.batch else n for i, n in enumerate(self.shape))


@dataclass(frozen=True)
class Case:
    """A model, inputs (samples, size) and what onnxruntime makes of them, (samples, outputs)."""

    model: onnx.ModelProto
    x: Array
    wanted: Array
    end: str
    tolerance: float
    used: Counter[str]


def random_case(seed: int) -> Case:
    """The graph of ``seed`` and its answers; None of the seeds is skipped."""
    rng = np.random.default_rng(seed)
    kind = np.float32 if rng.random() < 0.2 else np.float64
    features = tuple(int(n) for n in rng.integers(2, 5, size=int(rng.integers(1, 4))))
    batch = None if rng.random() < 0.2 else 0
    shape = features if batch is None else (1, *features)
    graph = Graph(rng, int(rng.integers(7, 22)), kind, shape, batch, int(rng.integers(2, 5)) if batch == 0 and rng.random() < 0.2 else None)
    graph.begin()
    for _ in range(int(rng.integers(3))):
        graph.pick(graph.affine, graph.nothing, graph.axis_more, graph.turn)()
    deep = kind is np.float64 and rng.random() < 0.5
    if rng.random() < 0.7:
        graph.flatten()
    for _ in range(int(rng.integers(1, 4)) if deep else 1):
        graph.dense()
        for _ in range(int(rng.integers(4))):
            graph.pick(graph.affine, graph.affine, graph.norm, graph.nothing, graph.axis_more, graph.turn, graph.part,
                       graph.parallel, graph.dense)()
        if any(node.op_type in ("MatMul", "Gemm") for node in graph.nodes):
            graph.activation()
        if rng.random() < 0.4:
            graph.pick(graph.affine, graph.norm)()
    graph.flatten()
    graph.current = graph.node("MatMul", [graph.current, graph.weights(graph.shape[-1], 3)])
    graph.shape = (*graph.shape[:-1], 3)
    if rng.random() < 0.7:
        graph.affine()
    ends = ["", "", "Softmax", "Sigmoid", "Relu", "LogSoftmax", *(["ArgMax"] if graph.opset >= 13 else [])]
    end = str(graph.pick(*ends))
    model = graph.model(end)
    count = graph.fixed or 5
    x = rng.normal(size=(count, *features)).astype(kind)
    given = [x] if batch == 0 else list(x)
    wanted = np.concatenate([np.asarray(run_onnx(model, part)[0]).reshape(count if batch == 0 else 1, -1) for part in given])
    return Case(model, x.reshape(count, -1).astype(np.float64), wanted, end,
                1e-5 if graph.rounded or kind is np.float32 else 1e-9, graph.used)


def finished(logits: Array, end: str) -> Array:
    """What the file's last node makes of the last layer's values."""
    if end in ("Softmax", "LogSoftmax"):
        shifted = logits - logits.max(axis=1, keepdims=True)
        found = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return np.asarray(found if end == "LogSoftmax" else np.exp(found))
    if end == "Sigmoid":
        return np.asarray(1 / (1 + np.exp(-logits)))
    return np.maximum(logits, 0) if end == "Relu" else logits


def compare(seeds: range) -> Counter[str]:
    """Compare the graphs of ``seeds`` with onnxruntime; how often each operator was in them."""
    used: Counter[str] = Counter()
    for seed in seeds:
        case = random_case(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            network = load_onnx(case.model)
            far = difference(case, network.forward(case.x))
        assert far <= case.tolerance, f"seed {seed}: the import differs from onnxruntime by {far:.3g} of the largest output"
        used += case.used
    return used


def difference(case: Case, logits: Array) -> float:
    """Largest difference over the largest output; for a class, by how much it is not the largest."""
    if case.end == "ArgMax":
        below = logits.max(axis=1) - np.take_along_axis(logits, case.wanted, axis=1)[:, 0]
        return float(below.max() / max(float(np.abs(logits).max()), 1e-6))
    found = finished(logits, case.end)
    assert found.shape == case.wanted.shape, (found.shape, case.wanted.shape)
    return float(np.abs(found - case.wanted).max() / max(float(np.abs(case.wanted).max()), 1e-6))
