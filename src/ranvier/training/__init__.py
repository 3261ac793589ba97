"""Train the spikes themselves: modules of torch whose forward pass is the integer model, to the bit. See docs/training.md.

    from ranvier import training

    model = training.Network([training.Input("image", 784, theta=255), training.IF("hidden", 128), training.LI("out", 10)],
                             [training.Dense("image", "hidden"), training.Dense("hidden", "out")], weight_bits=4)
    training.fit(model, (pictures, labels), steps=4, epochs=3)
    network = training.to_network(model)
"""

from . import needs as _needs  # noqa: F401  (first: it says that torch is missing before anything asks for it)
from .augment import Augment, random_affine
from .check import check
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .convert import from_network, to_network
from .delays import Delays
from .fit import CHECKED, Epoch, cross_entropy, evaluate, fit
from .network import Network
from .output import Output
from .populations import IF, LI, LIF, CubaLI, CubaLIF, Input, Population
from .projections import Conv2d, Dense, Projection
from .surrogates import SURROGATES, Surrogate, atan, boxcar, fast_sigmoid, triangular

__all__ = [
    "CHECKED", "IF", "LI", "LIF", "SURROGATES", "Augment", "Checkpoint", "Conv2d", "CubaLI", "CubaLIF", "Delays", "Dense", "Epoch",
    "Input", "Network", "Output", "Population", "Projection", "Surrogate", "atan", "boxcar", "check", "cross_entropy", "evaluate",
    "fast_sigmoid", "fit", "from_network", "load_checkpoint", "random_affine", "save_checkpoint", "to_network", "triangular",
]
