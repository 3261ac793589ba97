"""Events of event cameras: recordings, transforms under tonic's names, and frames."""

from .frames import to_frame
from .recording import DTYPE, Recording, load_events, make_events
from .transforms import denoise, downsample, merge_polarities

__all__ = ["DTYPE", "Recording", "denoise", "downsample", "load_events", "make_events", "merge_polarities", "to_frame"]
