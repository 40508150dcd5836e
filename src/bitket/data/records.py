"""Rows of a user's own CSV or JSON file: as cells, or checked against a form, each with the place that its errors name."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from bitket.errors import InvalidInput
from bitket.files import read_json, read_text

__all__ = ["Record", "read_cells", "read_records"]


class Record(BaseModel):
    """The form of a row: names may be written as numbers, but nothing is read from true and false, and no field is unknown."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("true and false are no numbers and no names")
        return value


Form = TypeVar("Form", bound=Record)


def read_cells(path: Path, separator: str = ",") -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Names of the columns and rows of cells, without blank rows and surrounding blanks, each row with the number of the line it ends on.

    Raises
    ------
    InvalidInput
        The file cannot be read, two columns have one name, or a row has another number of cells than there are columns.
    """
    text = read_text(path)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        found = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise InvalidInput(f"{path}: cannot be read as a table ({error})") from None
    rows = [(line, row) for line, row in found if any(row)]
    names = rows[0][1] if rows else []
    if len(set(names)) < len(names):
        raise InvalidInput(f"{path}: two columns are named '{next(n for n in names if names.count(n) > 1)}'")
    for line, row in rows[1:]:
        if len(row) != len(names):
            raise InvalidInput(f"{path} line {line}: {len(row)} fields, the header has {len(names)}")
    return names, rows[1:]


def read_records(path: str | Path, form: type[Form], what: str) -> list[tuple[str, Form]]:
    """Objects of a form, each after the place where it stands, from a ``.csv`` file whose columns are named as its fields or a ``.json``
    file with a list of them, which may stand alone under the name ``what``.

    Raises
    ------
    InvalidInput
        The file cannot be read or holds none, or a field is missing, unknown or of the wrong kind: file, row and field.
    """
    path = Path(path)
    rows: Any
    if path.suffix.lower() == ".csv":
        names, cells = read_cells(path)
        rows = [(f"{path} line {line}", dict(zip(names, row, strict=True))) for line, row in cells]
    elif path.suffix.lower() == ".json":
        document = read_json(path)
        if isinstance(document, dict) and set(document) == {what}:
            document = document[what]
        if not isinstance(document, list):
            raise InvalidInput(f"{path}: a list of {what} is needed")
        rows = [(f"{path} {what}[{k}]", row) for k, row in enumerate(document)]
    else:
        raise InvalidInput(f"{path}: {what} are read from .csv or .json files")
    if not rows:
        raise InvalidInput(f"{path}: there are no {what} in it; fields are {', '.join(form.model_fields)}")
    found = []
    for place, row in rows:
        try:
            found.append((place, form.model_validate(row)))
        except ValidationError as error:
            first = error.errors()[0]
            field = ", ".join(map(str, first["loc"]))
            message = f"{field}: {first['msg']}" if field else "an object is needed"
            raise InvalidInput(f"{place}: {message}; fields are {', '.join(form.model_fields)}") from None
    return found
