"""Vectors that travel as states without losing sign and size: a reference amplitude goes along.

Neither the sign nor the norm of a vector v of D = 2^k entries can be told from the state v/||v||. With one qubit more, a flag, the state

    (|0> rho |u> + |1> |v>) / sqrt(rho² + ||v||²),      |u> = sum_j |j> / sqrt(D),

keeps both. Measured with the flag in the X basis and the rest in the Z basis, the outcomes (+, j) and (-, j) differ in probability by

    p(+, j) - p(-, j) = 2 r x_j / sqrt(D),      r = rho / sqrt(...),  x = v / sqrt(...):

one setting reads all entries with their signs, unbiased, also of a mixture, of which it gives the mean. The squared error of r x from K
copies is at most D/(4 K): a readout to an error eps takes of the order of D/eps² copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitket.errors import InvalidInput
from bitket.quantum.learning.federated.chip import ZeroGradient
from bitket.quantum.learning.federated.copies import Array, Copies

__all__ = ["Reading", "coherent_sum", "read", "referenced"]


def referenced(vector: Array, reference: float) -> Array:
    """The state of a vector ``[D]`` with its reference amplitude, ``[2 D]``; the flag is the most significant qubit.

    Raises
    ------
    InvalidInput
        The reference is not positive, or D is no power of two.
    """
    size = len(vector)
    if not 0 < reference < math.inf or size & (size - 1):
        raise InvalidInput(f"reference {reference} for {size} entries: positive, and a power of two, are needed")
    state = np.concatenate([np.full(size, reference / math.sqrt(size)), vector])
    return np.asarray(state / np.linalg.norm(state))


@dataclass(frozen=True)
class Reading:
    """What measuring a referenced state gave.

    Attributes
    ----------
    product
        r x, ``[D]``: reference amplitude times vector.
    error
        Expected 2-norm of its error from the finite number of copies; 0 for an unlimited one.
    """

    product: NDArray[np.float64]
    error: float


def read(copies: Copies, generator: np.random.Generator) -> Reading:
    """Measure all copies, the flag in the X basis, the rest in the Z basis.

    Raises
    ------
    InvalidInput
        There is no copy.
    """

    def basis(states: Array) -> Array:
        zero, one = np.split(states, 2, axis=1)
        return np.concatenate([zero + one, zero - one], axis=1) / math.sqrt(2)

    plus, minus = np.split(copies.frequencies(basis, generator), 2)
    root = math.sqrt(len(plus))
    product = (plus - minus) * root / 2
    if copies.number is None:
        return Reading(product, 0.0)
    spread = len(plus) / 4 - float(product @ product)
    return Reading(product, math.sqrt(max(0.0, spread) / copies.number))


def coherent_sum(states: list[Array], coefficients: NDArray[np.float64]) -> tuple[Array, float]:
    """The referenced state of v_0 + sum_k q_k v_k from one copy each of referenced states of v_k (all to one reference), and its probability.

    An ancilla in sum_k sqrt(|q_k|/Q) |k>, Q = sum_k |q_k|, q_0 = 1, chooses which register comes to the front; all others are projected
    on the reference; in branches k > 0 the front is projected on its flag 1; the ancilla is projected on sum_k sign(q_k) sqrt(|q_k|/Q) |k>.
    With reference amplitudes r_k the kept vector is (prod_k r_k)/(Q rho) times (rho |u>, v_0 + sum_k q_k v_k).

    Parameters
    ----------
    states
        ``[2 D]`` each, pure.
    coefficients
        q_1, q_2, ... for the states after the first.

    Raises
    ------
    ZeroGradient
        A state has no reference amplitude.
    """
    references, vectors = [], []
    for state in states:
        zero, one = np.split(state, 2)
        r = float(np.real(zero.sum())) / math.sqrt(len(zero))
        if r == 0:
            raise ZeroGradient("a state without its reference amplitude cannot be added to another")
        references.append(r)
        vectors.append(one / r)
    q = np.concatenate([[1.0], coefficients])
    total = sum(c * v for c, v in zip(q, vectors, strict=True))
    size = len(vectors[0])
    kept = np.concatenate([np.full(size, 1 / math.sqrt(size)), total]) * np.prod(references) / np.abs(q).sum()
    norm = float(np.linalg.norm(kept))
    return kept / norm, norm**2
