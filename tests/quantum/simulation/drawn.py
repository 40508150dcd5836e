"""Random circuits and operators that the tests of the simulators share."""

import numpy as np

from bitket.algebra import PauliSum
from bitket.quantum.circuits import Circuit, Parameter, gate
from bitket.quantum.circuits.gates import GATES, NAMES


def random_operator(rng: np.random.Generator, n: int, terms: int = 4) -> PauliSum:
    return PauliSum.from_list([("".join(rng.choice(list("IXYZ"), n)), rng.normal()) for _ in range(terms)])


def random_circuit(
    rng: np.random.Generator, n: int, gates: int, *, affine: bool = False, width: int = 3, pool: int = 4
) -> Circuit:
    """Gates of every kind on at most ``width`` qubits with constant, linear, shared and (but for ``affine``) nonlinear angles."""
    c = Circuit(n)
    names = [m for m, (b, k) in NAMES.items() if GATES[b].num_qubits + k <= min(n, width)]
    parameters = [Parameter(f"p{i}", "input" if i % 2 else "weight") for i in range(pool)]
    for q in range(n):
        c.ry(parameters[q % pool], q)
    for _ in range(gates):
        base, controls = NAMES[name := str(rng.choice(names))]
        angles = []
        for _ in range(GATES[base].num_params):
            p, kind = parameters[rng.integers(pool)], rng.integers(3 if affine else 4)
            angles.append([float(rng.uniform(-3, 3)), p, 1.3 * p - 0.4, p.sin() * parameters[0]][kind])
        c.append(gate(name, *angles), rng.permutation(n)[: GATES[base].num_qubits + controls])
    return c
