import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.quantum.circuits import Circuit, Gate, GateError, Parameter, gate, gate_shape, random_unitary, unitary
from bitket.quantum.circuits.gates import NAMES, Fixed

PAULI = {"X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}


def embed(matrix, qubits, controls, size):
    """A matrix on some of ``size`` qubits, written out entry by entry."""
    out = np.zeros((1 << size, 1 << size), dtype=complex)
    for column in range(1 << size):
        if any((column >> q & 1) != bit for q, bit in controls):
            out[column, column] = 1
            continue
        local = sum((column >> q & 1) << i for i, q in enumerate(qubits))
        for row in range(matrix.shape[0]):
            target = column
            for i, q in enumerate(qubits):
                target = (target & ~(1 << q)) | ((row >> i & 1) << q)
            out[target, column] += matrix[row, local]
    return out


def product_of_pieces(g):
    size = max(g.num_qubits, 1)
    out = np.eye(1 << size, dtype=complex)
    for piece in g.pieces():
        if isinstance(piece, Fixed):
            step = embed(piece.matrix, piece.qubits, piece.controls, size)
        else:
            pauli = np.eye(1)
            for _, letter in reversed(piece.pauli):
                pauli = np.kron(pauli, PAULI[letter])
            matrix = np.cos(piece.angle / 2) * np.eye(len(pauli)) - 1j * np.sin(piece.angle / 2) * pauli
            step = embed(matrix, [q for q, _ in piece.pauli], piece.controls, size)
        out = step @ out
    return out


def draw(name, rng):
    return gate(name, *rng.uniform(-6, 6, gate_shape(name)[1]))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_pieces_inverse_and_controls_fit_the_matrix(name):
    rng = np.random.default_rng(sorted(NAMES).index(name))
    for controls in (0, 1, 2):
        for state in range(1 << controls):
            g = draw(name, rng).control(controls, state)
            matrix = g.matrix()
            size = matrix.shape[0]
            np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(size), atol=1e-12)
            if g.num_qubits:
                np.testing.assert_allclose(product_of_pieces(g), matrix, atol=1e-12)
            np.testing.assert_allclose(g.inverse().matrix(), matrix.conj().T, atol=1e-12)
            assert g.num_qubits == gate_shape(name)[0] + controls
            assert g.power(1) == g
            np.testing.assert_allclose(g.power(-1).matrix(), matrix.conj().T, atol=1e-12)
            np.testing.assert_allclose(g.power(3).matrix(), matrix @ matrix @ matrix, atol=1e-11)
            np.testing.assert_allclose(g.power(0).matrix(), np.eye(size), atol=1e-11)
            half = g.power(0.5).matrix()
            np.testing.assert_allclose(half @ half, matrix, atol=1e-10)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(NAMES)), st.floats(-2, 2), st.floats(-2, 2), st.integers(0, 2**32 - 1))
def test_powers_add(name, a, b, seed):
    g = draw(name, np.random.default_rng(seed))
    if name not in ("rx", "ry", "rz", "p", "rxx", "gphase", "rzz"):
        a, b = a / 4, b / 4  # on the principal branch exponents add where their sum stays below one
    product = g.power(a).matrix() @ g.power(b).matrix()
    np.testing.assert_allclose(product, g.power(a + b).matrix(), atol=1e-7)


def test_controls_are_the_low_bits_and_may_be_open():
    g = gate("x").control(2, 0b01)
    expected = np.eye(8)[:, [0, 5, 2, 3, 4, 1, 6, 7]]
    np.testing.assert_array_equal(g.matrix().real, expected)
    assert g.label == "ccx_o1"
    assert gate("x").control(1).control(1) == gate("ccx")
    nested = gate("z").control(1, 0).control(1, 1)
    assert nested == gate("z").control(2, 0b01)


def test_labels_are_unambiguous():
    labels = {}
    for name in NAMES:
        for controls in range(4):
            g = Gate(NAMES[name][0], (0.5,) * gate_shape(name)[1], NAMES[name][1] + controls)
            key = (g.name, g.controls)
            assert labels.setdefault(g.label, key) == key
            if g.label in NAMES:
                assert gate(g.label, *g.params) == g


def test_unitary_gates():
    rng = np.random.default_rng(3)
    matrix = random_unitary(2, rng)
    g = unitary(matrix, "kick")
    assert g.label == "kick"
    assert g.inverse().label == "kick_dg"
    assert g.inverse().inverse() == g
    np.testing.assert_allclose(g.control(1, 0).matrix()[0::2, 0::2], matrix)
    np.testing.assert_allclose(np.linalg.matrix_power(g.power(1 / 3).matrix(), 3), matrix, atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        g.array[0, 0] = 0
    with pytest.raises(ValueError, match="read-only"):
        g.inverse().array[0, 0] = 0


def test_a_half_turn_goes_the_positive_way():
    np.testing.assert_allclose(gate("x").power(0.5).matrix(), gate("sx").matrix(), atol=1e-12)
    np.testing.assert_allclose(gate("h").power(0.5).matrix() @ gate("h").power(0.5).matrix(), gate("h").matrix())
    np.testing.assert_allclose(np.linalg.eigvals(gate("swap").power(0.5).matrix()).imag.max(), 1.0)


def test_symbolic_gates():
    a = Parameter("a")
    for name in ("rx", "p", "u", "cu", "xx_plus_yy", "r"):
        g = gate(name, *(a * (k + 1) for k in range(gate_shape(name)[1])))
        assert g.parameters == (a,)
        bound = g.inverse().bind({a: 0.4})
        np.testing.assert_allclose(bound.matrix(), g.bind({a: 0.4}).matrix().conj().T, atol=1e-12)
    assert gate("rx", a).power(2).params == (a * 2.0,)
    assert gate("z").power(a).name == "p"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gate("cxx"), "gate 'cxx' is unknown; did you mean"),
        (lambda: gate("rx"), "takes 1 parameters, 0 were given"),
        (lambda: gate("rx", float("inf")), "must be finite"),
        (lambda: gate("x").control(-1), "must not be negative"),
        (lambda: gate("x").control(1, 2), "control state 2 does not fit 1 controls"),
        (lambda: Gate("x", (), -1), "at least 0"),
        (lambda: gate("rx", Parameter("a")).matrix(), "bind them first"),
        (lambda: gate("u", Parameter("a"), 0, 0).power(0.5), "rotations and phases only"),
        (lambda: gate("h").power(Parameter("a")), "rotations and phases only"),
        (lambda: unitary([[1, 1], [0, 1]]), "is not unitary"),
        (lambda: unitary(np.eye(3)), "a square matrix of size"),
        (lambda: unitary([[np.nan, 0], [0, 1]]), "not finite"),
        (lambda: unitary(np.eye(2), "measure"), "has a meaning of its own"),
        (lambda: Gate("unitary"), "needs its matrix"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
    assert isinstance(error.value, GateError) or "finite" in message


def test_circuit_matrix_is_the_product_of_its_gates():
    rng = np.random.default_rng(4)
    c = Circuit(3)
    expected = np.eye(8)
    for _ in range(30):
        name = sorted(NAMES)[rng.integers(len(NAMES))]
        if gate_shape(name)[0] > 3:
            continue
        g = draw(name, rng)
        qubits = [int(q) for q in rng.permutation(3)[: g.num_qubits]]
        c.append(g, qubits)
        expected = embed(g.matrix(), qubits, (), 3) @ expected
    np.testing.assert_allclose(c.matrix(), expected, atol=1e-12)
