"""Fermionic Hamiltonians from their integrals, and their Pauli sums.

    H = constant + sum_pq h[p,q] a†_p a_q + sum_pqrs g[p,q,r,s] a†_p a†_q a_r a_s

Modes of a molecule are ordered in blocks: spatial orbital p with spin alpha is mode p, with spin beta mode n + p. Under
Jordan-Wigner, with f_j in qubit j, a_p = X_p (1 - Z_p)/2 Z_(p-1) ... Z_0 and its adjoint has + in place of -; a product of k of
them is 2^k strings X^x Z^z whose masks and signs are computed for all index tuples at once.

>>> import numpy as np
>>> a, b = annihilation(0, 3, "parity"), annihilation(2, 3, "parity")
>>> (a @ b + b @ a).simplify(), a @ a                                    # {a_0, a_2} = 0, a_0^2 = 0
(PauliSum(3 qubits, 0 terms), PauliSum(3 qubits, 0 terms))
>>> a @ a.adjoint() + a.adjoint() @ a == a.identity(3)                   # {a_0, a†_0} = 1
True
>>> hopping = FermionHamiltonian(0.0, np.array([[0, -1.0], [-1.0, 0]]))
>>> print(hopping.to_paulis())
-0.5*XX -0.5*YY
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitket.algebra import PauliSum
from bitket.errors import InvalidInput
from bitket.quantum.operators.mappings import Mapping, encode

__all__ = ["FermionHamiltonian", "annihilation"]

_MAX_MODES = 64


def _products(modes: NDArray[np.int64], creations: int, values: NDArray[Any], num_modes: int) -> PauliSum:
    """Jordan-Wigner image of ``sum_t values[t] times ladder operators of modes[t]``, equal terms not joined.

    ``modes`` is ``[terms, k]``; the first ``creations`` operators of each product create, the others annihilate.
    """
    x: NDArray[np.uint64] = np.zeros((len(modes), 1), dtype=np.uint64)
    z, coefficients = x.copy(), np.asarray(values).reshape(-1, 1)
    for place in range(modes.shape[1]):
        bit = np.uint64(1) << modes[:, place : place + 1].astype(np.uint64)
        # X^x Z^z times X^bit Z^w: bringing X^bit to the left gives a sign for each Z that it passes.
        passed = coefficients * np.where(z & bit, -0.5, 0.5)
        x, z = x ^ bit, z ^ (bit - np.uint64(1))
        x, z = np.concatenate([x, x], axis=1), np.concatenate([z, z ^ bit], axis=1)
        coefficients = np.concatenate([passed, passed if place < creations else -passed], axis=1)
    powers = np.array([1, -1j, -1, 1j])[
        np.bitwise_count(x & z) % 4
    ]  # X^x Z^z = (-i)^|x & z| times the Hermitian string
    return PauliSum(num_modes, x.reshape(-1, 1), z.reshape(-1, 1), coefficients * powers)


def annihilation(mode: int, num_modes: int, mapping: Mapping = "jordan_wigner") -> PauliSum:
    """The operator a_mode; its adjoint creates.

    Raises
    ------
    InvalidInput
        The mode is not one of 0 ... num_modes - 1, there are more than 64 modes, or the mapping is not known.
    """
    if not 0 <= mode < num_modes <= _MAX_MODES:
        raise InvalidInput(
            f"annihilation of mode {mode} of {num_modes}: modes are 0 to {min(num_modes, _MAX_MODES) - 1}"
        )
    return encode(_products(np.array([[mode]]), 0, np.ones(1), num_modes), mapping)


@dataclass(frozen=True, eq=False)
class FermionHamiltonian:
    """``constant + sum h[p,q] a†_p a_q + sum g[p,q,r,s] a†_p a†_q a_r a_s``, at most 64 modes.

    Attributes
    ----------
    constant
        Energy offset (hartree for molecules).
    one_body
        h, ``[modes, modes]``.
    two_body
        g, ``[modes, modes, modes, modes]``; zero if left out. The order of indices is OpenFermion's.

    Raises
    ------
    InvalidInput
        The shapes do not agree, a value is not finite, or there are more than 64 modes.
    """

    constant: float
    one_body: NDArray[Any]
    two_body: NDArray[Any] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        h = np.asarray(self.one_body)
        n = len(h) if h.ndim else 0
        g = np.asarray(self.two_body) if np.size(self.two_body) else np.zeros((n,) * 4)
        if h.shape != (n, n) or g.shape != (n,) * 4 or not 1 <= n <= _MAX_MODES:
            raise InvalidInput(
                f"fermionic Hamiltonian with integrals of shapes {h.shape} and {g.shape}: [n, n] and [n, n, n, n], n from 1 to 64"
            )
        if not (np.isfinite(h).all() and np.isfinite(g).all() and np.isfinite(self.constant)):
            raise InvalidInput("fermionic Hamiltonian: constant and integrals must be finite")
        object.__setattr__(self, "one_body", h)
        object.__setattr__(self, "two_body", g)

    @classmethod
    def from_spatial(cls, constant: float, one_body: ArrayLike, two_body: ArrayLike) -> FermionHamiltonian:
        """From integrals over n spatial orbitals shared by both spins; 2n modes in blocks, alpha first.

        Parameters
        ----------
        one_body
            ``[n, n]``.
        two_body
            Coulomb integrals ``(pq|rs)`` in the chemists' order, ``[n, n, n, n]``.
        """
        h, coulomb = np.asarray(one_body), np.asarray(two_body)
        n = len(h) if h.ndim else 0
        if h.shape != (n, n) or coulomb.shape != (n,) * 4 or not 1 <= n <= _MAX_MODES // 2:
            raise InvalidInput(
                f"integrals of shapes {h.shape} and {coulomb.shape}: [n, n] and [n, n, n, n] are needed, n from 1 to 32"
            )
        g = np.zeros((2, n, 2, n, 2, n, 2, n), dtype=coulomb.dtype)
        for s in range(2):
            for t in range(2):  # (ps|qr)/2 a†_p,s a†_q,t a_r,t a_s,s
                g[s, :, t, :, t, :, s, :] = 0.5 * coulomb.transpose(0, 2, 3, 1)
        return cls(constant, np.kron(np.eye(2), h), g.reshape((2 * n,) * 4))

    @property
    def num_modes(self) -> int:
        """Number of fermionic modes (spin orbitals)."""
        return len(self.one_body)

    def permuted(self, order: ArrayLike) -> FermionHamiltonian:
        """The same Hamiltonian with its modes renamed: new mode k is the old mode ``order[k]``."""
        index = np.asarray(order)
        if sorted(index.tolist()) != list(range(self.num_modes)):
            raise InvalidInput(f"order of modes: a permutation of 0 to {self.num_modes - 1} is needed")
        return FermionHamiltonian(
            self.constant, self.one_body[np.ix_(index, index)], self.two_body[np.ix_(index, index, index, index)]
        )

    def interleaved(self) -> FermionHamiltonian:
        """From blocks (all alpha, all beta) to alternating spins (alpha, beta of orbital 0, then of orbital 1, ...)."""
        if self.num_modes % 2:
            raise InvalidInput(f"interleaving {self.num_modes} modes: an even number is needed")
        return self.permuted(np.arange(self.num_modes).reshape(2, -1).T.reshape(-1))

    def is_hermitian(self, tolerance: float = 1e-10) -> bool:
        """Whether h and the antisymmetrised g are Hermitian, and the constant is real."""
        h, g = self.one_body, self._antisymmetric()
        return bool(
            abs(np.imag(self.constant)) <= tolerance
            and np.abs(h - h.conj().T).max() <= tolerance
            and np.abs(g - g.conj().transpose(3, 2, 1, 0)).max() <= tolerance
        )

    def _antisymmetric(self) -> NDArray[Any]:
        """``g`` summed with signs over both orders of the creators and of the annihilators."""
        g = self.two_body - self.two_body.transpose(1, 0, 2, 3)
        return np.asarray(g - g.transpose(0, 1, 3, 2))

    def to_paulis(self, mapping: Mapping = "jordan_wigner", *, tolerance: float = 1e-12) -> PauliSum:
        """The qubit operator, one qubit a mode; terms of absolute coefficient at most ``tolerance`` are dropped."""
        n, hermitian = self.num_modes, self.is_hermitian()
        one = np.argwhere(self.one_body)
        # Only p < q and r < s: the other orders are the same operators up to sign.
        g = self._antisymmetric()
        low, high = np.triu_indices(n, 1)
        block = g[low[:, None], high[:, None], low[None], high[None]]
        creators, annihilators = np.nonzero(block)
        two = np.stack([low[creators], high[creators], low[annihilators], high[annihilators]], axis=1)
        parts = [
            PauliSum.from_masks(n, [(self.constant, 0, 0)]),
            _products(one, 1, self.one_body[tuple(one.T)], n),
            _products(two, 2, block[creators, annihilators], n),
        ]
        x, z = np.concatenate([p.x for p in parts]), np.concatenate([p.z for p in parts])
        total = PauliSum(n, x, z, np.concatenate([p.coefficients for p in parts])).simplify(tolerance)
        if hermitian:  # what is left of imaginary parts is rounding
            total = PauliSum(n, total.x, total.z, total.coefficients.real)
        return encode(total, mapping)
