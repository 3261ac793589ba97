"""Sounds to spikes: a front end in integers and shifts, the log-mel spectrum, and wav files."""

from .filter_bank import FilterBank, filter_bank
from .front_end import FRAME, RATE, audio, frame_counts
from .log_mel import log_mel, mel_energies, mel_filters
from .normalisation import divisive_normalisation
from .wav import Sound, load_wav

__all__ = ["FRAME", "RATE", "FilterBank", "Sound", "audio", "divisive_normalisation", "filter_bank", "frame_counts", "load_wav", "log_mel",
           "mel_energies", "mel_filters"]
