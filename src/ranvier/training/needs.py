"""Says what is missing, before anything else is imported: training is the one part of Ranvier that needs torch."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("torch") is None:
    raise ModuleNotFoundError("ranvier.training needs torch; install it with: pip install 'ranvier[train]'", name="torch")
