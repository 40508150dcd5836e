"""Quantum codes by construction: hypergraph products, bivariate bicycles, surface, toric and colour codes.

>>> from bitket.quantum.codes.seeds import hamming
>>> code = hypergraph_product(hamming(3), hamming(3))
>>> code.n, code.k, code.distance().value
(58, 16, 3)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from bitket.algebra import BitMatrix
from bitket.errors import InvalidInput
from bitket.quantum.codes.code import ClassicalCode, CssCode
from bitket.quantum.codes.distance import Distance
from bitket.quantum.codes.seeds import repetition, ring
from bitket.quantum.simulation.memory import require

__all__ = [
    "BIVARIATE_BICYCLES",
    "HypergraphProduct",
    "bivariate_bicycle",
    "colour_code",
    "hypergraph_product",
    "rotated_surface_code",
    "surface_code",
    "toric_code",
]


class HypergraphProduct(CssCode):
    """H_X = [H_1 (x) 1 | 1 (x) H_2^T], H_Z = [1 (x) H_2 | H_1^T (x) 1] on n_1 n_2 + r_1 r_2 qubits; k = k_1 k_2 + k_1^T k_2^T.

    Source: Tillich and Zémor 2014 (arXiv:0903.0566).
    """

    def __init__(self, first: ClassicalCode, second: ClassicalCode) -> None:
        self.first, self.second = first, second
        A, B = first.checks, second.checks
        (r1, n1), (r2, n2) = A.shape, B.shape
        n = n1 * n2 + r1 * r2
        # Both matrices whole, and the parts that each is made of.
        require(2 * (r1 * n2 + n1 * r2) * n, f"product of {first.name or 'A'} and {second.name or 'B'} on {n} qubits")
        one = {size: np.eye(size, dtype=np.uint8) for size in {n1, n2, r1, r2}}
        x = np.concatenate([np.kron(A, one[n2]), np.kron(one[r1], B.T)], axis=1)
        z = np.concatenate([np.kron(one[n1], B), np.kron(A.T, one[r2])], axis=1)
        # A check that touches nothing comes from an empty column pair only.
        super().__init__(x[x.any(axis=1)], z[z.any(axis=1)], f"{first.name or 'A'} x {second.name or 'B'}")

    def distance(self, **options: Any) -> Distance:
        """By the product's formula: the least of d_1, d_2 where k_1 k_2 > 0, of d_1^T, d_2^T where k_1^T k_2^T > 0.

        With ``method`` other than ``"auto"`` the product itself is searched, as any CSS code.
        """
        if options.get("method", "auto") != "auto":
            return super().distance(**options)
        found: list[tuple[Distance, int, int]] = []
        for block, (a, b) in enumerate(
            ((self.first.checks, self.second.checks), (self.first.checks.T, self.second.checks.T))
        ):
            codes = [BitMatrix.from_dense(m) for m in (a, b)]
            if all(len(c.kernel()) for c in codes):
                found += [(_kernel_distance(m, **options), block, part) for part, m in enumerate((a, b))]
        if not found:
            raise InvalidInput("distance of a code with k = 0: it has no logical operator; k >= 1 is needed")
        least, block, part = min(found, key=lambda f: f[0].value)
        exact, trials = all(d.exact for d, _, _ in found), max(d.trials for d, _, _ in found)
        witness = self._operator(least.witness, block, part)
        return Distance(least.value, exact, "product formula", witness, trials, least.hits)

    def _operator(self, word: NDArray[np.uint8], block: int, part: int) -> NDArray[np.uint8]:
        """The logical operator of weight |word| on one block: a word of a factor, at a place of the other that no check spans."""
        n1, n2 = self.first.n, self.second.n
        r1, r2 = len(self.first.checks), len(self.second.checks)
        shape, start = ((n1, n2), 0) if block == 0 else ((r1, r2), n1 * n2)
        other = (self.second, self.first)[part].checks
        basis = BitMatrix.from_dense(other if block == 0 else other.T)
        place = int(basis.kernel().to_dense().any(axis=0).argmax())
        # First block: words of the second factor are X operators, of the first Z operators; the second block exchanges them.
        pattern = np.zeros(shape, np.uint8)
        if part == 0:
            pattern[:, place] = word
        else:
            pattern[place] = word
        operator = np.zeros((2, self.n), np.uint8)
        kind = 1 - part if block == 0 else part
        operator[kind, start : start + pattern.size] = pattern.reshape(-1)
        return operator


def _kernel_distance(matrix: NDArray[np.uint8], **options: Any) -> Distance:
    """Distance of the kernel of a matrix that may have empty rows."""
    rows = matrix[matrix.any(axis=1)]
    if not len(rows):
        word = np.zeros(matrix.shape[1], np.uint8)
        word[0] = 1
        return Distance(1, True, "enumeration", word)
    return ClassicalCode(rows).distance(**options)


def hypergraph_product(first: ClassicalCode, second: ClassicalCode | None = None) -> HypergraphProduct:
    """The product of two classical codes, or of one with itself."""
    return HypergraphProduct(first, first if second is None else second)


BIVARIATE_BICYCLES: dict[str, tuple[int, int, str, str]] = {
    "[[72,12,6]]": (6, 6, "x3 y y2", "y3 x x2"),
    "[[90,8,10]]": (15, 3, "x9 y y2", "1 x2 x7"),
    "[[108,8,10]]": (9, 6, "x3 y y2", "y3 x x2"),
    "[[144,12,12]]": (12, 6, "x3 y y2", "y3 x x2"),
    "[[288,12,18]]": (12, 12, "x3 y2 y7", "y3 x x2"),
}
"""l, m and the polynomials A and B of table 3 of Bravyi and others 2024 (arXiv:2308.07915)."""


def bivariate_bicycle(l: int, m: int, a: str | Sequence[str], b: str | Sequence[str]) -> CssCode:
    """H_X = [A | B], H_Z = [B^T | A^T] with sums A, B of monomials in x = S_l (x) 1 and y = 1 (x) S_m, S the cyclic shift.

    Parameters
    ----------
    a, b
        ``x^3 + y + y^2``, ``x**3+y*x``, ``1 + x y^2``, or monomials alone, ``x3 y y2`` or a sequence of them. Powers may be negative; terms
        that are there twice cancel.

    Raises
    ------
    InvalidInput
        A size below 1, a term that is no monomial, or a polynomial without terms.

    >>> same = [bivariate_bicycle(6, 6, a, "y^3 + x + x^2") for a in ("x^3+y+y^2", "y^2 + y + x**3", "x3 y y2", "x^-3 + y^7 + y^{2}")]
    >>> same[0].name, {code.x_checks.tobytes() == same[0].x_checks.tobytes() for code in same}
    ('[[72,12,6]]', {True})
    """
    if min(l, m) < 1:
        raise InvalidInput(f"bivariate bicycle code of {l} x {m}: positive sizes are needed")
    terms = [_monomials(l, m, polynomial) for polynomial in (a, b)]
    require(200 * l * m * max(map(len, terms)), f"bivariate bicycle code of {l} x {m}")
    A, B = (_sum(l, m, found) for found in terms)
    known = (k for k, (p, q, *made) in BIVARIATE_BICYCLES.items() if (p, q) == (l, m))
    name = next((k for k in known if [_monomials(l, m, x) for x in BIVARIATE_BICYCLES[k][2:]] == terms), None)
    return CssCode(hstack([A, B]), hstack([B.T, A.T]), name or f"bicycle {l} x {m}")


def _monomials(l: int, m: int, polynomial: str | Sequence[str]) -> set[tuple[int, int]]:
    """Powers of x and y, modulo l and m, of the terms that are left."""
    if isinstance(polynomial, str):
        text = re.sub(
            r"\s*(\^|\*\*?|(?<=[\^*])-)\s*", r"\1", polynomial.lower().translate({ord(c): None for c in "{}"})
        )
        terms: Sequence[str] = text.split("+") if "+" in text else text.split()
    else:
        terms = polynomial
    found: set[tuple[int, int]] = set()
    for term in terms:
        factors = re.fullmatch(
            r"(?:1|(?:[xy](?:(?:\^|\*\*)?-?\d{1,9})?(?:\*(?!$)|\s+|(?=[xy])|$))+)", term.strip().lower()
        )
        if not factors:
            raise InvalidInput(
                f"polynomial '{polynomial}': term '{term.strip()}'; sums of 1, x, y^3, x^2 y, x**2*y and the like are allowed"
            )
        powers = {"x": 0, "y": 0}
        for letter, power in re.findall(r"([xy])(?:\^|\*\*)?(-?\d+)?", term.lower()):
            powers[letter] += int(power or 1)
        found ^= {(powers["x"] % l, powers["y"] % m)}
    if not terms:
        raise InvalidInput(
            f"polynomial '{polynomial}': it has no term; sums of 1, x, y^3, x^2 y and the like are allowed"
        )
    return found


def _sum(l: int, m: int, terms: Iterable[tuple[int, int]]) -> csr_array:
    """Row (i, j) holds a 1 at column (i + p, j + q) for each term x^p y^q."""
    i, j = (k.reshape(-1) for k in np.indices((l, m)))
    columns = [(i + p) % l * m + (j + q) % m for p, q in terms]
    rows = np.tile(np.arange(l * m), len(columns))
    found = np.concatenate([np.zeros(0, np.int64), *columns])
    return csr_array((np.ones(len(found), np.uint8), (rows, found)), shape=(l * m, l * m))


def surface_code(d: int) -> HypergraphProduct:
    """The planar surface code [[d^2 + (d-1)^2, 1, d]]: the product of two repetition codes."""
    return hypergraph_product(repetition(d))


def toric_code(d: int) -> HypergraphProduct:
    """The toric code [[2 d^2, 2, d]]: the product of two rings."""
    return hypergraph_product(ring(d))


def rotated_surface_code(d: int) -> CssCode:
    """[[d^2, 1, d]] for d >= 2: faces of a d x d board, X and Z in turns, and halves of faces on the rim."""
    if d < 2:
        raise InvalidInput(f"rotated surface code of distance {d}: at least 2 is needed")
    require(2 * d**4, f"rotated surface code of distance {d}")
    checks: dict[str, list[NDArray[np.uint8]]] = {"X": [], "Z": []}
    for row in range(-1, d):
        for column in range(-1, d):
            kind = "XZ"[(row + column) % 2]
            on_top, on_side = row in (-1, d - 1), column in (-1, d - 1)
            if (on_top and on_side) or (on_top and kind == "Z") or (on_side and kind == "X"):
                continue
            face = np.zeros((d, d), np.uint8)
            face[max(row, 0) : row + 2, max(column, 0) : column + 2] = 1
            checks[kind].append(face.reshape(-1))
    return CssCode(np.array(checks["X"]), np.array(checks["Z"]), f"rotated surface {d}")


def colour_code(d: int) -> CssCode:
    """The triangular 6.6.6 colour code [[(3 d^2 + 1) / 4, 1, d]] for odd d: each face is an X and a Z check.

    Sites x + y <= 3 (d - 1) / 2 of a triangular lattice; those with x - y = 1 mod 3 are faces, the others qubits.
    """
    if d < 3 or d % 2 == 0:
        raise InvalidInput(f"colour code of distance {d}: an odd distance of at least 3 is needed")
    require(2 * d**4, f"colour code of distance {d}")
    side = 3 * (d - 1) // 2
    sites = [(x, y) for y in range(side + 1) for x in range(side + 1 - y)]
    qubits = {s: k for k, s in enumerate(s for s in sites if (s[0] - s[1]) % 3 != 1)}
    faces = []
    for x, y in (s for s in sites if s not in qubits):
        row = np.zeros(len(qubits), np.uint8)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1)):
            if (x + dx, y + dy) in qubits:
                row[qubits[x + dx, y + dy]] = 1
        faces.append(row)
    return CssCode(np.array(faces), np.array(faces), f"colour {d}")
