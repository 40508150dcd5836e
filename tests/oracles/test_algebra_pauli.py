"""Pauli algebra against stim and qiskit.quantum_info."""

import networkx as nx
import numpy as np
import pytest

from bitket.algebra import PauliString, PauliSum, group_terms
from bitket.algebra.grouping import conflicts
from bitket.quantum.operators import Molecule, molecular_hamiltonian

stim = pytest.importorskip("stim")
quantum_info = pytest.importorskip("qiskit.quantum_info")


def test_products_equal_stim():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n = int(rng.integers(1, 90))
        a, b = ("".join(rng.choice(list("IXYZ"), n)) for _ in range(2))
        ours = PauliString.from_label(a) @ PauliString.from_label(b)
        theirs = stim.PauliString(a[::-1]) * stim.PauliString(b[::-1])
        assert ours.phase == theirs.sign
        assert ours.label == str(theirs).lstrip("+-i").replace("_", "I")[::-1]


def test_sums_equal_qiskit():
    rng = np.random.default_rng(2)
    for _ in range(30):
        n, terms = int(rng.integers(1, 6)), int(rng.integers(1, 12))
        rows = [("".join(rng.choice(list("IXYZ"), n)), complex(rng.normal(), rng.normal())) for _ in range(terms)]
        ours, theirs = PauliSum.from_list(rows), quantum_info.SparsePauliOp.from_list(rows)
        assert np.allclose(ours.matrix(), theirs.to_matrix())
        assert np.allclose((ours @ ours).matrix(), (theirs @ theirs).to_matrix())
        assert len(ours.simplify(1e-12)) == len(theirs.simplify(atol=1e-12).paulis)


def test_grouping_needs_about_as_many_groups_as_qiskit():
    rng = np.random.default_rng(3)
    rows = [("".join(rng.choice(list("IXYZ"), 6)), 1.0) for _ in range(120)]
    ours = PauliSum.from_list(rows).simplify()
    theirs = quantum_info.SparsePauliOp.from_list([(label, 1.0) for label in ours.labels()])
    assert len(group_terms(ours, "qubitwise")) <= 1.1 * len(theirs.group_commuting(qubit_wise=True))
    assert len(group_terms(ours, "commuting")) <= 1.1 * len(theirs.group_commuting(qubit_wise=False))


@pytest.mark.parametrize(
    ("name", "basis", "before"),
    [("H2", "sto-3g", 5), ("H2", "6-31g", 46), ("LiH", "sto-3g", 136), ("BeH2", "sto-3g", 140)],
)
def test_groups_of_molecules_are_as_few_as_of_any_order(name, basis, before):
    pytest.importorskip("pyscf")
    operator = molecular_hamiltonian(Molecule.named(name, basis=basis)).hamiltonian.simplify()
    graph = nx.from_numpy_array(conflicts(operator, "qubitwise"))
    orders = ["largest_first", "smallest_last"]
    if len(operator) < 200:
        orders.append("DSATUR")  # of networkx, ten seconds and more on larger ones
    theirs = min(len({*nx.greedy_color(graph, s).values()}) for s in orders)
    assert len(operator.group()) <= min(
        before, theirs, *(len(operator.group(order=o)) for o in ("conflicts", "magnitude", "saturation"))
    )
