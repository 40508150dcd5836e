"""What a study is: a module that reruns one paper.

The module has

- ``PAPER``, a `Paper`; its key is the study's key, and the module is named after it (``zne-nn``: ``studies/zne_nn.py``);
- ``SUMMARY``, one line;
- ``Config``, a frozen dataclass (see `bitket.runs.config` for its fields), the paper's values as defaults;
- ``SCALES``, a dict with ``"quick"`` (about 30 s on two cores) and ``"full"`` (the paper's setting, as far as a CPU allows);
- ``CLAIMS``, a tuple of `Claim`;
- ``run(config, run) -> Mapping[str, float]``, which measures, and holds no algorithm of its own; ``run`` is a `Run`.

``bitket list`` imports every study, so a study imports at its top the standard library, ``annotated_types`` and ``bitket.runs`` alone;
NumPy, torch, matplotlib and the methods it composes are imported inside its functions.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bitket.errors import InvalidInput
from bitket.runs.claim import Claim
from bitket.runs.config import with_settings
from bitket.runs.paper import Paper

__all__ = ["Study"]

_PARTS = ("PAPER", "SUMMARY", "Config", "SCALES", "CLAIMS", "run")


@dataclass(frozen=True)
class Study:
    """A loaded study.

    Attributes
    ----------
    name
        What to call it on the command line: its key, or the path of the file it came from.
    paper, summary, scales, claims, run
        As in the module.
    """

    name: str
    paper: Paper
    summary: str
    scales: Mapping[str, Any]
    claims: tuple[Claim, ...]
    run: Callable[[Any, Any], Mapping[str, float]]

    @property
    def key(self) -> str:
        """The paper's key."""
        return self.paper.key

    @classmethod
    def from_module(cls, module: types.ModuleType, name: str = "") -> Study:
        """The study of a module that keeps the contract.

        Raises
        ------
        InvalidInput
            A part is missing or of another kind.
        """
        where = f"study {name or module.__name__}"
        for part in _PARTS:
            if not hasattr(module, part):
                raise InvalidInput(f"{where}: it has no {part}; a study has {', '.join(_PARTS)}")
        if not isinstance(module.PAPER, Paper):
            raise InvalidInput(f"{where}: PAPER is a {type(module.PAPER).__name__}; a Paper is needed")
        if not {"quick", "full"} <= set(module.SCALES):
            raise InvalidInput(f"{where}: SCALES needs 'quick' and 'full'")
        for scale, config in module.SCALES.items():
            if not dataclasses.is_dataclass(config) or not isinstance(config, module.Config):
                raise InvalidInput(f"{where}: the scale '{scale}' is not a Config dataclass")
        ids = [claim.id for claim in module.CLAIMS]
        if not ids or len(set(ids)) < len(ids):
            raise InvalidInput(f"{where}: CLAIMS needs at least one claim, and ids that differ")
        paper = module.PAPER
        return cls(name or paper.key, paper, module.SUMMARY, module.SCALES, tuple(module.CLAIMS), module.run)

    def config(self, scale: str, settings: Mapping[str, str] | None = None) -> Any:
        """The configuration of a scale, with some fields set from text.

        Raises
        ------
        InvalidInput
            The scale or a setting is unknown, or a value does not fit.
        """
        if scale not in self.scales:
            raise InvalidInput(f"scale '{scale}' is unknown; study {self.key} has {', '.join(self.scales)}")
        return with_settings(self.scales[scale], settings or {})
