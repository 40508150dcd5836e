import numpy as np
import pytest

from bitket.quantum.language import Box, Cap, Cup, Diagram, Spider, Swap, TensorFunctor, Ty
from bitket.quantum.language.diagram import DiagramError, cap, cup

NAMES = "ns"
DIMENSIONS = {"n": 2, "s": 3}


def random_type(random, most=3):
    out = Ty()
    for _ in range(random.integers(0, most + 1)):
        t = Ty(NAMES[random.integers(2)])
        for _ in range(random.integers(0, 3)):
            t = t.l if random.integers(2) else t.r
        out = out @ t
    return out


def random_diagram(random, dom=None, boxes=5):
    wires = random_type(random) if dom is None else dom
    out = Diagram.id(wires)
    for _ in range(boxes):
        o = random.integers(0, len(out.cod) + 1)
        take = random.integers(0, min(2, len(out.cod) - o) + 1)
        box = Box(
            f"b{random.integers(10**9)}", out.cod[o : o + take], random_type(random, 2 if len(out.cod) < 5 else 0)
        )
        out = out >> out.cod[:o] @ box @ out.cod[o + take :]
    return out


def functor(seed):
    def array(box):
        ends = (box.cod, box.dom) if (box.z % 2) != box.adjoint else (box.dom, box.cod)
        size = [DIMENSIONS[t.name] for e in ends for t in (reversed(e.simples) if box.z % 2 else e.simples)]
        random = np.random.default_rng([seed, int(box.name[1:])])
        return random.normal(size=size) + 1j * random.normal(size=size)

    return TensorFunctor(DIMENSIONS, array)


def close(a, b):
    assert a.shape == b.shape
    scale = max(1.0, float(np.abs(a).max(initial=0)))
    return np.abs(a - b).max(initial=0) <= 1e-12 * scale


@pytest.mark.parametrize("part", range(5))
def test_functor_laws_and_interchange_on_random_diagrams(part):
    for k in range(100):
        random = np.random.default_rng([part, k])
        f = random_diagram(random)
        g, h = random_diagram(random, f.cod, 3), random_diagram(random, boxes=2)
        F = functor(k)
        assert close(F(f >> g), np.tensordot(F(f), F(g), len(f.cod)))
        both = np.tensordot(F(f), F(h), 0)
        a, b, c = len(f.dom), len(f.cod), len(h.dom)
        order = [*range(a), *range(a + b, a + b + c), *range(a, a + b), *range(a + b + c, both.ndim)]
        assert close(F(f @ h), both.transpose(order))
        assert close(F(f.dagger()), F(f).conj().transpose([*range(a, a + b), *range(a)]))
        assert close(F(f.r), F(f).transpose())
        assert close(F(f.l), F(f).transpose())
        assert close(F(f.normal_form()), F(f))
        for j in range(len(f.layers) - 1):
            try:
                other = f.interchange(j)
            except DiagramError:
                continue
            assert close(F(other), F(f))
            assert close(F(other.interchange(j)), F(f))
        straight = f.transpose().transpose(left=True)
        for twice in (straight, f.transpose(left=True).transpose()):
            yanked = twice.remove_snakes()  # f up to interchange
            assert sorted(x.box.name for x in yanked.layers) == sorted(x.box.name for x in f.layers)
            assert close(F(twice), F(f))
            assert close(F(yanked), F(f))
        assert f.l.r == f == f.r.l
        assert f.dagger().dagger() == f


@pytest.mark.parametrize("snakes", [1, 2, 7, 30])
def test_normal_form_has_no_snakes(snakes):
    random = np.random.default_rng(snakes)
    out = random_diagram(random, Ty("n", "s"), 2)
    F = functor(0)
    meaning = F(out)
    for _ in range(snakes):
        k = random.integers(0, len(out.cod)) if len(out.cod) else 0
        if not len(out.cod):
            out = out @ Ty("n")
            meaning = F(out)
            continue
        t, left, right = out.cod[k], out.cod[:k], out.cod[k + 1 :]
        if random.integers(2):
            snake = cap(t, t.l) @ t >> t @ cup(t.l, t)
        else:
            snake = t @ cap(t.r, t) >> cup(t, t.r) @ t
        out = out >> left @ snake @ right
    straight = out.normal_form()
    assert not any(isinstance(layer.box, Cup | Cap) for layer in straight.layers)
    assert close(F(straight), meaning)


def test_connected_diagrams_that_differ_by_interchange_have_one_normal_form():
    n = Ty("n")
    f, g, h = Box("b1", n, n), Box("b2", n, n), Box("b3", n @ n, n)
    assert (f @ n >> n @ g >> h).normal_form() == (n @ g >> f @ n >> h).normal_form()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: Box("f", n, n) >> Box("g", n.l, n), "codomain n does not fit domain n.l"),
        (lambda n: Cup(n, n), "n·n does not contract"),
        (lambda n: Cap(n, n), "does not expand"),
        (lambda n: Swap(n @ n, n), "two simple types"),
        (lambda n: Spider(n, Ty("s")), "one basic type"),
        (lambda n: Ty("n l"), "basic type"),
        (lambda n: Ty.parse(3), "type 3: a text"),
        (lambda n: Ty.parse("n.x"), "'n.x' is not a simple type"),
        (lambda n: Box("f", n, n).draw("ascii"), "'text', 'svg' or 'figure'"),
        (lambda n: TensorFunctor({"s": 2}, {})(Box("f", n, n)), "it has no dimension"),
    ],
)
def test_errors_say_what_and_where(make, message):
    with pytest.raises(ValueError, match=message):
        make(Ty("n"))


def test_spider_fusion_and_swap():
    n = Ty("n")
    F = TensorFunctor({"n": 3}, {})
    assert close(F(Spider(n, n @ n) >> Spider(n @ n, n)), np.eye(3))
    assert close(F(Spider(n @ n, n) >> Spider(n, n @ n)), F(Spider(n @ n, n @ n)))
    assert close(F(Swap(n, n) >> Swap(n, n)), F(Diagram.id(n @ n)))
    assert F(Spider(Ty(), n) >> Spider(n, Ty())) == 3
