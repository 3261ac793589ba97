"""``python -m ranvier`` is the command `ranvier`."""

from .cli import main

main()
