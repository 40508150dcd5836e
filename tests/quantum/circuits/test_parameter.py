import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from bitket.quantum.circuits import Expression, Parameter, ParameterError, parameters

X, Y, Z = Parameter("x", "input"), Parameter("y"), Parameter("z")
SYMBOLS = {p: sympy.Symbol(p.name, real=True) for p in (X, Y, Z)}
FUNCTIONS = {"sin": "sin", "cos": "cos", "tan": "tan", "exp": "exp", "arctan": "atan"}

numbers = st.floats(-4, 4).map(lambda v: round(v, 3))


def pairs(inner):
    """An expression of ours and the same of sympy, built by the same steps."""
    joins = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / (b * b + 3),
    }

    def call(a, name):
        return getattr(a[0], name)() if isinstance(a[0], Expression) else getattr(np, name)(a[0]), getattr(
            sympy, FUNCTIONS[name]
        )(a[1])

    return st.one_of(
        st.tuples(inner, inner, st.sampled_from(sorted(joins))).map(
            lambda t: (joins[t[2]](t[0][0], t[1][0]), joins[t[2]](t[0][1], t[1][1]))
        ),
        inner.map(lambda a: (-a[0], -a[1])),
        inner.map(lambda a: (a[0] ** 2, a[1] ** 2)),
        st.tuples(inner, st.sampled_from(["sin", "cos", "arctan"])).map(lambda t: call(*t)),
    )


leaves = st.one_of(
    st.sampled_from([X, Y, Z]).map(lambda p: (p, SYMBOLS[p])),
    numbers.map(lambda v: (v, sympy.Float(v, 30))),
)
expressions = st.recursive(leaves, pairs, max_leaves=8).filter(lambda t: isinstance(t[0], Expression))
values = st.tuples(numbers, numbers, numbers).map(lambda v: dict(zip((X, Y, Z), v, strict=True)))


@settings(deadline=None, max_examples=150)
@given(expressions, values)
def test_evaluate_equals_sympy(pair, at):
    ours, theirs = pair
    expected = float(theirs.subs({SYMBOLS[p]: v for p, v in at.items()}))
    assert math.isclose(ours.evaluate(at), expected, rel_tol=1e-9, abs_tol=1e-9)


@settings(deadline=None, max_examples=150)
@given(expressions, values)
def test_text_means_the_same_in_python(pair, at):
    ours = pair[0]
    names = {p.name: at[p] for p in at} | {f: getattr(np, f) for f in ("sin", "cos", "arctan")}
    again = eval(str(ours), names)
    assert math.isclose(again, ours.evaluate(at), rel_tol=1e-9, abs_tol=1e-9)


@settings(deadline=None, max_examples=150)
@given(expressions, values)
def test_affine_form_equals_evaluation(pair, at):
    ours = pair[0]
    form = ours.affine()
    derivatives = [sympy.diff(pair[1], s) for s in SYMBOLS.values()]
    if form is None:
        return
    expected = form[0] + sum(c * at[p] for p, c in form[1].items())
    assert math.isclose(ours.evaluate(at), expected, rel_tol=1e-9, abs_tol=1e-9)
    for p, derivative in zip(SYMBOLS, derivatives, strict=True):
        assert math.isclose(
            form[1].get(p, 0.0), float(derivative.subs(dict.fromkeys(SYMBOLS.values(), 0.3))), abs_tol=1e-9
        )


@settings(deadline=None, max_examples=100)
@given(expressions, expressions, values)
def test_substitution_then_evaluation_is_evaluation_at_the_substitute(first, second, at):
    inner = second[0].evaluate(at)
    replaced = first[0].substitute({X: second[0]})
    got = replaced.evaluate(at) if isinstance(replaced, Expression) else replaced
    assert math.isclose(got, first[0].evaluate(at | {X: inner}), rel_tol=1e-9, abs_tol=1e-9)
    bound = first[0].substitute(at)
    assert isinstance(bound, float)
    assert math.isclose(bound, first[0].evaluate(at), rel_tol=1e-9, abs_tol=1e-9)


@settings(deadline=None, max_examples=60)
@given(expressions)
def test_equality_hash_and_pickle(pair):
    again = pickle.loads(pickle.dumps(pair[0]))
    assert again == pair[0]
    assert hash(again) == hash(pair[0])
    assert again != pair[0] + 1


def test_affine_forms_are_found_where_they_exist():
    assert (2 * (X - Y) / 4 + 1).affine() == (1.0, {X: 0.5, Y: -0.5})
    assert (-(3 - X) * 2).affine() == (-6.0, {X: 2.0})
    assert (X * Y).affine() is None
    assert (1 / X).affine() is None
    assert X.sin().affine() is None


def test_arrays_and_tensors_evaluate_with_gradients():
    import torch

    expression = (math.pi - X) * Y.sin() + (X / 2).exp()
    x = torch.tensor([0.3, -1.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([1.1, 0.4], dtype=torch.float64)
    out = expression.evaluate({X: x, Y: y})
    np.testing.assert_allclose(out.detach().numpy(), expression.evaluate({X: x.detach().numpy(), Y: y.numpy()}))
    (gradient,) = torch.autograd.grad(out.sum(), x)
    np.testing.assert_allclose(gradient.numpy(), -torch.sin(y).numpy() + np.exp(x.detach().numpy() / 2) / 2)


def test_long_and_shared_expressions_do_not_exhaust_the_stack():
    ps = parameters("p", 3000)
    total = sum((0.5 * p for p in ps), start=ps[0] * 0.5)
    at = dict.fromkeys(ps, 1.0)
    assert math.isclose(total.evaluate(at), 1500.5)
    assert total.affine()[1][ps[0]] == 1.0
    assert len(str(total)) > 3000
    assert total.substitute(at) == 1500.5
    assert total == sum((0.5 * p for p in ps), start=ps[0] * 0.5)
    shared = X
    for _ in range(200):
        shared = shared + shared * 0.001
    assert math.isclose(shared.evaluate({X: 1.0}), 1.001**200)
    assert shared.parameters == (X,)


def test_hashes_are_made_anew_in_another_process():
    code = (
        "import pickle, sys; from bitket.quantum.circuits import Parameter; "
        "e = pickle.loads(sys.stdin.buffer.read()); assert e.evaluate({Parameter('x', 'input'): 2.0}) == 5.0"
    )
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(2 * X + 1), check=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Parameter(""), "a name and the role"),
        (lambda: Parameter("x", "data"), "role 'data'"),
        (lambda: X + "0.5", "angle '0.5': a real number"),
        (lambda: X * float("nan"), "angle nan: it must be finite"),
        (lambda: X * 1j, "a real number"),
        (lambda: X / 0, "division by zero"),
        (lambda: (X**0.5).substitute({X: -2.0}), "not real"),
        (lambda: (1 / X).evaluate({X: 0.0}), "division by zero"),
        (lambda: X.log().evaluate({X: -1.0}), r"log\(-1.0\)"),
        (lambda: (X + Y).evaluate({X: 1.0}), "parameter 'y' has no value"),
        (lambda: (X.exp().exp()).substitute({X: 100.0}), "exp"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_a_tensor_that_needs_a_gradient_is_not_taken_as_a_number():
    import torch

    with pytest.raises(ParameterError, match="requires a gradient"):
        X + torch.tensor(1.0, requires_grad=True)
