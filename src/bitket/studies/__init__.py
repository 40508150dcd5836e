"""The studies: one module for each paper, found by its name; `bitket.runs.study` says what a study module holds.

The file ``zne_nn.py`` is the study ``zne-nn``. ``bitket list`` imports all of them, so what a study imports at its top must be quick.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path

from bitket.errors import InvalidInput
from bitket.files import require_file
from bitket.runs import Study

__all__ = ["keys", "load"]


def keys() -> list[str]:
    """Keys of all studies (``zne-nn``), sorted."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Study:
    """The study of a key, or of a Python file that keeps the contract (``path/to/my_study.py``).

    Raises
    ------
    InvalidInput
        There is no such study (the nearest key is named) or file, or it lacks a part of a study.
    """
    if name.endswith(".py"):
        return _load_file(Path(name))
    if name not in keys():
        near = difflib.get_close_matches(name, keys(), 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(keys())}"
        raise InvalidInput(f"study '{name}' is unknown; {hint}")
    return Study.from_module(importlib.import_module(f"bitket.studies.{name.replace('-', '_')}"))


def _load_file(path: Path) -> Study:
    require_file(path)
    name = f"bitket_study_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up their module by name
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise InvalidInput(f"study file {path}: line {error.lineno}: {error.msg}") from None
    return Study.from_module(module, str(path))
