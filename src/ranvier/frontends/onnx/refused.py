"""Operators that are refused with a reason of their own."""

from __future__ import annotations

__all__ = ["reason"]

_CURVED = "a spike rate follows a Relu or a Clip, not this curve; retrain with ReLU or ReLU6 (if it is the last node, export without it)"
_CONVOLUTION = "this form of convolution is not read; use Conv with constant float weights"
_POOLING = ("the largest or the norm of several values is not linear, and spikes cannot show it exactly; use average pooling "
            "(AveragePool, GlobalAveragePool) or a convolution with a stride, and train again")
_QUANTISED = "quantised operators are not read; quantise with QuantFormat.QDQ (QuantizeLinear and DequantizeLinear around float operators)"
_STATE = "recurrent layers are not supported; use dense layers"
_FLOW = "the graph branches by its data; export the model in evaluation mode, with plain operators"
_NORM = "it divides by what each sample makes of itself; retrain with BatchNormalization, which is folded"
_TREES = "no dense network but another kind of model; train an MLPClassifier, MLPRegressor or a linear model"

_GROUPS: dict[str, tuple[str, ...]] = {
    _CURVED: ("Tanh", "Gelu", "LeakyRelu", "Elu", "Selu", "Celu", "PRelu", "Softplus", "Softsign", "Erf", "HardSwish", "Mish", "Swish",
              "ThresholdedRelu", "Shrink", "Exp", "Log", "Sin", "Cos", "Abs", "Pow", "Sqrt", "Reciprocal", "Atan", "Asinh",
              "com.microsoft.Gelu", "com.microsoft.QuickGelu"),
    _CONVOLUTION: ("ConvTranspose", "ConvInteger", "QLinearConv"),
    _POOLING: ("MaxPool", "GlobalMaxPool", "LpPool", "GlobalLpPool"),
    _QUANTISED: ("QLinearMatMul", "MatMulInteger", "DynamicQuantizeLinear", "com.microsoft.QGemm", "com.microsoft.MatMulIntegerToFloat",
                 "com.microsoft.QLinearAdd", "com.microsoft.DynamicQuantizeMatMul"),
    _STATE: ("LSTM", "GRU", "RNN"),
    _FLOW: ("If", "Loop", "Scan", "Where", "SequenceAt", "SequenceConstruct"),
    _NORM: ("LayerNormalization", "InstanceNormalization", "GroupNormalization", "RMSNormalization", "LpNormalization",
            "MeanVarianceNormalization", "SimplifiedLayerNormalization"),
    _TREES: tuple(f"ai.onnx.ml.{name}" for name in ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble", "SVMClassifier",
                                                    "SVMRegressor", "OneHotEncoder", "LabelEncoder", "Imputer")),
}
_REASONS = {name: text for text, names in _GROUPS.items() for name in names}


def reason(operator: str, supported: tuple[str, ...]) -> str:
    """Why ``operator`` is refused, and the mend."""
    return _REASONS.get(operator) or f"this operator is not supported; supported are {', '.join(supported)}"
