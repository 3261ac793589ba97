"""A tank of dark ellipses that swim over a grey ground with noise, for tests without the videos."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def tank(seed: int, frames: int, height: int, width: int, animals: int) -> tuple[npt.NDArray[np.uint8], list[npt.NDArray[np.float64]]]:
    """Frames at quarter size, uint8 [frames, height, width], and where the animals are, (animals, 2) a frame in half-size pixels.

    They are as long, as dark and as quick as the fish of the videos, begin in a grid of their own cells and turn back at its edges.
    """
    rng = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(animals * width / height)))
    rows = -(-animals // columns)
    cell = np.array([height / rows, width / columns])
    corners = np.array([(n // columns, n % columns) for n in range(animals)]) * cell
    places = corners + cell / 2 + rng.uniform(-3, 3, (animals, 2))
    angles, speeds = rng.uniform(0, 2 * np.pi, animals), rng.uniform(0.8, 1.8, animals)
    y, x = np.mgrid[:height, :width]
    ground = 165 + 4 * np.sin(y / 40) + 3 * np.cos(x / 31)
    video, truth = np.empty((frames, height, width), np.uint8), []
    for t in range(frames):
        angles = angles + rng.normal(0, 0.08, animals)
        ahead = places + speeds[:, None] * np.stack([np.sin(angles), np.cos(angles)], 1)
        outside = ((ahead < corners + 9) | (ahead > corners + cell - 9)).any(axis=1)
        home = corners + cell / 2 - places
        angles = np.where(outside, np.arctan2(home[:, 0], home[:, 1]), angles)
        places = places + speeds[:, None] * np.stack([np.sin(angles), np.cos(angles)], 1)
        picture = ground + rng.normal(0, 1.0, ground.shape)
        for (row, column), angle in zip(places, angles, strict=True):
            along = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
            across = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
            picture -= 85 / (1 + np.exp(np.minimum(4 * (np.hypot(along / 5.0, across / 1.5) - 1), 50)))
        video[t] = np.clip(np.rint(picture), 0, 255)
        truth.append(places * 2 + 0.5)
    return video, truth
