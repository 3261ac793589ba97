"""A picture of what an encoder made: a raster of spikes, or values as shades."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt

__all__ = ["raster_png"]

matplotlib.use("Agg")     # no display is needed, and none is opened


def raster_png(values: npt.NDArray[Any], title: str) -> bytes:
    """A png of ``values`` [steps, neurons]: step across, neuron up.

    A spike is a black stroke, a negative one red. Counts above 1 and floats are shades: of counts the darkest is the most, and negative
    ones are red; of floats white is 0 and black 1.
    """
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator
    steps, neurons = values.shape
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    real = values.dtype.kind == "f"
    most = 1.0 if real else float(np.abs(values.astype(np.int64)).max(initial=0))
    if real or most > 1:
        signed = not real and bool((values < 0).any())
        axis.imshow(values.T, cmap="RdGy" if signed else "Greys", vmin=-most if signed else 0, vmax=most, aspect="auto", origin="lower",
                    interpolation="nearest")
    else:
        for colour, chosen in (("black", values > 0), ("tab:red", values < 0)):
            step, neuron = np.nonzero(chosen)
            axis.scatter(step, neuron, s=9, marker="|", color=colour, linewidths=1)
        axis.set_xlim(-0.5, steps - 0.5)
        axis.set_ylim(-0.5, neurons - 0.5)
    spikes = "" if real else f"{int(np.abs(values.astype(np.int64)).sum()):,} spikes, "
    summary = f"{spikes}{steps} steps, {neurons} {'values' if real else 'neurons'}" + (f", at most {most:g} a step" if most > 1 else "")
    for along in (axis.xaxis, axis.yaxis):
        along.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("step")
    axis.set_ylabel("neuron")
    axis.set_title(summary, fontsize=9, loc="right")
    figure.suptitle(title)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    plt.close(figure)
    return buffer.getvalue()
