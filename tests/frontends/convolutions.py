"""Random graphs with convolutions, pooling and branches, and onnxruntime as the judge of what they mean."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np

from ranvier.frontends.conventional import Conventional
from ranvier.frontends.onnx import load_onnx
from tests.frontends.graphs import Case, Graph, difference, run_onnx


def _geometry(graph: Graph, axes: int, kernel: list[int], *, dilated: bool = True) -> dict[str, Any]:
    """Attributes of a window that fits the image, which is at least 1 in each direction."""
    rng, sizes = graph.rng, graph.shape[2:]
    dilations = [int(rng.integers(1, 3)) if dilated and size > 2 * (k - 1) else 1 for k, size in zip(kernel, sizes, strict=True)]
    extents = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    found: dict[str, Any] = {"strides": [int(rng.integers(1, 4)) for _ in range(axes)]}
    if dilations != [1] * axes or rng.random() < 0.3:
        found["dilations"] = dilations
    # onnxruntime takes "SAME" only without dilation, and where windows leave no gaps.
    gaps = max(dilations) > 1 or any(step > k for step, k in zip(found["strides"], kernel, strict=True))
    way = graph.pick("none", "pads", "pads", "VALID", *([] if gaps else ["SAME_UPPER", "SAME_LOWER"]))
    if way == "pads":
        found["pads"] = [int(rng.integers(0, extent)) for _ in range(2) for extent in extents]
    elif way != "none":
        found["auto_pad"] = way
    return found


def _resized(graph: Graph, kernel: list[int], given: dict[str, Any], channels: int) -> tuple[int, ...]:
    """The shape behind a window."""
    sizes = []
    for axis, (size, k) in enumerate(zip(graph.shape[2:], kernel, strict=True)):
        stride, extent = given["strides"][axis], given.get("dilations", [1] * len(kernel))[axis] * (k - 1) + 1
        if given.get("auto_pad", "").startswith("SAME"):
            sizes.append(-(-size // stride))
        else:
            pads = given.get("pads", [0] * 2 * len(kernel))
            sizes.append((size + pads[axis] + pads[axis + len(kernel)] - extent) // stride + 1)
    return (1, channels, *sizes)


def conv(graph: Graph) -> None:
    """A convolution with any geometry; grouped, depthwise or neither."""
    axes, channels = len(graph.shape) - 2, graph.shape[1]
    kernel = [int(graph.rng.integers(1, min(4, size) + 1)) for size in graph.shape[2:]]
    groups = graph.pick(*[n for n in range(1, channels + 1) if channels % n == 0])
    made = groups * int(graph.rng.integers(1, 4))
    given = _geometry(graph, axes, kernel)
    array = graph.rng.normal(size=(made, channels // groups, *kernel)) / np.sqrt(np.prod(kernel) * channels / groups)
    if groups > 1 or graph.rng.random() < 0.3:
        given["group"] = groups
    if graph.rng.random() < 0.5:
        given["kernel_shape"] = kernel
    bias = [graph.tensor(graph.numbers(made))] if graph.rng.random() < 0.7 else []
    graph.current = graph.node("Conv", [graph.current, graph.tensor(array), *bias], **given)
    graph.shape = _resized(graph, kernel, given, made)


def pool(graph: Graph) -> None:
    """A mean over windows, with or without the padding."""
    axes = len(graph.shape) - 2
    if graph.rng.random() < 0.15:
        graph.current = graph.node("GlobalAveragePool", [graph.current])
        graph.shape = (*graph.shape[:2], *[1] * axes)
        return
    kernel = [int(graph.rng.integers(1, min(3, size) + 1)) for size in graph.shape[2:]]
    given = _geometry(graph, axes, kernel, dilated=False)
    given.pop("dilations", None)
    if graph.rng.random() < 0.6:    # as most have it
        given = {"strides": kernel}
    if graph.rng.random() < 0.5:
        given["count_include_pad"] = int(graph.rng.integers(2))
    graph.current = graph.node("AveragePool", [graph.current], kernel_shape=kernel, **given)
    graph.shape = _resized(graph, kernel, given, graph.shape[1])


def branch(graph: Graph) -> None:
    """A way round a convolution that keeps the shape, with an activation in the way or not, and both added."""
    axes, channels, before = len(graph.shape) - 2, graph.shape[1], graph.current
    kernel = [int(graph.pick(1, 3)) for _ in range(axes)]
    array = graph.rng.normal(size=(channels, channels, *kernel)) / np.sqrt(np.prod(kernel) * channels)
    graph.current = graph.node("Conv", [before, graph.tensor(array)], auto_pad="SAME_UPPER")
    if graph.rng.random() < 0.5:
        graph.norm()
    if graph.rng.random() < 0.5:
        graph.activation()
    operator = graph.pick("Add", "Add", "Sub")
    graph.current = graph.node(operator, [before, graph.current] if graph.rng.random() < 0.5 else [graph.current, before])


def convolutional_case(seed: int) -> Case:
    """The graph of ``seed`` and its answers; none of the seeds is skipped."""
    rng = np.random.default_rng(seed)
    axes = 1 if rng.random() < 0.15 else 2
    features = (int(rng.integers(1, 5)), *(int(n) for n in rng.integers(4, 10, size=axes)))
    graph = Graph(rng, int(rng.integers(11, 22)), np.float32, (1, *features), 0)    # onnxruntime has no other Conv
    graph.begin()
    if rng.random() < 0.3:
        graph.affine()
    for _ in range(int(rng.integers(1, 4))):
        if len(graph.shape) != axes + 2:
            break
        graph.pick(conv, conv, conv, branch)(graph)
        for _ in range(int(rng.integers(3))):
            graph.pick(graph.norm, graph.affine, graph.nothing, lambda: pool(graph))()
        if rng.random() < 0.8 and any(node.op_type in ("Conv", "Gemm") for node in graph.nodes):
            graph.activation()
        if rng.random() < 0.4:
            pool(graph)
    if rng.random() < 0.15:
        graph.part()
    if rng.random() < 0.8:
        graph.flatten()
        graph.current = graph.node("MatMul", [graph.current, graph.weights(graph.shape[-1], 3)])
        graph.shape = (*graph.shape[:-1], 3)
    model = graph.model("")
    x = rng.normal(size=(5, *features)).astype(graph.kind)
    wanted = np.asarray(run_onnx(model, x)[0]).reshape(5, -1)
    return Case(model, x.reshape(5, -1).astype(np.float64), wanted, "", 2e-5, graph.used)


def compare_convolutions(seeds: range) -> tuple[Counter[str], Counter[str]]:
    """Compare the graphs of ``seeds`` with onnxruntime; how often each operator was in them, and each form of synapses behind them."""
    used, forms = Counter[str](), Counter[str]()
    for seed in seeds:
        case = convolutional_case(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            network = load_onnx(case.model)
            found = network.forward(case.x)
            far = difference(case, np.maximum(found, 0) if network.answer.final == "relu" else found)
        assert far <= case.tolerance, f"seed {seed}: the import differs from onnxruntime by {far:.3g} of the largest output"
        used += case.used
        forms += _forms(network)
    return used, forms


def _forms(network: Conventional) -> Counter[str]:
    found = Counter[str]()
    for layer in network.layers:
        found["branches"] += len(layer.synapses) > 1
        for part in layer.synapses:
            found["matrix" if part.is_dense else "depthwise" if part.groups == part.shape[2] > 1 else "grouped" if part.groups > 1
                  else "convolution"] += 1
            found["padded"] += any(part.padding)
            found["strided"] += part.stride != (1, 1)
            found["dilated"] += part.dilation != (1, 1)
    return found
