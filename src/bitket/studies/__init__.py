"""The studies: one module for each paper, found by name.

``bitket list`` imports every study, so a module imports torch, matplotlib and the methods it composes inside ``run`` only.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from pathlib import Path

from bitket.errors import InvalidInput
from bitket.runs.study import Study

__all__ = ["keys", "load"]


def keys() -> list[str]:
    """Keys of all studies (``zne-nn``), sorted."""
    return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> Study:
    """The study of a key, or of a Python file that keeps the contract (``path/to/my_study.py``).

    Raises
    ------
    InvalidInput
        There is no such study or file.
    """
    if name.endswith(".py"):
        path = Path(name)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if not path.is_file() or spec is None or spec.loader is None:
            raise InvalidInput(f"study file {name}: there is no such file")
        module = importlib.util.module_from_spec(spec)
        import sys

        sys.modules[path.stem] = module  # dataclasses look their module up by name
        spec.loader.exec_module(module)
        return Study.from_module(module)
    if name not in keys():
        near = difflib.get_close_matches(name, keys(), 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(keys())}"
        raise InvalidInput(f"study '{name}' is unknown; {hint}")
    return Study.from_module(importlib.import_module(f"bitket.studies.{name.replace('-', '_')}"))
