"""One thread: the networks are tiny, and threads that wait for one another take longer than the work."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
