"""Operators on data that is on its way through the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx

from ..conventional import Floats
from .affine import add, clip, matmul, moved, scaled, shifted
from .constants import CONSTANTS, RANGES, quantiser
from .convolution import CONVOLUTIONS
from .node import Call
from .shapes import SHAPES
from .tensors import FLOATS
from .values import Constant, Data, Quantised, Scores, Value, finite

__all__ = ["OPERATORS"]

_INF = np.array(np.inf)


def _folded(call: Call, data: Data) -> Data:
    """Note that an affine node before the first layer is folded; it is easily taken for lost."""
    if data.linear is None and data.stage.before is None:
        call.context.note(f"{call.label} was folded into the first layer")
    return data


def _pair(call: Call) -> tuple[Data, Floats | None, int]:
    """The data, the constant beside it (None where both depend on the data), and the data's place."""
    if isinstance(call.value(0), Data) and isinstance(call.value(1), Data):
        return call.data(0), None, 0
    place = 0 if isinstance(call.value(0), Data) else 1
    return call.data(place), call.floats(1 - place, "operand"), place


def add_(call: Call) -> Value:
    """Addition of a constant, or of two tensors that are affine in the same values."""
    data, other, _ = _pair(call)
    return add(data, call.data(1), 1, call.names) if other is None else _folded(call, shifted(data, other, call.label))


def sub(call: Call) -> Value:
    """Subtraction, either way round."""
    data, other, place = _pair(call)
    if other is None:
        return add(data, call.data(1), -1, call.names)
    if place == 0:
        return _folded(call, shifted(data, -other, call.label))
    return _folded(call, shifted(scaled(data, np.array(-1.0), call.label), other, call.label))


def sum_(call: Call) -> Value:
    """Addition of any number of tensors."""
    found: Value | None = call.value(0)
    for value in call.values[1:]:
        both = isinstance(found, Constant) and isinstance(value, Constant)
        found = (CONSTANTS["Add"][0] if both else add_)(Call(call.node, call.label, [found, value], call.context))
    assert found is not None
    return found


def mul(call: Call) -> Value:
    """Multiplication by a constant."""
    data, other, _ = _pair(call)
    if other is None:
        raise call.fail("it multiplies two branches that both depend on the data; a chain of dense layers is supported")
    return _folded(call, scaled(data, other, call.label))


def div(call: Call) -> Value:
    """Division by a constant."""
    data, other, place = _pair(call)
    if other is None or place == 1:
        raise call.fail("it divides by something that depends on the data; a chain of dense layers is supported")
    if not np.all(other):
        raise call.fail(f"its divisor {call.node.input[1][:40]!r} holds 0; train or export the model again")
    return _folded(call, scaled(data, 1 / other, call.label))


def neg(call: Call) -> Value:
    """The negative."""
    return scaled(call.data(0), np.array(-1.0), call.label)


def relu(call: Call) -> Value:
    """max(x, 0)."""
    return clip(call.data(0), np.array(0.0), _INF, call.label)


def _bound(call: Call, index: int) -> Floats:
    array = call.constant(index, "bound").array
    if array.dtype.kind not in "fi" or np.any(np.isnan(array)):
        raise call.fail("its bounds must be numbers; export the model again")
    return array.astype(np.float64)


def clip_(call: Call) -> Value:
    """min(max(x, low), high)."""
    low, high = -_INF, _INF
    if call.context.opset < 11:
        low, high = np.array(call.number("min", -np.inf, endless=True)), np.array(call.number("max", np.inf, endless=True))
    else:
        low, high = (found if call.value(index) is None else _bound(call, index) for index, found in ((1, low), (2, high)))
    if low.size != 1 or high.size != 1:
        raise call.fail("its bounds must be single numbers; export the model again")
    return clip(call.data(0), low.reshape(()).astype(np.float64), high.reshape(()).astype(np.float64), call.label)


def _limit(sign: int) -> Callable[[Call], Value]:
    """Max (1) or Min (-1) of data and constants."""
    def handler(call: Call) -> Value:
        places = [index for index, value in enumerate(call.values) if isinstance(value, Data)]
        if len(places) != 1:
            raise call.fail("it compares two branches that both depend on the data; a chain of dense layers is supported")
        data = call.data(places[0])
        for index in range(len(call.values)):
            if index != places[0]:
                bound = _bound(call, index)
                data = clip(data, bound, _INF, call.label) if sign > 0 else clip(data, -_INF, bound, call.label)
        return data
    return handler


def hard_sigmoid(call: Call) -> Value:
    """min(max(alpha x + beta, 0), 1)."""
    alpha, beta = call.number("alpha", 0.2), call.number("beta", 0.5)
    data = shifted(scaled(call.data(0), np.array(float(alpha)), call.label), np.array(float(beta)), call.label)
    return clip(data, np.array(0.0), np.array(1.0), call.label)


def _weights(call: Call, index: int) -> Constant:
    value = call.constant(index, "weights")
    return replace(value, array=call.floats(index, "weights"))


def matmul_(call: Call) -> Value:
    """A product with constant weights, on either side."""
    if isinstance(call.value(0), Data) and isinstance(call.value(1), Data):
        raise call.fail("it multiplies two branches that both depend on the data (attention?); a chain of dense layers is supported")
    left = isinstance(call.value(1), Data)
    return matmul(call.data(int(left)), _weights(call, int(not left)), call.names, left=left)


def _transposed(value: Constant) -> Constant:
    both = None if value.quantised is None else (value.quantised[0].T, value.quantised[1].T)
    return replace(value, array=value.array.T, quantised=both)


def gemm(call: Call) -> Value:
    """alpha * A' @ B' + beta * C."""
    left = isinstance(call.value(1), Data)
    if left and isinstance(call.value(0), Data):
        raise call.fail("it multiplies two branches that both depend on the data; a chain of dense layers is supported")
    data, weights = call.data(int(left)), _weights(call, int(not left))
    if len(data.shape) != 2:
        raise call.fail(f"its data has shape {data.shown()}; put a Flatten before it")
    if weights.array.ndim != 2:
        raise call.fail(f"its weights are {weights.array.shape}; a dense layer has a matrix")
    turn = [bool(call.integer(name, 0)) for name in ("transA", "transB")]
    if turn[int(left)]:
        data = moved(data, [1, 0])
    if turn[int(not left)]:
        weights = _transposed(weights)
    product = scaled(matmul(data, weights, call.names, left=left), np.array(float(call.number("alpha", 1.0))), call.label)
    if call.value(2) is None:
        return product
    beta = np.array(float(call.number("beta", 1.0)))
    if isinstance(call.value(2), Data):
        return add(product, scaled(call.data(2), beta, call.label), 1, call.names)
    bias = call.floats(2, "bias")
    found = shifted(product, bias * beta, call.label)
    if found.shape != product.shape:
        raise call.fail(f"its bias has shape {bias.shape}; it must be ({product.shape[-1]},)")
    return found


def batch_normalization(call: Call) -> Value:
    """Folded into what is before it, channel by channel (axis 1)."""
    data = call.data(0)
    if call.number("training_mode", 0) or not call.number("spatial", 1):
        raise call.fail("it is not in inference form; export the model in evaluation mode")
    if len(data.shape) < 2 or data.batch == 1:
        raise call.fail(f"its data has shape {data.shown()}; it must be (batch, channels, ...)")
    size, vectors = data.shape[1], []
    for index, what in ((1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")):
        vector = call.floats(index, what)
        if vector.shape != (size,):
            raise call.fail(f"its {what} has shape {vector.shape}; it must be ({size},)")
        vectors.append(vector.reshape([-1 if axis == 1 else 1 for axis in range(len(data.shape))]))
    gain, offset, mean, variance = vectors
    epsilon = call.number("epsilon", 1e-5)
    if float(variance.min()) < 0 or float(variance.min()) + epsilon <= 0:
        raise call.fail("a variance is not positive; train or export the model again")
    factor = finite(gain / np.sqrt(variance + epsilon), call.label, "the scale")
    call.context.note(f"{call.label} was folded into its layer")
    return shifted(scaled(data, factor, call.label), finite(offset - mean * factor, call.label, "the shift"), call.label)


def scaler(call: Call) -> Value:
    """(x - offset) * scale (scikit-learn's scalers)."""
    data, size = call.data(0), call.data(0).shape[-1] if call.data(0).shape else 1
    offset, scale = call.float_list("offset"), call.float_list("scale")
    if any(vector.size not in (0, 1, size) for vector in (offset, scale)):
        raise call.fail(f"it has {offset.size} offsets and {scale.size} scales for {size} features; export the model again")
    if offset.size:
        data = shifted(data, -offset, call.label)
    return _folded(call, scaled(data, scale, call.label) if scale.size else data)


def linear_regressor(call: Call) -> Value:
    """x @ coefficients + intercepts (scikit-learn's linear models)."""
    if call.text("post_transform", "NONE") != "NONE":
        raise call.fail("its post_transform is not supported; export the model without it")
    data, targets = call.data(0), call.integer("targets", 1)
    coefficients, intercepts = call.float_list("coefficients"), call.float_list("intercepts")
    if targets < 1 or coefficients.size != targets * data.shape[-1] or intercepts.size not in (0, targets):
        raise call.fail(f"it has {coefficients.size} coefficients for {data.shape[-1]} features; export the model again")
    found = matmul(data, Constant(coefficients.reshape(targets, -1).T), call.names)
    return shifted(found, intercepts, call.label) if intercepts.size else found


def cast(call: Call) -> Value:
    """Another type of floats; the rounding of a narrow one is left out."""
    to = call.integer("to", 0)
    if to not in FLOATS:
        raise call.fail("it casts the data to whole numbers, which cuts them; export the model without it")
    if FLOATS[to] < 32:
        call.context.note(f"{call.label} rounds to a narrow type of floats; the rounding was left out")
    return call.data(0)


def dropout(call: Call) -> Value:
    """Nothing, outside training."""
    if call.context.opset >= 12 and call.value(2) is not None and np.any(call.constant(2, "training mode").array):
        raise call.fail("it is in training mode; export the model in evaluation mode")
    return call.data(0)


def quantize(call: Call) -> Value:
    """The first half of a fake quantisation."""
    value = call.value(0)
    if not isinstance(value, Data | Scores):
        raise call.fail("its input is no data; quantise the model again")
    scale, zero, kind = quantiser(call, (1,))
    if call.constant(1, "scale").array.size != 1:
        raise call.fail("it quantises the data channel by channel; quantise activations for the whole tensor")
    kind = kind or call.integer("output_dtype", 0) or onnx.TensorProto.UINT8
    if kind not in RANGES:
        raise call.fail(f"it quantises to the type number {kind}; quantise to 4, 8 or 16 bits")
    low, high = ((bound - int(zero[0])) * float(scale[0]) for bound in RANGES[kind])
    return Quantised(value, (float(scale[0]), int(zero[0])), low, high)


def dequantize(call: Call) -> Value:
    """The second half: rounding is left out, bounds that act stay."""
    value = call.value(0)
    if not isinstance(value, Quantised):
        raise call.fail("it takes data that no QuantizeLinear gave; quantise the model again")
    scale, zero, _ = quantiser(call, (1,))
    if (float(scale[0]), int(zero[0])) != value.parameters:
        raise call.fail("its scale or zero point is not that of its QuantizeLinear; quantise the model again")
    data = value.data
    if isinstance(data, Scores):
        return data
    bounds = f"{value.low:.4g} to {value.high:.4g}"
    if data.linear is None and data.stage.before is None:
        call.context.note(f"{call.label}: the rounding of the input to steps of {value.parameters[0]:.4g} was left out; "
                          f"the file bounds the input to {bounds}, which is left out too")
        return data
    if data.linear is not None and value.low < 0:
        call.context.note(f"{call.label}: rounding to steps of {value.parameters[0]:.4g} was left out, and the bounds {bounds} with it")
        return data
    # A quantiser folds the Relu into its range: what it cannot show below 0 is 0.
    call.context.note(f"{call.label}: rounding to steps of {value.parameters[0]:.4g} was left out; the bounds {bounds} stay")
    return clip(data, np.array(value.low), np.array(value.high), call.label)


#: Handlers by operator, with the least and the largest number of inputs.
OPERATORS: dict[str, tuple[Callable[[Call], Value], int, int]] = SHAPES | CONVOLUTIONS | {
    "Add": (add_, 2, 2), "BatchNormalization": (batch_normalization, 5, 5), "Cast": (cast, 1, 1), "Clip": (clip_, 1, 3),
    "DequantizeLinear": (dequantize, 2, 3), "Div": (div, 2, 2), "Dropout": (dropout, 1, 3), "Gemm": (gemm, 2, 3),
    "HardSigmoid": (hard_sigmoid, 1, 1), "MatMul": (matmul_, 2, 2), "Max": (_limit(1), 1, 16), "Min": (_limit(-1), 1, 16),
    "Mul": (mul, 2, 2), "Neg": (neg, 1, 1), "QuantizeLinear": (quantize, 2, 3), "Relu": (relu, 1, 1), "Sub": (sub, 2, 2),
    "Sum": (sum_, 1, 16), "ai.onnx.ml.LinearRegressor": (linear_regressor, 1, 1), "ai.onnx.ml.Scaler": (scaler, 1, 1),
}
