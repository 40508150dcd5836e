"""The errors that bitket raises for wrong input: one line that says what was wrong, where, and what is allowed."""


class BitketError(Exception):
    """Base of every error that bitket raises on purpose; the command line prints it without a traceback and exits 2."""

    def __str__(self) -> str:
        """The message on one line, whatever line breaks the input that it quotes may have."""
        return " ".join(super().__str__().splitlines())


class InvalidInput(BitketError, ValueError):
    """A value, shape, file or option that a function cannot take."""


class NotEnoughMemory(BitketError, MemoryError):
    """A request that needs more memory than the machine has; raised before anything is allocated."""


class MissingExtra(BitketError, ImportError):
    """A feature whose optional package is not installed; the message names the extra to install."""
