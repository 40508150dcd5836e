"""Noise channels as Kraus operators, and their other forms.

    Kraus            rho -> sum_k K_k rho K_k†,  sum_k K_k† K_k = 1
    superoperator    S = sum_k K_k ⊗ K_k*, acting on the row-major vector of rho
    Choi             C[(i, a), (j, b)] = <a| E(|i><j|) |b>, positive for a completely positive map
    Pauli transfer   R_ab = Tr(P_a E(P_b)) / d, real; P in the order I, X, Y, Z, qubit 0 least significant

Qubit 0 is the least significant bit of every matrix. Sources: Nielsen and Chuang, chapter 8; Greenbaum 2015, arXiv:1509.02921.

>>> import numpy as np
>>> a, b = amplitude_damping(0.3), phase_damping(0.2)
>>> np.allclose((a @ b).superoperator(), a.superoperator() @ b.superoperator())     # composition: b first
True
>>> np.allclose((a @ b).pauli_transfer(), a.pauli_transfer() @ b.pauli_transfer())
True
>>> np.allclose(Channel.from_choi(a.choi()).superoperator(), a.superoperator())     # forms convert both ways
True
>>> np.allclose(Channel.from_pauli_transfer(a.pauli_transfer()).superoperator(), a.superoperator())
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any, Literal, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.errors import InvalidInput

__all__ = [
    "Channel",
    "NoiseError",
    "amplitude_damping",
    "bit_flip",
    "coherent",
    "depolarizing",
    "pauli_channel",
    "phase_damping",
    "phase_flip",
    "reset_error",
    "thermal_relaxation",
]

Matrix = NDArray[np.complex128]
_MOST_QUBITS = 5  # of a channel: 4^k operators of 4^k entries are 16 MiB here, 256 MiB at the next
_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)


class NoiseError(InvalidInput):
    """A channel or noise model that cannot be: a probability out of range, Kraus operators that do not keep the trace."""


@lru_cache
def _pauli_basis(num_qubits: int) -> Matrix:
    """All Pauli products as row-major vectors, ``[4^k, 4^k]``; qubit 0 is the least significant base-4 digit."""
    products = np.ones((1, 1, 1), dtype=complex)
    for _ in range(num_qubits):
        products = np.einsum("aij,bkl->abikjl", _PAULIS, products).reshape(
            4 * len(products), 2 * products.shape[1], 2 * products.shape[2]
        )
    return np.ascontiguousarray(products.reshape(len(products), -1))


@dataclass(frozen=True, eq=False)
class Channel:
    """A completely positive, trace-preserving map on one or more qubits.

    Parameters
    ----------
    kraus
        ``[m, 2^k, 2^k]``.

    Raises
    ------
    NoiseError
        A shape does not fit, a value is not finite, or the map does not preserve the trace to 1e-8 (the message says by how much).
    """

    kraus: Matrix

    def __post_init__(self) -> None:
        try:
            kraus = np.array(self.kraus, dtype=complex)
        except (TypeError, ValueError):
            raise NoiseError("channel: Kraus operators must be square matrices of one size") from None
        d = kraus.shape[-1] if kraus.ndim == 3 else 0
        if kraus.ndim != 3 or kraus.shape[1] != d or d < 2 or d & (d - 1) or len(kraus) == 0:
            raise NoiseError(f"channel: Kraus operators of shape {kraus.shape}; [m, 2^k, 2^k] with k >= 1 is needed")
        if not np.isfinite(kraus).all():
            raise NoiseError("channel: Kraus operators must be finite")
        deviation = float(np.abs(np.einsum("mji,mjk->ik", kraus.conj(), kraus) - np.eye(d)).max())
        if deviation > 1e-8:
            raise NoiseError(f"channel: not trace preserving, sum of K†K differs from the identity by {deviation:.3g}")
        kraus.setflags(write=False)
        object.__setattr__(self, "kraus", kraus)

    @property
    def num_qubits(self) -> int:
        """Qubits it acts on."""
        return int(self.kraus.shape[-1]).bit_length() - 1

    # -- forms ------------------------------------------------------------------------------------------------------
    def superoperator(self) -> Matrix:
        """``[4^k, 4^k]`` on row-major vectors of rho."""
        d = self.kraus.shape[-1]
        return np.einsum("mij,mkl->ikjl", self.kraus, self.kraus.conj()).reshape(d * d, d * d)

    def choi(self) -> Matrix:
        """Choi matrix ``[4^k, 4^k]``, indices (input, output); its trace is 2^k."""
        columns = np.swapaxes(self.kraus, 1, 2).reshape(len(self.kraus), -1)
        return columns.T @ columns.conj()

    def pauli_transfer(self) -> NDArray[np.float64]:
        """Pauli-transfer matrix ``[4^k, 4^k]``."""
        basis = _pauli_basis(self.num_qubits)
        return (basis.conj() @ self.superoperator() @ basis.T).real / self.kraus.shape[-1]

    @classmethod
    def from_choi(cls, choi: ArrayLike) -> Channel:
        """From a Choi matrix (see `choi`).

        Raises
        ------
        NoiseError
            The matrix is not Hermitian, has an eigenvalue below -1e-8 (the map is not completely positive), or the trace is not kept.
        """
        c = _entries(choi, "Choi matrix")
        d = round(math.sqrt(len(c))) if c.ndim == 2 else 0
        if c.shape != (d * d, d * d) or np.abs(c - c.conj().T).max() > 1e-8:
            raise NoiseError(f"Choi matrix of shape {c.shape}: a Hermitian matrix of size 4^k is needed")
        values, vectors = np.linalg.eigh(c)
        if values[0] < -1e-8:
            raise NoiseError(f"Choi matrix: smallest eigenvalue {values[0]:.3g}, the map is not completely positive")
        keep = values > 1e-14
        kraus = (vectors[:, keep] * np.sqrt(values[keep])).T.reshape(-1, d, d)
        return cls(np.swapaxes(kraus, 1, 2))

    @classmethod
    def from_superoperator(cls, superoperator: ArrayLike) -> Channel:
        """From a superoperator on row-major vectors."""
        s = _entries(superoperator, "superoperator")
        d = round(math.sqrt(len(s))) if s.ndim == 2 else 0
        if s.shape != (d * d, d * d):
            raise NoiseError(f"superoperator of shape {s.shape}: a matrix of size 4^k is needed")
        return cls.from_choi(s.reshape(d, d, d, d).transpose(2, 0, 3, 1).reshape(d * d, d * d))

    @classmethod
    def from_pauli_transfer(cls, matrix: ArrayLike) -> Channel:
        """From a Pauli-transfer matrix."""
        r = _entries(matrix, "Pauli-transfer matrix")
        if np.iscomplexobj(matrix) and np.abs(r.imag).max(initial=0) > 1e-8:
            raise NoiseError("Pauli-transfer matrix: its entries must be real")
        k = (len(r).bit_length() - 1) // 2 if r.ndim == 2 else 0
        if r.shape != (4**k, 4**k) or k < 1:
            raise NoiseError(f"Pauli-transfer matrix of shape {r.shape}: a matrix of size 4^k is needed")
        basis = _pauli_basis(k)
        return cls.from_superoperator(basis.T @ r.real @ basis.conj() / 2**k)

    # -- algebra ----------------------------------------------------------------------------------------------------
    def __matmul__(self, first: Channel) -> Channel:
        """This channel after ``first``."""
        if first.num_qubits != self.num_qubits:
            raise NoiseError(f"channels on {first.num_qubits} and {self.num_qubits} qubits cannot follow each other")
        d = self.kraus.shape[-1]
        both = np.einsum("aij,bjk->abik", self.kraus, first.kraus).reshape(-1, d, d)
        # Products multiply the number of operators; more than d² are never needed.
        out = Channel(both)
        return out if len(both) <= d * d else Channel.from_choi(out.choi())

    def tensor(self, low: Channel) -> Channel:
        """This channel on the high qubits beside ``low`` on the low ones."""
        d = self.kraus.shape[-1] * low.kraus.shape[-1]
        return Channel(np.einsum("aij,bkl->abikjl", self.kraus, low.kraus).reshape(-1, d, d))

    def power(self, exponent: float) -> Channel:
        """The channel that noise of ``exponent`` times the strength gives: a real power of the Pauli-transfer matrix.

        Raises
        ------
        NoiseError
            The exponent is negative, or the power is not a channel (noise that is not the result of a constant rate in time).
        """
        import scipy.linalg

        if not isinstance(exponent, Real) or not (exponent >= 0 and math.isfinite(exponent)):
            raise NoiseError(f"channel to the power {exponent}: it must be finite and not negative")
        matrix = self.pauli_transfer()
        if float(exponent).is_integer():
            return Channel.from_pauli_transfer(np.linalg.matrix_power(matrix, int(exponent)))
        raised = scipy.linalg.fractional_matrix_power(matrix, exponent)
        if not np.isfinite(raised).all() or np.abs(np.imag(raised)).max() > 1e-9:
            raise NoiseError(f"channel to the power {exponent}: it has no real power")
        return Channel.from_pauli_transfer(np.real(raised))

    def average_fidelity(self) -> float:
        """Average gate fidelity to the identity: (sum_k |Tr K_k|² + d) / (d² + d) (Nielsen 2002, quant-ph/0205035)."""
        d = self.kraus.shape[-1]
        return float((np.sum(np.abs(np.trace(self.kraus, axis1=1, axis2=2)) ** 2) + d) / (d * d + d))

    def twirled(self) -> Channel:
        """The Pauli channel with the same diagonal of the Pauli-transfer matrix."""
        return Channel.from_pauli_transfer(np.diag(np.diag(self.pauli_transfer())))


def _entries(matrix: Any, name: str) -> Matrix:
    try:
        found = np.asarray(matrix, dtype=complex)
    except (TypeError, ValueError):
        raise NoiseError(f"{name}: a matrix of numbers is needed") from None
    if not np.isfinite(found).all():
        raise NoiseError(f"{name}: its entries must be finite")
    return found


def probability(value: float, name: str, largest: float = 1.0) -> float:
    """A number between 0 and ``largest``, or `NoiseError`."""
    if isinstance(value, str | bytes) or not isinstance(value, SupportsFloat) or not 0 <= float(value) <= largest:
        raise NoiseError(f"{name} {value}: it must be between 0 and {largest:.6g}")  # NaN, too
    return float(value)


def pauli_channel(probabilities: Mapping[str, float]) -> Channel:
    """Pauli errors by label (``{"X": 0.01, "ZZ"...}``, one length); the rest of the probability is the identity."""
    if (
        not isinstance(probabilities, Mapping)
        or not probabilities
        or not all(isinstance(k, str) for k in probabilities)
    ):
        raise NoiseError(f"Pauli channel {probabilities!r}: labels with their probabilities, {{'X': 0.01}}, are needed")
    size = len(next(iter(probabilities)))
    if not 1 <= size <= _MOST_QUBITS or any(len(label) != size for label in probabilities):
        raise NoiseError(f"Pauli channel: labels must be of one length, at most {_MOST_QUBITS} letters")
    wanted = {label: probability(p, f"probability of {label}") for label, p in probabilities.items()}
    rest = 1 - sum(p for label, p in wanted.items() if label != "I" * size)
    if rest < -1e-12 or set("".join(wanted)) - set("IXYZ"):
        raise NoiseError(
            f"Pauli channel {dict(probabilities)}: letters I, X, Y, Z and probabilities of sum at most 1 are needed"
        )
    wanted["I" * size] = max(rest, 0.0)
    kraus = []
    for label, p in wanted.items():
        matrix = np.ones((1, 1), dtype=complex)
        for letter in label:
            matrix = np.kron(matrix, _PAULIS["IXYZ".index(letter)])
        kraus.append(math.sqrt(p) * matrix)
    return Channel(np.array(kraus))


def depolarizing(p: float, num_qubits: int = 1, convention: Literal["mixing", "pauli"] = "mixing") -> Channel:
    """Depolarising channel on all of its k qubits together, d = 2^k.

    Parameters
    ----------
    p
        By convention ``"mixing"``, the default everywhere: rho -> (1 - p) rho + p 1/d, 0 <= p <= d²/(d² - 1). By ``"pauli"``: the
        probability of an error, spread evenly over the d² - 1 Pauli products, 0 <= p <= 1. p_mixing = p_pauli d²/(d² - 1).

    Notes
    -----
    What follows a gate on two qubits, F being the entanglement fidelity, sum_k |Tr K_k|² / d²:

    ==================================================  =================  ==============  =================================
    noise                                               F                  p = 0.01        the same elsewhere
    ==================================================  =================  ==============  =================================
    ``NoiseModel.depolarizing(p, p)``: joint            1 - 15 p/16        0.990625        Aer ``depolarizing_error(p, 2)``
    the same, ``convention="pauli"``                    1 - p              0.99            Cirq ``depolarize(p, 2)``
    ``after(depolarizing(p))``: one on each qubit       (1 - 3 p/4)²       0.985056        Aer ``depolarizing_error(p, 1)``
    ``after(depolarizing(p, 1, "pauli"))``              (1 - p)²           0.9801          Cirq ``depolarize(p)``
    ==================================================  =================  ==============  =================================

    Command line and devices: the first row. PennyLane's DepolarizingChannel and qulacs' DepolarizingNoise mean p as Cirq does.
    """
    if num_qubits not in range(1, _MOST_QUBITS + 1) or convention not in ("mixing", "pauli"):
        raise NoiseError(
            f"depolarising channel on {num_qubits} qubits, convention {convention!r}: 1 to {_MOST_QUBITS} qubits, "
            "'mixing' or 'pauli'"
        )
    d2 = 4**num_qubits
    if convention == "mixing":
        error = probability(p, "depolarising parameter", d2 / (d2 - 1)) * (d2 - 1) / d2
    else:
        error = probability(p, "error probability")
    basis = _pauli_basis(num_qubits).reshape(d2, 2**num_qubits, 2**num_qubits)
    share = np.full(d2, error / (d2 - 1))
    share[0] = max(0.0, 1 - error)
    return Channel(np.sqrt(share)[:, None, None] * basis)


def bit_flip(p: float) -> Channel:
    """X with probability p."""
    return pauli_channel({"X": p})


def phase_flip(p: float) -> Channel:
    """Z with probability p."""
    return pauli_channel({"Z": p})


def amplitude_damping(gamma: float, excited: float = 0.0) -> Channel:
    """Decay of |1> with probability ``gamma`` towards a thermal state of population ``excited`` in |1>."""
    gamma, excited = probability(gamma, "damping"), probability(excited, "excited population")
    keep = math.sqrt(1 - gamma)
    down = np.array([[[1, 0], [0, keep]], [[0, math.sqrt(gamma)], [0, 0]]], dtype=complex) * math.sqrt(1 - excited)
    up = np.array([[[keep, 0], [0, 1]], [[0, 0], [math.sqrt(gamma), 0]]], dtype=complex) * math.sqrt(excited)
    return Channel(np.asarray(np.concatenate([down, up]) if excited else down, dtype=complex))


def phase_damping(lam: float) -> Channel:
    """Loss of coherence: off-diagonal elements shrink by sqrt(1 - lam)."""
    lam = probability(lam, "damping")
    return Channel(np.array([[[1, 0], [0, math.sqrt(1 - lam)]], [[0, 0], [0, math.sqrt(lam)]]], dtype=complex))


def thermal_relaxation(t1: float, t2: float, time: float, excited: float = 0.0) -> Channel:
    """Relaxation for ``time``: populations by exp(-time/t1), coherences by exp(-time/t2); times in one unit, ``t2 <= 2 t1``."""
    for name, value in (("T1", t1), ("T2", t2), ("time", time)):
        if isinstance(value, str | bytes) or not isinstance(value, SupportsFloat):
            raise NoiseError(f"thermal relaxation: {name} {value!r} is not a number")
    if not (t1 > 0 and 0 < t2 <= 2 * t1 * (1 + 1e-12) and time >= 0):
        raise NoiseError(
            f"thermal relaxation with T1 {t1}, T2 {t2}, time {time}: T1 > 0, 0 < T2 <= 2 T1 and time >= 0 are needed"
        )
    damping = amplitude_damping(-math.expm1(-time / t1), excited)
    # What T1 alone leaves of coherence is exp(-time / 2 T1); pure dephasing does the rest.
    rest = max(0.0, -math.expm1(-2 * time / t2 + time / t1))
    return phase_damping(rest) @ damping


def coherent(matrix: Any) -> Channel:
    """A unitary error, such as an over-rotation: ``coherent(gate("rx", 0.01).matrix())``."""
    return Channel(_entries(matrix, "coherent error")[None])


def reset_error(to_zero: float, to_one: float = 0.0) -> Channel:
    """Reset to |0> or |1> with the given probabilities."""
    stay = 1 - probability(to_zero, "reset probability") - probability(to_one, "reset probability")
    if stay < 0:
        raise NoiseError(f"reset probabilities {to_zero} and {to_one}: their sum must be at most 1")
    zero = math.sqrt(to_zero) * np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], dtype=complex)
    one = math.sqrt(to_one) * np.array([[[0, 0], [1, 0]], [[0, 0], [0, 1]]], dtype=complex)
    return Channel(np.concatenate([math.sqrt(stay) * np.eye(2)[None], zero, one]))
