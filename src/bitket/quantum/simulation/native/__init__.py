"""The compiled core: hot loops of the simulators. Each kernel has a twin in torch operators beside it.

``core`` is the extension module, or None where it was not built or the environment has BITKET_NATIVE=0; the twins then do the work.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import Any

core: Any = None
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

if os.environ.get("BITKET_NATIVE", "1") != "0":
    try:
        core = import_module(f"{__name__}._core")
    except ImportError:
        warnings.warn(
            "bitket was installed without its compiled core: simulation runs in plain torch, 10 to 100 times slower. "
            "Reinstall with a C++17 compiler present (pip install --force-reinstall --no-deps bitket).",
            RuntimeWarning,
            stacklevel=2,
        )


def threads() -> int:
    """Threads for the next kernel: as many as torch uses, or, where torch is not imported, as this process has cores. Sizes the core's
    pool when the number has changed."""
    torch = sys.modules.get("torch")
    count = _CORES if torch is None else torch.get_num_threads()
    if core.threads() != count:
        core.set_threads(count)
    return count
