"""``python -m bitket``, and the command ``bitket``: an interrupt has an end of its own, even while the first modules are read."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from bitket import cli
    except KeyboardInterrupt:
        print("bitket: stopped", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
