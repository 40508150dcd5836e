"""Configurations of studies: frozen dataclasses whose fields are set from text or JSON, checked by their type annotations.

A field is a ``bool``, ``int``, ``float``, ``str``, a ``Literal`` of texts, a tuple of these, or one of them or None. Its allowed range
is written in its annotation, ``shots: Annotated[int, Ge(1)]`` (from the package ``annotated_types``); what depends on two fields is
checked in ``__post_init__``, which raises `InvalidInput`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from bitket.errors import InvalidInput

__all__ = ["as_json", "checked", "differences", "from_json", "with_settings"]

C = TypeVar("C")


def with_settings(config: C, settings: Mapping[str, str]) -> C:
    """A configuration with some fields set from text, as ``--set NAME=VALUE`` gives them.

    Tuples are written with commas (``0.01,0.1``) or as JSON, None as ``none``.

    Raises
    ------
    InvalidInput
        A name is unknown (the nearest one is named), or a value does not fit its field.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Config:
    ...     shots: int = 100
    ...     depths: tuple[int, ...] = (1, 2)
    >>> with_settings(Config(), {"depths": "3,4"})
    Config(shots=100, depths=(3, 4))
    """
    names = [f.name for f in dataclasses.fields(config)]  # type: ignore[arg-type]
    for name in settings:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}"
            raise InvalidInput(f"setting '{name}' is unknown; {hint}")
    hints = typing.get_type_hints(type(config))
    values = {name: _read(text, hints[name]) for name, text in settings.items()}
    return _made(type(config), _fields(config) | values, settings)


def checked(config: C) -> C:
    """The configuration with every field converted to its type and found within its range.

    Raises
    ------
    InvalidInput
        A value does not fit: names the field, the value and what is allowed.
    """
    return _made(type(config), _fields(config))


def _fields(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def _made(kind: type[C], values: Mapping[str, Any], written: Mapping[str, str] | None = None) -> C:
    """A configuration of checked values, made when all of them fit; ``written`` is how the user wrote some of them."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    hints = typing.get_type_hints(kind, include_extras=True)
    fitting = {}
    for name, value in values.items():
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(hints[name], config=ConfigDict(allow_inf_nan=False))
            fitting[name] = adapter.validate_python(value)
        except ValidationError as error:
            reason = error.errors()[-1]["msg"]
            shown = (written or {}).get(name, value)
            raise InvalidInput(f"setting {name}={shown}: {reason[0].lower() + reason[1:]}") from None
    return kind(**fitting)


def as_json(config: Any) -> dict[str, Any]:
    """The fields as JSON values (tuples become lists)."""
    return json.loads(json.dumps(dataclasses.asdict(config), allow_nan=False))


def from_json(kind: type[C], values: Mapping[str, Any]) -> C:
    """The configuration whose fields `as_json` gave.

    Raises
    ------
    InvalidInput
        Fields are missing, unknown or of another type: another version of the study wrote them.
    """
    names = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if set(values) != names:
        odd = ", ".join(sorted(set(values) ^ names))
        raise InvalidInput(f"configuration: the study's settings have changed since ({odd})")
    return _made(kind, values)


def differences(config: Any, base: Any) -> dict[str, str]:
    """Settings that turn ``base`` into ``config``, as text for ``--set``."""
    mine, other = as_json(config), as_json(base)
    return {name: _write(value) for name, value in mine.items() if value != other[name]}


def _write(value: Any) -> str:
    if isinstance(value, list):
        flat = not any(isinstance(v, list) for v in value)
        return ",".join(map(_write, value)) if flat and len(value) > 1 else json.dumps(value)
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _read(text: str, kind: Any) -> Any:
    options = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    if type(None) in options and text.lower() == "none":
        return None
    if any(typing.get_origin(option) is tuple for option in options):
        if text.startswith("["):
            try:
                return json.loads(text)
            except ValueError:
                return text
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
