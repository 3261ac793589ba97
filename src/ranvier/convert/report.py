"""What a conversion reports: the accuracy that is left, advice, notes, and the errors of the layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["AccuracyReport", "Advice", "ConversionReport", "LayerReport"]


@dataclass(frozen=True)
class LayerReport:
    """How far one layer is from the conventional one.

    name, neurons, bound
        The layer, its size, and lambda: the activation that one spike in every step stands for (1 for the readout).
    weight_error
        RMS of the weights' change by quantisation over the RMS of the weights.
    activation_error, conversion_error, quantisation_error
        Mean absolute differences over calibration samples and neurons, over the mean absolute value of the
        conventional activation (of the logits in the last layer): quantised spikes against the conventional network;
        float-weight spikes against the conventional network; quantised against float-weight spikes. Errors of
        earlier layers are in them. None without calibration.
    saturated
        Share of activations above the bound, which a rate cannot show. None without calibration.
    """

    name: str
    neurons: int
    bound: float
    weight_error: float
    activation_error: float | None = None
    conversion_error: float | None = None
    quantisation_error: float | None = None
    saturated: float | None = None


@dataclass(frozen=True)
class AccuracyReport:
    """How good the spiking network is on calibration samples, beside the conventional one.

    measure
        "accuracy": share of samples whose label is found. "agreement": without labels, share of samples for which both networks
        name the same class. "rms error": of values against labels. "rms difference": of values, without labels, between both.
    samples
        The first so many calibration samples were used.
    conventional
        The conventional network's figure; None where the measure compares with it.
    spiking
        For each number of steps the spiking network's figure.
    """

    measure: str
    samples: int
    conventional: float | None
    spiking: Mapping[int, float]

    @property
    def is_share(self) -> bool:
        """Whether the figures are shares, the larger the better; else they are errors."""
        return self.measure in ("accuracy", "agreement")

    def shown(self, figure: float) -> str:
        """A figure as text."""
        return f"{100 * figure:.2f} %" if self.is_share else f"{figure:.4g}"

    def rows(self) -> list[tuple[str, str]]:
        """A line for each figure."""
        found = [] if self.conventional is None else [(f"{self.measure} of the conventional network", self.shown(self.conventional))]
        what = {"agreement": "agreement with the conventional network", "rms difference": "rms difference from the conventional network"}
        return found + [(f"{what.get(self.measure, self.measure + ' of the spiking network')}, {steps} tick{'s' * (steps > 1)}",
                         self.shown(figure)) for steps, figure in self.spiking.items()]

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {"measure": self.measure, "samples": self.samples, "conventional": self.conventional,
                "spiking": {str(steps): figure for steps, figure in self.spiking.items()}}


@dataclass(frozen=True)
class Advice:
    """Other settings that were tried on ``samples`` calibration samples: the figure with them, and that without.

    ``changes`` are arguments of `convert`. The figures are those of the report's measure.
    """

    changes: Mapping[str, float]
    figure: float
    unchanged: float
    samples: int

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "changes": dict(self.changes)}


@dataclass(frozen=True)
class ConversionReport:
    """What the conversion cost at ``steps`` steps: all in all, and layer by layer; ``notes`` are sentences for the user.

    ``accuracy`` is None without calibration samples.
    """

    steps: int
    weight_bits: int
    layers: tuple[LayerReport, ...]
    notes: tuple[str, ...] = ()
    accuracy: AccuracyReport | None = None
    advice: tuple[Advice, ...] = ()

    @property
    def worst(self) -> str:
        """Name of the layer with the largest activation error or, without calibration, weight error."""
        def error(layer: LayerReport) -> float:
            return layer.weight_error if layer.activation_error is None else layer.activation_error
        return max(self.layers, key=error).name

    @staticmethod
    def header() -> tuple[str, ...]:
        """Titles of the columns of `rows`."""
        return ("layer", "neurons", "bound", "weight error", "activation error", "from conversion",
                "from quantisation", "saturated")

    def rows(self) -> list[tuple[str, ...]]:
        """The layers as text, for a table; errors in percent, "-" where there was no calibration."""
        def percent(value: float | None) -> str:
            return "-" if value is None else f"{100 * value:.2f} %"
        return [(layer.name, str(layer.neurons), f"{layer.bound:.4g}", *map(percent, (
            layer.weight_error, layer.activation_error, layer.conversion_error, layer.quantisation_error,
            layer.saturated))) for layer in self.layers]

    def advice_lines(self) -> list[str]:
        """What helps, a line each; empty where nothing is lost."""
        if self.accuracy is None:
            return []
        show = self.accuracy.shown
        return [f"on {advice.samples} calibration samples, {self.accuracy.measure} {show(advice.figure)} instead of "
                f"{show(advice.unchanged)} with " + " ".join(f"{name}={value:g}" for name, value in advice.changes.items())
                for advice in self.advice]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values, ``worst`` included."""
        return {"steps": self.steps, "weight_bits": self.weight_bits, "worst": self.worst,
                "accuracy": None if self.accuracy is None else self.accuracy.to_json(),
                "advice": [advice.to_json() for advice in self.advice],
                "layers": [asdict(layer) for layer in self.layers], "notes": list(self.notes)}
