"""How many threads torch uses."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

__all__ = ["one_thread", "threads_for"]

_SMALL = 200_000  # parameters up to which one thread is as fast as two or faster, and much faster on a busy machine

_lock = threading.Lock()
_running = 0  # blocks of all threads
_before = 1  # torch's number of threads outside of any
_depth = threading.local()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Small networks and circuits gain nothing by a second thread, and on a busy machine wait for it a thousand times an episode.

    Torch's number of threads is partly one of the process and partly one of each thread. Blocks may nest and run in many threads at a
    time: every thread gets back the number from before the first of them, and the last to end leaves the process with it.
    """
    global _running, _before
    with _lock:
        if _running == 0:
            _before = torch.get_num_threads()
        _running += 1
        _depth.value = getattr(_depth, "value", 0) + 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            _depth.value -= 1
            if _depth.value == 0:
                torch.set_num_threads(_before)


def threads_for(module: torch.nn.Module) -> contextlib.AbstractContextManager[None]:
    """`one_thread` for a small network; nothing for one that gains by more."""
    small = sum(p.numel() for p in module.parameters()) <= _SMALL
    return one_thread() if small else contextlib.nullcontext()
