"""Refuses what does not fit, before anything is allocated, and keeps memory for the next call."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitket.errors import NotEnoughMemory

__all__ = ["ADJOINT", "STATE", "Lease", "available_bytes", "require"]

# What is taken at most, over the size of the state (a test measures it): states, probabilities and samples; values with a gradient.
STATE, ADJOINT = 1.1, 2.1
_LINE = 64  # bytes that the processor loads at once


def available_bytes() -> int | None:
    """Memory that this process may still take: the system's estimate, or less under a control group's limit; None if unknown."""
    limits = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                limits.append(int(line.split()[1]) * 1024)
    except OSError:
        import os

        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # no control group, or "max": no limit
        limits.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return min(limits) if limits else None


def require(num_bytes: float, what: str) -> None:
    """Raise `NotEnoughMemory` if ``num_bytes`` is more than there is.

    Parameters
    ----------
    what
        What needs the memory, for the message: ``"a state of 40 qubits"``.
    """
    if num_bytes < 1 << 26:  # asking costs as long as a small simulation
        return
    there = available_bytes()
    if there is not None and num_bytes > there:
        raise NotEnoughMemory(f"{what} needs {_readable(num_bytes)}, but {_readable(there)} of memory are available")


class Lease:
    """Memory for the states of one call, given to the next one when the graph that needs it is gone: fresh pages cost more than a
    small circuit."""

    spare: list[tuple[NDArray[np.uint8], int]] = []  # noqa: RUF012 (shared by all on purpose)
    most = 1 << 26
    """Larger memory, in bytes, goes back to the system. Here and not in the module, whose names are gone when the last lease ends."""

    size = 0  # of a lease that was never made

    def __init__(self, num_bytes: int) -> None:
        self.memory, self.size = self.spare.pop() if self.spare else (np.empty(0, np.uint8), 0)
        if self.size < num_bytes:
            # NumPy's: large memory then lies on large pages.
            self.memory, self.size = np.empty(num_bytes + _LINE, np.uint8), num_bytes
        self.address = -(-self.memory.ctypes.data // _LINE) * _LINE

    def __del__(self) -> None:
        if 0 < self.size <= self.most and not self.spare:
            self.spare.append((self.memory, self.size))


def _readable(num_bytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if num_bytes < 1024:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:.3g} PiB"
