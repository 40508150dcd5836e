"""Polynomials as people write them, against Kronecker products of cyclic shifts; sizes are reckoned before they are made."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.errors import InvalidInput, NotEnoughMemory
from bitket.quantum.codes import bivariate_bicycle, named_code, rotated_surface_code, surface_code


def _shifts(l, m, terms):
    out = np.zeros((l * m, l * m), int)
    for p, q in terms:
        out += np.kron(*(np.roll(np.eye(size, dtype=int), power, axis=1) for size, power in ((l, p), (m, q))))
    return out % 2


def _written(terms, draw):
    """A way of writing the sum: order, signs of powers and products, blanks."""
    words = []
    for p, q in terms:
        power = draw(st.sampled_from(["{}^{}", "{}**{}", "{}{}", "{} ^ {}", "{}^{{{}}}"]))
        factors = [power.format(x, k) if k != 1 else x for x, k in (("x", p), ("y", q)) if k]
        if draw(st.booleans()):
            factors.reverse()
        words.append(draw(st.sampled_from(["*", " ", " * ", ""])).join(factors) or "1")
    return draw(st.sampled_from([" + ", "+", "  +"])).join(draw(st.permutations(words)))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_polynomials_in_any_hand(data):
    l, m = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    power = st.tuples(st.integers(0, 12), st.integers(0, 12))
    made = []
    for _ in range(2):
        terms = data.draw(st.lists(power, min_size=2, max_size=4))
        made.append((_shifts(l, m, terms), _written(terms, data.draw)))
    (A, a), (B, b) = made
    if not (A.any(axis=1) | B.any(axis=1)).all():
        with pytest.raises(InvalidInput, match="is empty"):
            bivariate_bicycle(l, m, a, b)
        return
    code = bivariate_bicycle(l, m, a, b)
    assert (code.x_checks == np.hstack([A, B])).all()
    assert (code.z_checks == np.hstack([B.T, A.T])).all()


@pytest.mark.parametrize("a", ["x3 y y2", ["y2", "x3", "y"], "y^2 + X^3 + Y", "x^-9 + y^7 + y**2 + x + x"])
def test_the_same_code_has_the_same_name(a):
    assert bivariate_bicycle(12, 6, a, "x^2+x+y^3").name == "[[144,12,12]]"


@pytest.mark.parametrize(
    ("polynomial", "term"),
    [
        ("z", "'z'"),
        ("x^3 + 2y", "'2y'"),
        ("x^3 + y^ + 1", "'y^'"),
        ("x - y", "'-'"),
        ("x^1.5 + 1", "'x^1.5'"),
        ("x++y", "''"),
        ("x + ", "''"),
        ("1 x y*", "'y*'"),
        ("x^9999999999", "'x^9999999999'"),
    ],
)
def test_errors_name_the_term(polynomial, term):
    with pytest.raises(InvalidInput, match="sums of 1, x, y") as caught:
        bivariate_bicycle(3, 3, polynomial, "1 + x")
    assert f"term {term};" in str(caught.value)
    with pytest.raises(InvalidInput, match="it has no term"):
        bivariate_bicycle(3, 3, "1 + x", " ")


@pytest.mark.parametrize(
    "make",
    [
        lambda: bivariate_bicycle(10**9, 10**9, "x + y", "1 + x"),
        lambda: rotated_surface_code(10**6),
        lambda: surface_code(3000),
        lambda: named_code("repetition-1000000000"),
    ],
)
def test_sizes_are_reckoned(make):
    with pytest.raises(NotEnoughMemory, match="of memory are available"):
        make()
