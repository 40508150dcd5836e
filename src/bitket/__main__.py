"""``python -m bitket``."""

from bitket.cli import main

if __name__ == "__main__":
    main()
