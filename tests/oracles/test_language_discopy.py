"""Diagrams, normal forms and meanings against discopy."""

import numpy as np
import pytest

from bitket.quantum.language import (
    Cap,
    CircuitFunctor,
    Cup,
    IQPAnsatz,
    PregroupParser,
    SentenceModel,
    TensorFunctor,
    Word,
    mc_lexicon,
    remove_cups,
)
from bitket.quantum.language import Ty as OurTy
from bitket.quantum.language.datasets import all_mc_sentences
from bitket.quantum.simulation import statevector

pregroup = pytest.importorskip("discopy.grammar.pregroup")
tensor = pytest.importorskip("discopy.tensor")
rigid = pytest.importorskip("discopy.rigid")


def their_type(ty):
    out = pregroup.Ty()
    for t in ty.simples:
        simple = pregroup.Ty(t.name)
        for _ in range(abs(t.z)):
            simple = simple.l if t.z < 0 else simple.r
        out = out @ simple
    return out


def theirs(diagram):
    out = pregroup.Id(their_type(diagram.dom))
    for layer in diagram.layers:
        box = layer.box
        if isinstance(box, Cup):
            made = pregroup.Cup(their_type(box.dom[0]), their_type(box.dom[1]))
        elif isinstance(box, Cap):
            made = pregroup.Cap(their_type(box.cod[0]), their_type(box.cod[1]))
        else:
            made = (
                pregroup.Word(box.name, their_type(box.cod))
                if not box.dom
                else pregroup.Box(box.name, their_type(box.dom), their_type(box.cod))
            )
        out = out >> pregroup.Id(their_type(layer.left)) @ made @ pregroup.Id(their_type(layer.right))
    return out


def test_meanings_of_all_mc_sentences():
    parser, functor = PregroupParser(mc_lexicon()), CircuitFunctor(IQPAnsatz())
    diagrams = [parser.parse(text) for text, _ in all_mc_sentences()]
    weights = SentenceModel(functor, seed=4).initialise(diagrams).save_weights()

    def state(name, ty):
        circuit = functor.ansatz.state(f"{name}:{ty}", len(ty))
        values = statevector(circuit, [weights[p.name] for p in circuit.weights]).numpy()
        return values.reshape((2,) * len(ty)).transpose()

    arrays = {w: state(w, parser.lexicon[w][0]) for w in parser.lexicon}
    two = tensor.Dim(2)
    F = tensor.Functor(
        ob={pregroup.Ty("n"): two, pregroup.Ty("s"): two},
        ar=lambda box: arrays[box.name],
        dom=pregroup.Category(),
        dtype=complex,
    )
    ours = TensorFunctor({"n": 2, "s": 2}, arrays)
    for d in diagrams:
        expected = np.asarray(F(theirs(d)).array)
        assert np.abs(ours(d) - expected).max() < 1e-10
        for compiled in (functor(d), functor(remove_cups(d))):
            found = compiled.meaning([weights[p.name] for p in compiled.circuit.weights]).numpy()
            assert np.abs(found - expected).max() < 1e-10


@pytest.mark.parametrize("seed", range(20))
def test_snakes_are_removed_as_theirs_are(seed):
    random = np.random.default_rng(seed)
    n = OurTy("n")
    out = Word("a", n @ OurTy("s"))
    for _ in range(4):
        k = int(random.integers(2))
        t, left, right = out.cod[k], out.cod[:k], out.cod[k + 1 :]
        snake = Cap(t, t.l) @ t >> t @ Cup(t.l, t) if random.integers(2) else t @ Cap(t.r, t) >> Cup(t, t.r) @ t
        out = out >> left @ snake @ right
    assert len(theirs(out).normal_form().boxes) == len(out.normal_form().layers) == 1
