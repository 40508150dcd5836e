"""Devices: calibration data as a noise model and a coupling map.

The noise of a gate is thermal relaxation of each of its qubits for the gate's duration, and a depolarising channel on them together that
brings the average gate infidelity to the calibrated value e (where relaxation alone has not passed it):

    p = d (F_relax - (1 - e)) / (d F_relax - 1),   d = 2^k,

since the average fidelity of the two channels together is (1 - p) F_relax + p/d. Readout errors are those measured for each qubit.

A calibrated gate is one way: a cx from 0 to 1 says nothing of one from 1 to 0. Compiled circuits use the calibrated one and turn it
round with h on both qubits, as Qiskit's compiler does; cz is the same both ways. What is not calibrated is taken as perfect, with a
`NoiseWarning`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx

from bitket.algebra import PauliSum
from bitket.data.devices import Calibration, GateCalibration, device_names, load_calibration
from bitket.errors import InvalidInput
from bitket.quantum.circuits import Circuit, decompose, gate
from bitket.quantum.circuits.gates import NAMES, Gate, gate_shape
from bitket.quantum.noise.channels import Channel, NoiseError, depolarizing, thermal_relaxation
from bitket.quantum.noise.model import NoiseModel, NoiseWarning, customary_name

__all__ = ["Device", "device_names"]

_VIRTUAL = frozenset({"rz", "p", "gphase"})  # changes of frame: no pulse, no error
_ENTANGLERS = frozenset({"cx", "cz", "ecr"})
_LISTED = 8  # qubits named in a warning
Place = tuple[str, tuple[int, ...]]


class Device:
    """A calibrated device.

    Parameters
    ----------
    source
        A name (see `device_names`), a JSON file, its fields as a mapping, or a `Calibration`.

    Examples
    --------
    >>> device = Device("manila")
    >>> device.num_qubits, device.coupling_map.number_of_edges()
    (5, 4)
    """

    def __init__(self, source: str | Path | Mapping[str, Any] | Calibration) -> None:
        self.calibration = source if isinstance(source, Calibration) else load_calibration(source)
        self.name, self.num_qubits = self.calibration.name, self.calibration.num_qubits
        self.native = frozenset(map(customary_name, self.calibration.native))
        """Names of its gates, as circuits spell them."""
        self._gates = {(customary_name(g.name), g.qubits): g for g in self.calibration.gates}
        self.coupling_map = networkx.Graph(self.calibration.edges)
        self.coupling_map.add_edges_from(q for name, q in self._gates if len(q) == 2 and name in self.native)
        self.coupling_map.add_nodes_from(range(self.num_qubits))
        self._couplings = self._coupled()

    def gate_channel(self, gate: GateCalibration) -> Channel | None:
        """The channel that follows a gate, or None where nothing is known of it.

        Qubit 0 of the channel is the first qubit of the gate.
        """
        if gate.error is None and gate.duration != 0 and not self._relaxes(gate):
            return None
        relaxations = []
        for q in gate.qubits:
            qubit = self.calibration.qubits[q]
            t1, t2 = qubit.t1 or 1e9, qubit.t2 or (2 * qubit.t1 if qubit.t1 else 1e9)
            relaxations.append(thermal_relaxation(t1, min(t2, 2 * t1), gate.duration or 0.0))
        relaxation = reduce(lambda low, high: high.tensor(low), relaxations)
        fidelity = relaxation.average_fidelity()
        d = 2 ** len(gate.qubits)
        if gate.error is not None and gate.error > 1 - fidelity:
            error = min(gate.error, d / (d + 1))
            p = min(d * (error - (1 - fidelity)) / (d * fidelity - 1), d * d / (d * d - 1))
            return relaxation @ depolarizing(p, len(gate.qubits))
        return relaxation

    def _relaxes(self, gate: GateCalibration) -> bool:
        """Whether its duration and the relaxation times of its qubits are known."""
        qubits = [self.calibration.qubits[q] for q in gate.qubits]
        return gate.duration is not None and all(q.t1 or q.t2 for q in qubits)

    def noise_model(self, qubits: Sequence[int] | None = None) -> NoiseModel:
        """The device's noise; a `NoiseWarning` tells which gates and readouts are not calibrated and have none.

        Parameters
        ----------
        qubits
            Device qubits that the circuit's qubits 0, 1, ... stand for; by default the device's own numbers.
        """
        chosen = tuple(range(self.num_qubits)) if qubits is None else tuple(qubits)
        if len(set(chosen)) != len(chosen) or any(q not in range(self.num_qubits) for q in chosen):
            raise NoiseError(f"device {self.name}: qubits {chosen} must differ and be 0 to {self.num_qubits - 1}")
        gates: set[Place] = {(name, (q,)) for name in self._one_qubit_gates() - {"id"} for q in chosen}
        for a, b in self.coupling_map.edges:
            if a in chosen and b in chosen:
                gates |= {place for place in self._couplings if set(place[1]) == {a, b}}
        return self._noise(chosen, gates, chosen)

    def _noise(self, chosen: Sequence[int], gates: set[Place], measured: Sequence[int]) -> NoiseModel:
        """The noise on the chosen qubits, with a warning where nothing is known of these gates and measurements."""
        place = {q: k for k, q in enumerate(chosen)}
        couplings = frozenset((n, tuple(place[q] for q in at)) for n, at in self._couplings if place.keys() >= set(at))
        model = NoiseModel(native=self.native | _VIRTUAL, couplings=couplings)
        known = set()
        for (name, at), calibrated in self._gates.items():
            # A qubit at rest in |0> does not relax: a reset is as good as its error.
            has = calibrated.error is not None if name == "reset" else name in self.native & NAMES.keys()
            if not has or not all(q in place for q in at):
                continue
            channel = self.gate_channel(calibrated)
            if channel is None:
                continue
            known |= {(name, at), *([(name, at[::-1])] if name == "cz" else [])}
            if calibrated.error or calibrated.duration:
                model = model.after(channel, [name], num_qubits=len(at), qubits=[place[q] for q in at])
        unknown: dict[str, list[tuple[int, ...]]] = {}
        for name, at in sorted(gates - known):
            if name not in _VIRTUAL:
                unknown.setdefault(name, []).append(at)
        for q, k in place.items():
            qubit, measure = self.calibration.qubits[q], self._gates.get(("measure", (q,)))
            errors = [e for e in (qubit.p10, qubit.p01, measure.error if measure else None) if e is not None]
            if errors:  # where one of the two is measured, it stands for both
                p10 = errors[0] if qubit.p10 is None else qubit.p10
                p01 = errors[0] if qubit.p01 is None else qubit.p01
                model = model.with_readout(p10, p01, [k]) if p10 or p01 else model
            elif q in measured:
                unknown.setdefault("measure", []).append((q,))
        if unknown:
            parts = [f"{name} on {_listed(places)}" for name, places in unknown.items()]
            warnings.warn(
                f"device {self.name}: no calibration of {'; '.join(parts)}: taken as perfect",
                NoiseWarning,
                stacklevel=3,
            )
        return model

    def _one_qubit_gates(self) -> frozenset[str]:
        return frozenset(n for n in self.native & NAMES.keys() if gate_shape(n)[0] == 1)

    def _coupled(self) -> set[Place]:
        """Gates of two and more qubits that it has: those calibrated, and both ways those of an edge where none is."""
        found = {(name, at) for name, at in self._gates if len(at) > 1 and name in self.native}
        found |= {(name, at[::-1]) for name, at in found if name == "cz"}
        paired = {frozenset(at) for name, at in found if name in _ENTANGLERS}
        for a, b in self.coupling_map.edges:
            if frozenset((a, b)) not in paired:
                found |= {(name, at) for name in self.native & _ENTANGLERS for at in ((a, b), (b, a))}
        return found

    def compile(self, circuit: Circuit) -> tuple[Circuit, list[int]]:
        """The circuit in the device's gates on coupled qubits only.

        Qubits start on a connected part of the device; a gate on two that are not neighbours is preceded by swaps along a shortest path.
        Its own one-qubit gates stay as they are, ``id`` as well; those on two qubits become the one that is calibrated on the pair.

        Returns
        -------
        Circuit, list
            On all qubits of the device; and, for each qubit of the input, where it is at the end.

        Raises
        ------
        NoiseError
            The circuit has more qubits than a connected part of the device, or the device's two-qubit gate is none of cx, cz and ecr.
        """
        entanglers = self.native & _ENTANGLERS
        if not entanglers and circuit.num_qubits > 1:
            raise NoiseError(
                f"device {self.name}: circuits can be compiled to cx, cz or ecr, it has {', '.join(sorted(self.native))}"
            )
        entangler = "cz" if entanglers == {"cz"} else "cx"
        single = self._one_qubit_gates() | {"rz"}
        basis = (single - {"u"} if "sx" in single else single) | {entangler}
        try:
            plain = decompose(circuit, basis)
        except InvalidInput as error:
            raise NoiseError(f"device {self.name}: {error}") from None
        start = self._connected(circuit.num_qubits)
        at = dict(enumerate(start))
        out = Circuit(self.num_qubits, circuit.num_clbits, circuit.name).declare(*circuit.parameters)
        for i in plain:
            if len(i.qubits) == 2 and i.gate is not None:
                a, b = (at[q] for q in i.qubits)
                path = networkx.shortest_path(self.coupling_map, a, b)
                for left, right in pairwise(path[:-1]):
                    out.swap(left, right)
                    moved = {left: right, right: left}
                    at = {q: moved.get(p, p) for q, p in at.items()}
            out.append(i.operation, [at[q] for q in i.qubits], i.clbits, i.condition)
        turned = Circuit(self.num_qubits, circuit.num_clbits, circuit.name).declare(*circuit.parameters)
        for i in decompose(out, basis):
            if i.gate is None or i.name != entangler:
                turned.append(i.operation, i.qubits, i.clbits, i.condition)
                continue
            for g, qubits in self._calibrated(entangler, *i.qubits):
                turned.append(g, qubits, (), i.condition)
        return decompose(turned, basis | entanglers), [at[q] for q in range(circuit.num_qubits)]

    def _calibrated(self, name: str, a: int, b: int) -> list[tuple[Gate, tuple[int, ...]]]:
        """A cx or cz on neighbours by the gate that is calibrated there."""
        here = self._couplings
        turn = [(gate("h"), (a,)), (gate("h"), (b,))]
        if name == "cz":
            return [(gate("cz"), (a, b))]
        if ("cx", (a, b)) in here:
            return [(gate("cx"), (a, b))]
        if ("ecr", (a, b)) in here:
            return _cx_by_ecr(a, b)
        if ("cx", (b, a)) in here:
            return [*turn, (gate("cx"), (b, a)), *turn]
        if ("ecr", (b, a)) in here:
            return [*turn, *_cx_by_ecr(b, a), *turn]
        return [turn[1], (gate("cz"), (a, b)), turn[1]]

    def place(self, circuit: Circuit, operators: Sequence[PauliSum]) -> tuple[Circuit, list[PauliSum], NoiseModel]:
        """The circuit compiled and cut to the qubits that it uses, operators moved along with its qubits, and the noise there."""
        for o in operators:
            if o.num_qubits != circuit.num_qubits:
                raise NoiseError(f"operator on {o.num_qubits} qubits, the circuit has {circuit.num_qubits}")
        compiled, ends = self.compile(circuit)
        used = sorted({q for i in compiled for q in i.qubits} | set(ends))
        number = {q: k for k, q in enumerate(used)}
        small = Circuit(len(used), compiled.num_clbits, circuit.name).declare(*compiled.parameters)
        for i in compiled:
            small.append(i.operation, [number[q] for q in i.qubits], i.clbits, i.condition)

        def moved(mask: int) -> int:
            return sum(1 << number[q] for k, q in enumerate(ends) if mask >> k & 1)

        there = [PauliSum.from_masks(len(used), [(c, moved(x), moved(z)) for c, x, z in o.masks()]) for o in operators]
        gates = {(i.name, i.qubits) for i in compiled if i.gate is not None and i.qubits}
        return small, there, self._noise(used, gates, ends)

    def _connected(self, count: int) -> list[int]:
        """Qubits of a connected part, grown from the best-connected qubit."""
        for seed in sorted(self.coupling_map, key=lambda q: (-self.coupling_map.degree[q], q)):
            found = [seed, *(b for _, b in networkx.bfs_edges(self.coupling_map, seed))]
            if len(found) >= count:
                return found[:count]
        raise NoiseError(f"device {self.name} has no {count} connected qubits")


def _cx_by_ecr(a: int, b: int) -> list[tuple[Gate, tuple[int, ...]]]:
    """cx = exp(i pi/4) RZ(pi/2) on a, RX(pi/2) on b, after ecr and X on a; sx is RX(pi/2) up to the phase pi/4."""
    return [(gate("x"), (a,)), (gate("ecr"), (a, b)), (gate("rz", math.pi / 2), (a,)), (gate("sx"), (b,))]


def _listed(places: Sequence[tuple[int, ...]]) -> str:
    kind = "qubit" if len(places[0]) == 1 else "pair"
    names = ", ".join("-".join(map(str, at)) for at in places[:_LISTED])
    more = f" and {len(places) - _LISTED} more" if len(places) > _LISTED else ""
    return f"{kind}{'s' if len(places) > 1 else ''} {names}{more}"
