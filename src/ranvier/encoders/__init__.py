"""What turns values, sounds, texts and events into spikes, under the field's names; time first, [steps, ...]. See docs/encoders.md.

    from ranvier import encoders

    spikes = encoders.rate(pictures / 255, steps=16)            # [16, samples, pixels], bool
    values = encoders.decode_rate(spikes)
"""

from .burst import burst, decode_burst
from .delta import delta
from .latency import decode_latency, latency
from .phase import decode_phase, phase
from .population import activations, decode_population, population, population_quantum
from .rate import decode_rate, rate
from .send_on_delta import decode_send_on_delta, send_on_delta
from .text import ngram_neurons, text

__all__ = [
    "activations", "burst", "decode_burst", "decode_latency", "decode_phase", "decode_population", "decode_rate", "decode_send_on_delta",
    "delta", "latency", "ngram_neurons", "phase", "population", "population_quantum", "rate", "send_on_delta", "text",
]
