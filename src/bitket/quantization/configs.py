"""Configurations as data: frozen dataclasses to JSON and back, with an allow-list of types, and methods registered by the type they run.

A method of quantization is a frozen dataclass of settings and a function; `method` ties them together, so a method of one's own is one file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import torch

from bitket.errors import InvalidInput
from bitket.quantization.grids import Scheme
from bitket.quantization.quantized import QuantizedModel
from bitket.runs.progress import Bars

__all__ = ["Job", "config_digest", "config_from_json", "config_to_json", "known_parts", "method", "method_of", "part"]

_VERSION = 1
_parts: dict[str, type] = {}
_methods: dict[type, Callable[[Job], QuantizedModel]] = {}
T = TypeVar("T", bound=type)


@dataclass(frozen=True)
class Job:
    """What a method works on.

    Attributes
    ----------
    model
        A private copy of the user's model, in evaluation mode, which may be changed.
    config
        The method's settings.
    data
        Batches of model inputs; may be run through several times.
    bars
        Shows progress.
    """

    model: torch.nn.Module
    config: Any
    data: Any
    bars: Bars


def part(kind: T) -> T:
    """Class decorator: a frozen dataclass may stand in configurations that are read from JSON."""
    if _parts.setdefault(kind.__name__, kind) is not kind:
        raise InvalidInput(f"configuration: a type named {kind.__name__} is registered already")
    return kind


def method(config: type) -> Callable[[Callable[[Job], QuantizedModel]], Callable[[Job], QuantizedModel]]:
    """Decorator of the function that runs a configuration of this type."""

    def register(run: Callable[[Job], QuantizedModel]) -> Callable[[Job], QuantizedModel]:
        part(config)
        _methods[config] = run
        return run

    return register


def method_of(config: Any) -> Callable[[Job], QuantizedModel]:
    """The function that runs a configuration.

    Raises
    ------
    InvalidInput
        No method is registered for its type.
    """
    if type(config) not in _methods:
        names = ", ".join(sorted(kind.__name__ for kind in _methods))
        raise InvalidInput(f"configuration of type {type(config).__name__}: no method runs it; {names} are known")
    return _methods[type(config)]


def known_parts() -> tuple[str, ...]:
    """Names of the types that may stand in configurations."""
    return tuple(sorted(_parts))


def config_to_json(config: Any) -> dict[str, Any]:
    """A configuration as JSON values, with a version."""
    return {"version": _VERSION, "config": _pack(config)}


def config_from_json(data: Any) -> Any:
    """The configuration of a JSON form.

    Raises
    ------
    InvalidInput
        It is none, of another version, or names a type that is not registered.
    """
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        version = data.get("version") if isinstance(data, dict) else None
        raise InvalidInput(f"configuration: version {version}; {_VERSION} is read")
    return _unpack(data.get("config"))


def config_digest(config: Any) -> str:
    """SHA-256 of a configuration's JSON form."""
    return hashlib.sha256(json.dumps(config_to_json(config), sort_keys=True).encode()).hexdigest()


def _pack(value: Any) -> Any:
    if isinstance(value, Scheme):
        return {"type": "Scheme", **value.to_json()}
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__, **{f.name: _pack(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, tuple | list):
        return [_pack(v) for v in value]
    if isinstance(value, dict):
        return {"type": "dict", "items": [[_pack(k), _pack(v)] for k, v in value.items()]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InvalidInput(f"configuration: {type(value).__name__} is not data; numbers, text, tuples and dataclasses are")


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(v) for v in value)
    if not isinstance(value, dict):
        return value
    name = value.get("type")
    if name == "Scheme":
        return Scheme.from_json({k: v for k, v in value.items() if k != "type"})
    if name == "dict":
        return {_unpack(k): _unpack(v) for k, v in value.get("items", ())}
    if name not in _parts:
        raise InvalidInput(f"configuration: type '{name}' is unknown; {', '.join(known_parts())} are known")
    try:
        return _parts[name](**{k: _unpack(v) for k, v in value.items() if k != "type"})
    except TypeError as error:
        raise InvalidInput(f"configuration of type {name}: {error}") from None
