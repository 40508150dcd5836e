"""``python -m bitket``."""

from bitket.cli import main

main()
