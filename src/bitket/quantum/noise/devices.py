"""Devices: calibration data as a noise model and a coupling map.

The noise of a gate is thermal relaxation of each of its qubits for the gate's duration, and a depolarising channel that brings the average
gate infidelity to the calibrated value e (where relaxation alone has not passed it):

    p = d (F_relax - (1 - e)) / (d F_relax - 1),   d = 2^k,

since the average fidelity of the two channels together is (1 - p) F_relax + p/d. Readout errors are those measured for each qubit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from pathlib import Path

import networkx

from bitket.algebra import PauliSum
from bitket.data.devices import Calibration, GateCalibration, device_names, load_calibration
from bitket.quantum.circuits import Circuit, decompose
from bitket.quantum.noise.channels import Channel, NoiseError, depolarizing, thermal_relaxation
from bitket.quantum.noise.model import NoiseModel

__all__ = ["Device", "device_names"]

_VIRTUAL = frozenset({"rz", "p", "gphase"})  # changes of frame: no pulse, no error


class Device:
    """A calibrated device.

    Parameters
    ----------
    source
        A name (see `device_names`), a JSON file, or a `Calibration`.

    Examples
    --------
    >>> device = Device("manila")
    >>> device.num_qubits, device.coupling_map.number_of_edges()
    (5, 4)
    """

    def __init__(self, source: str | Path | Calibration) -> None:
        self.calibration = source if isinstance(source, Calibration) else load_calibration(source)
        self.name, self.num_qubits = self.calibration.name, self.calibration.num_qubits
        self.coupling_map = networkx.Graph(self.calibration.edges)
        self.coupling_map.add_nodes_from(range(self.num_qubits))

    def gate_channel(self, gate: GateCalibration) -> Channel | None:
        """The channel that follows a gate, or None where nothing is known of it.

        Qubit 0 of the channel is the first qubit of the gate.
        """
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
        return relaxation if gate.duration else None

    def noise_model(self, qubits: Sequence[int] | None = None) -> NoiseModel:
        """The device's noise.

        Parameters
        ----------
        qubits
            Device qubits that the circuit's qubits 0, 1, ... stand for; by default the device's own numbers.
        """
        chosen = tuple(range(self.num_qubits)) if qubits is None else tuple(qubits)
        if len(set(chosen)) != len(chosen) or any(not 0 <= q < self.num_qubits for q in chosen):
            raise NoiseError(f"device {self.name}: qubits {chosen} must differ and be 0 to {self.num_qubits - 1}")
        place = {q: k for k, q in enumerate(chosen)}
        model = NoiseModel(native=frozenset(self.calibration.native) | _VIRTUAL)
        for gate in self.calibration.gates:
            if gate.name in ("measure", "reset") or not all(q in place for q in gate.qubits):
                continue
            channel = self.gate_channel(gate)
            if channel is not None:
                model = model.after(
                    channel, [gate.name], num_qubits=len(gate.qubits), qubits=[place[q] for q in gate.qubits]
                )
        for q, k in place.items():
            qubit = self.calibration.qubits[q]
            if qubit.p10 or qubit.p01:
                model = model.with_readout(qubit.p10, qubit.p01, [k])
        return model

    def compile(self, circuit: Circuit) -> tuple[Circuit, list[int]]:
        """The circuit in the device's gates on coupled qubits only.

        Qubits start on a connected part of the device; a gate on two that are not neighbours is preceded by swaps along a shortest path.

        Returns
        -------
        Circuit, list
            On all qubits of the device; and, for each qubit of the input, where it is at the end.

        Raises
        ------
        NoiseError
            The circuit has more qubits than a connected part of the device, or the device's two-qubit gate is neither cx nor cz.
        """
        native = self.calibration.native
        entangler = next((g for g in ("cx", "cz") if g in native), None)
        if entangler is None:
            raise NoiseError(f"device {self.name}: circuits can be compiled to cx or cz, it has {', '.join(native)}")
        basis = (entangler, "rz", "sx") if "sx" in native else (entangler, "u")
        plain = decompose(circuit, basis)
        start = self._connected(circuit.num_qubits)
        at = dict(enumerate(start))
        out = Circuit(self.num_qubits, circuit.num_clbits, circuit.name)
        for i in plain:
            if len(i.qubits) == 2 and i.gate is not None:
                a, b = (at[q] for q in i.qubits)
                path = networkx.shortest_path(self.coupling_map, a, b)
                for left, right in pairwise(path[:-1]):
                    out.swap(left, right)
                    moved = {left: right, right: left}
                    at = {q: moved.get(p, p) for q, p in at.items()}
            out.append(i.operation, [at[q] for q in i.qubits], i.clbits, i.condition)
        return decompose(out, basis), [at[q] for q in range(circuit.num_qubits)]

    def place(self, circuit: Circuit, operators: Sequence[PauliSum]) -> tuple[Circuit, list[PauliSum], NoiseModel]:
        """The circuit compiled and cut to the qubits that it uses, operators moved along with its qubits, and the noise there."""
        compiled, ends = self.compile(circuit)
        used = sorted({q for i in compiled for q in i.qubits} | set(ends))
        number = {q: k for k, q in enumerate(used)}
        small = Circuit(len(used), compiled.num_clbits, circuit.name)
        for i in compiled:
            small.append(i.operation, [number[q] for q in i.qubits], i.clbits, i.condition)

        def moved(mask: int) -> int:
            return sum(1 << number[q] for k, q in enumerate(ends) if mask >> k & 1)

        there = [PauliSum.from_masks(len(used), [(c, moved(x), moved(z)) for c, x, z in o.masks()]) for o in operators]
        return small, there, self.noise_model(used)

    def _connected(self, count: int) -> list[int]:
        """Qubits of a connected part, grown from the best-connected qubit."""
        for seed in sorted(self.coupling_map, key=lambda q: (-self.coupling_map.degree[q], q)):
            found = [seed, *(b for _, b in networkx.bfs_edges(self.coupling_map, seed))]
            if len(found) >= count:
                return found[:count]
        raise NoiseError(f"device {self.name} has no {count} connected qubits")
