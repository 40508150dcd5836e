"""Calibration data of real devices: from an installed package that carries them, or from a user's own JSON file.

The package qiskit-ibm-runtime (extra ``devices``) holds snapshots of IBM devices as JSON; the files are read, none of its code is run. A
user's file has the fields of `Calibration`, times in seconds. What it leaves out is not known; a device warns where it must take it as
perfect. ``edges`` have no direction, gates do:

    {"name": "mine", "num_qubits": 2, "date": "2026-01-01", "native": ["rz", "sx", "x", "cx"], "edges": [[0, 1]],
     "qubits": [{"t1": 1e-4, "t2": 8e-5, "p10": 0.01, "p01": 0.02}, ...],
     "gates": [{"name": "cx", "qubits": [0, 1], "error": 0.01, "duration": 3e-7}, ...]}
"""

from __future__ import annotations

import codecs
import difflib
import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bitket.errors import InvalidInput, MissingExtra
from bitket.files import read_bytes

__all__ = ["Calibration", "GateCalibration", "QubitCalibration", "device_names", "load_calibration"]

_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Qubit = Annotated[int, Field(strict=True, ge=0)]


class QubitCalibration(BaseModel):
    """One qubit: relaxation times in seconds, readout errors P(read 1 | 0) and P(read 0 | 1); None: not measured.

    A T2 above 2 T1, which is within the error of many a measurement, counts as 2 T1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    t1: _Number | None = Field(None, gt=0)
    t2: _Number | None = Field(None, gt=0)
    p10: _Number | None = Field(None, ge=0, le=1)
    p01: _Number | None = Field(None, ge=0, le=1)


class GateCalibration(BaseModel):
    """One gate on given qubits: average gate infidelity (None: not measured) and duration in seconds.

    The error of ``measure`` is a readout error for qubits that have none of their own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    qubits: tuple[_Qubit, ...] = Field(min_length=1)
    error: _Number | None = Field(None, ge=0, le=1)
    duration: _Number | None = Field(None, ge=0)


class Calibration(BaseModel):
    """A device as it was measured on a day."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    num_qubits: int = Field(strict=True, gt=0)
    date: str = ""
    native: tuple[str, ...]
    edges: tuple[tuple[_Qubit, _Qubit], ...] = ()
    qubits: tuple[QubitCalibration, ...]
    gates: tuple[GateCalibration, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Calibration:
        if len(self.qubits) != self.num_qubits:
            raise ValueError(f"{len(self.qubits)} qubits are described, num_qubits is {self.num_qubits}")
        for bits in (*self.edges, *(g.qubits for g in self.gates)):
            if max(bits) >= self.num_qubits or len(set(bits)) != len(bits):
                raise ValueError(
                    f"qubits {bits} must differ and be 0 to {self.num_qubits - 1}: out of range or repeated"
                )
        seen = set()
        for g in self.gates:
            if (g.name, g.qubits) in seen:
                raise ValueError(f"gate '{g.name}' on qubits {g.qubits} is listed twice")
            seen.add((g.name, g.qubits))
        return self


def _folder() -> Path:
    spec = importlib.util.find_spec("qiskit_ibm_runtime")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            "calibrations of real devices need the package that carries them: pip install 'bitket[devices]'"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "fake_provider" / "backends"


def device_names() -> list[str]:
    """Names of the devices whose calibrations are installed.

    Raises
    ------
    MissingExtra
        The package that carries them is not installed.
    """
    return sorted(
        p.name
        for p in _folder().iterdir()
        if (p / f"props_{p.name}.json").is_file() and (p / f"conf_{p.name}.json").is_file()
    )


def load_calibration(source: str | Path | Mapping[str, Any]) -> Calibration:
    """The calibration of a device by name (``"manila"``), of a JSON file, or of the same fields as a mapping.

    Raises
    ------
    InvalidInput
        There is no such device or file, or the fields are wrong (the message names the field).
    """
    if isinstance(source, Mapping):
        return _validated("device", lambda: Calibration.model_validate(dict(source)))
    if not isinstance(source, str | Path):
        raise InvalidInput(f"device {source!r}: a name, a JSON file or a mapping is needed")
    path = Path(source)
    if path.suffix == ".json" or path.is_file():
        try:
            text = read_bytes(path).removeprefix(codecs.BOM_UTF8)
        except OSError as error:
            raise InvalidInput(f"{source}: {error.strerror}") from None
        return _validated(str(source), lambda: Calibration.model_validate_json(text))
    names = device_names()
    if str(source) not in names:
        near = difflib.get_close_matches(str(source), names, 1)
        raise InvalidInput(
            f"device '{source}' is unknown; "
            + (f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}")
        )
    folder = _folder() / str(source)
    configuration = json.loads((folder / f"conf_{source}.json").read_text(encoding="utf-8"))
    properties = json.loads((folder / f"props_{source}.json").read_text(encoding="utf-8"))
    return _validated(str(source), lambda: _from_ibm(str(source), configuration, properties))


def _validated(source: str, make: Callable[[], Calibration]) -> Calibration:
    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(
            f"{source}: {where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"
        ) from None


def _value(entries: list[dict[str, Any]], name: str) -> float | None:
    for entry in entries:
        if entry["name"] == name:
            return float(entry["value"]) * _UNITS.get(entry.get("unit", ""), 1.0)
    return None


def _from_ibm(name: str, configuration: dict[str, Any], properties: dict[str, Any]) -> Calibration:
    qubits = []
    for entries in properties["qubits"]:
        symmetric = _value(entries, "readout_error")
        p10, p01 = _value(entries, "prob_meas1_prep0"), _value(entries, "prob_meas0_prep1")
        t1, t2 = _value(entries, "T1"), _value(entries, "T2")
        qubits.append(
            QubitCalibration(
                t1=t1 or None,
                t2=t2 or None,
                p10=symmetric if p10 is None else p10,
                p01=symmetric if p01 is None else p01,
            )
        )
    gates = []
    for g in properties["gates"]:
        error = _value(g["parameters"], "gate_error")
        error = None if error is None else min(max(error, 0.0), 1.0)
        gates.append(
            GateCalibration(
                name=g["gate"], qubits=tuple(g["qubits"]), error=error, duration=_value(g["parameters"], "gate_length")
            )
        )
    edges = {(min(a, b), max(a, b)) for a, b in configuration.get("coupling_map") or []}
    return Calibration(
        name=name,
        num_qubits=configuration["n_qubits"],
        date=str(properties.get("last_update_date", ""))[:10],
        native=tuple(sorted(set(configuration["basis_gates"]))),
        edges=tuple(sorted(edges)),
        qubits=tuple(qubits),
        gates=tuple(gates),
    )
