"""The interleaved classifier: its circuit, the published predictions and attacks of the chip, training by rows, and what it refuses."""

import copy
import math
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantum.learning.attacks import fgsm, masked_adam, pgd
from bitket.quantum.learning.image_features import split, two_classes
from bitket.quantum.learning.interleaved import (
    InterleavedClassifier,
    InterleavedModule,
    NormalisedFeatures,
    RowByRow,
    chip_angles,
    interleaved_circuit,
    superconducting_noise,
)
from bitket.quantum.learning.robustness import AdversarialTrainer, critical_budget, hardened, named_attack
from bitket.quantum.learning.saved import load, save
from bitket.quantum.simulation import expectation, probabilities

CHIP = chip_angles()


def features(*names):
    return torch.tensor(np.stack([CHIP[name] for name in names]))


def chip(name):
    return InterleavedModule(weights=CHIP[name], dtype=torch.float64)


def test_the_chips_circuit_has_its_260_angles_in_four_blocks():
    c = interleaved_circuit()
    assert len(c.inputs) == len(c.weights) == 260
    assert c.count_ops() == {"rx": 130, "rz": 130, "cx": 36}
    pairs = [i.qubits for i in c if i.name == "cx"]
    line = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (1, 2), (3, 4), (5, 6), (7, 8)]
    assert pairs == 4 * line
    turns = [i for i in c if i.name != "cx"]
    for k, turn in enumerate(turns):  # angle k: gate column by gate column, on qubit k mod 10
        assert turn.qubits == (k % 10,)
        assert turn.name == ("rx", "rz")[k // 10 % 2]
    names = ["".join("r" if i.name != "cx" else "c" for i in c)]
    assert names[0] == "".join("r" * 20 * r + "c" * 9 for r in (4, 3, 3, 3))


@pytest.mark.parametrize("sharing", ["separate", "encoding_first"])
def test_the_comparison_of_encodings_has_270_slots_and_270_angles(sharing):
    c = interleaved_circuit(sharing=sharing)
    assert len(c.inputs) == len(c.weights) == 270
    assert c.count_ops() == {"rx": 360, "rz": 180, "cx": 81}
    roles = [i.gate.params[0].role for i in c if i.name != "cx"]
    if sharing == "encoding_first":
        assert roles == ["input"] * 270 + ["weight"] * 270
    else:
        assert roles == (["input"] * 30 + ["weight"] * 30) * 9
    columns = [i.name for i in c if i.name != "cx"][:60:10]
    assert columns == ["rx", "rz", "rx", "rx", "rz", "rx"]


def test_predictions_and_attacks_are_the_published_ones():
    """The authors' notebook: two images, seven and ten steps of the masked attack, and the defended angles on what came out."""
    published_hand = [
        0.7085782963915472, 0.6632271504859439, 0.6157566568872763, 0.5671300101774841, 0.5182529037715885,
        0.4700260394444375, 0.42327949153405453, 0.3787836293377975,
    ]  # fmt: skip
    published_breast = [
        0.30486206820652584, 0.33389777414410116, 0.36429071738175034, 0.39564795144648013, 0.42753773362670827,
        0.45950806258939786, 0.4910994255741073, 0.5218540795215526, 0.5513235269691813, 0.5790807571403053,
        0.6047388340737985,
    ]  # fmt: skip
    hand = masked_adam(chip("trained"), features("hand"), [0], steps=7)
    breast = masked_adam(chip("trained"), features("breast"), [1], steps=10)
    np.testing.assert_allclose(hand.path[:, 0].numpy(), published_hand, atol=1e-12)
    np.testing.assert_allclose(1 - breast.path[:, 0].numpy(), published_breast, atol=1e-12)
    assert bool(hand.success)
    assert bool(breast.success)
    defended = chip("defended")(torch.cat([hand.x, breast.x])).softmax(1)[:, 0]
    np.testing.assert_allclose(defended.detach().numpy(), [0.6915592706934479, 0.24965059476315904], atol=1e-12)


def test_all_inputs_at_pi_and_no_angles_make_a_basis_state():
    c = interleaved_circuit()
    p = probabilities(c, np.zeros(260), np.full(260, math.pi))
    expected = torch.zeros(1024, dtype=torch.float64)
    expected[0b0000000111] = 1  # qubits 1 to 3 in 1, the others in 0
    torch.testing.assert_close(p, expected, rtol=0, atol=1e-12)


def test_gradients_are_the_parameter_shifts_and_the_last_column_has_none():
    generator = np.random.default_rng(4)
    x = torch.tensor(generator.uniform(0, 0.4, (1, 256)))
    weights = generator.uniform(0, 2 * np.pi, 260)
    module = InterleavedModule(weights=weights, dtype=torch.float64)
    module(x).softmax(1)[0, 0].backward()
    slope = module.layer.weights.grad.numpy()
    assert np.abs(slope[250:]).max() < 1e-12  # they commute with what is read
    shifted = np.concatenate([weights + s * np.pi / 2 * np.eye(260) for s in (1, -1)])
    angles = torch.nn.functional.pad(x, (0, 4)) + math.pi
    z = expectation(module.layer.circuit, module.layer.operators[0], torch.tensor(shifted), angles).numpy()
    by_shift = (z[:260] - z[260:]) / 4  # of (1 + z)/2
    np.testing.assert_allclose(slope, by_shift, atol=1e-10)


def test_a_step_on_the_chip_moves_the_angles_of_one_qubit_and_rows_are_merged():
    torch.manual_seed(0)
    module = InterleavedModule(3, 2, readout=1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = module.layer.weights.detach().clone().reshape(-1, 3)
    rows = RowByRow(module)
    x, y = torch.rand(8, 6, dtype=torch.float64), torch.tensor([0, 1] * 4)
    seen = []

    def note(epoch, loss):
        seen.append(torch.stack(list(rows.rows), 1).detach().clone())

    Training(epochs=7, learning_rate=0.05).fit(rows, torch.nn.functional.cross_entropy, x, y, callback=note)
    for k, (old, new) in enumerate(zip([before, *seen], seen, strict=False)):
        moved = (old != new).any(0)
        assert moved.tolist() == [q == k % 3 for q in range(3)]
    eval_logits = rows.eval()(x)
    merged = rows.merge()
    torch.testing.assert_close(merged(x), eval_logits, rtol=0, atol=1e-12)
    torch.testing.assert_close(merged.layer.weights.detach().reshape(-1, 3), seen[-1], rtol=0, atol=0)


def test_the_first_of_the_ten_qubits_steps_is_torchs_adam_on_its_row():
    module = InterleavedModule(3, 1, readout=0, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x, y = torch.rand(4, 6, dtype=torch.float64), torch.tensor([0, 1, 1, 0])
    loss = torch.nn.functional.cross_entropy(module(x), y)
    (slope,) = torch.autograd.grad(loss, module.layer.weights)
    start = module.layer.weights.detach().clone()
    rows = RowByRow(module)
    Training(epochs=1, learning_rate=0.05).fit(rows, torch.nn.functional.cross_entropy, x, y)
    moved = rows.merge().layer.weights.detach() - start
    own = torch.zeros(18, dtype=torch.bool)
    own[::3] = True
    expected = torch.where(own, -0.05 * slope / (slope.abs() + 1e-8), torch.zeros(18, dtype=torch.float64))
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    chosen = np.flatnonzero(np.isin(labels, [1, 9]))[:200]
    return images[chosen], labels[chosen]


@pytest.fixture(scope="module")
def fitted(digits):
    model = InterleavedClassifier(6, 2, readout=2, epochs=12, learning_rate=0.05, random_state=1)
    return model.fit(digits[0][:140], digits[1][:140])


def test_it_learns_digits_and_its_probabilities_are_the_circuits(fitted, digits):
    x, y = digits[0][140:], digits[1][140:]
    assert fitted.score(x, y) >= 0.85
    module = fitted.module_[1]
    flat = np.zeros((len(x), module.slots))
    flat[:, :64] = 2 * x / np.linalg.norm(x, axis=1, keepdims=True)
    z = expectation(
        module.layer.circuit, module.layer.operators[0], module.layer.weights.detach().double(), flat + np.pi
    )
    np.testing.assert_allclose(fitted.predict_proba(x)[:, 1], (1 - z.numpy()) / 2, atol=1e-5)
    again = InterleavedClassifier(6, 2, readout=2, epochs=12, learning_rate=0.05, random_state=1)
    again.fit(digits[0][:140], digits[1][:140])
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))


def test_the_size_of_an_image_does_not_matter_but_that_of_its_pattern(fitted, digits):
    np.testing.assert_allclose(
        fitted.predict_proba(7.5 * digits[0][:5]), fitted.predict_proba(digits[0][:5]), atol=1e-6
    )
    torch.testing.assert_close(NormalisedFeatures(3.0)(torch.zeros(2, 4)), torch.zeros(2, 4))


def test_noise_of_the_chip_pulls_predictions_towards_one_half():
    """Depolarising noise on 3 qubits: values shrink, and the fidelities are those asked for."""
    settings = {"weights": np.linspace(0, 3, 36), "dtype": torch.float64}
    x = torch.rand(4, 36, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    clean = InterleavedModule(3, 2, readout=1, **settings).expectations(x)
    noisy = InterleavedModule(3, 2, readout=1, noise=superconducting_noise(0.99, 0.97), **settings).expectations(x)
    assert bool((noisy.abs() < clean.abs()).all())
    assert [r.channel.average_fidelity() for r in superconducting_noise(0.99, 0.97).rules] == pytest.approx(
        [0.99, 0.97]
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: interleaved_circuit(1), "2 to 20"),
        (lambda: interleaved_circuit(40), "2 to 20"),
        (lambda: interleaved_circuit("x"), "2 to 20"),
        (lambda: interleaved_circuit(4.5), "2 to 20"),
        (lambda: interleaved_circuit(4, 0), "blocks"),
        (lambda: interleaved_circuit(4, 10**9), "blocks"),
        (lambda: interleaved_circuit(4, couplings=[(0,)]), "coupling"),
        (lambda: interleaved_circuit(4, couplings=[("a", 1)]), "coupling"),
        (lambda: interleaved_circuit(4, couplings=[3]), "coupling"),
        (lambda: interleaved_circuit(4, sharing=3), "sharing"),
        (lambda: NormalisedFeatures("hot"), "temperature"),
        (lambda: interleaved_circuit(4, (3, -1)), "blocks"),
        (lambda: interleaved_circuit(4, "33"), "blocks"),
        (lambda: interleaved_circuit(4, sharing="shared"), "sharing"),
        (lambda: interleaved_circuit(4, couplings=[(0, 4)]), "coupling"),
        (lambda: InterleavedModule(4, readout=4, generator=torch.Generator()), "from 0 to 3"),
        (lambda: InterleavedModule(4, readout=-1, generator=torch.Generator()), "from 0 to 3"),
        (lambda: InterleavedModule(4, readout=1), "start values"),
        (lambda: InterleavedModule(2, 1, readout=0, generator=torch.Generator())(torch.zeros(1, 13)), "slots for 12"),
        (lambda: InterleavedClassifier(2, 1, readout=0).fit(np.ones((4, 5, 5)), [0, 1, 0, 1]), "slots for 12"),
        (lambda: InterleavedClassifier(2, 1, readout=2).fit(np.ones((4, 5)), [0, 1, 0, 1]), "readout"),
        (lambda: InterleavedClassifier(2, 1, readout=0).fit(np.ones((4, 5)), [0, 1, 2, 1]), "two labels"),
        (lambda: InterleavedClassifier(2, 1, readout=0).fit(np.ones((4, 5)), [1, 1, 1, 1]), "two labels"),
        (lambda: InterleavedClassifier(2, 1, readout=0, temperature=0).fit(np.ones((2, 5)), [0, 1]), "temperature"),
        (lambda: superconducting_noise(0.1), "fidelity"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, words):
    with pytest.raises(InvalidInput, match=words) as error:
        call()
    assert "\n" not in str(error.value)


def test_an_image_of_another_size_is_refused(fitted):
    with pytest.raises(InvalidInput, match="64 features"):
        fitted.predict(np.ones((1, 256)))


@parametrize_with_checks([InterleavedClassifier(3, 1, readout=1, epochs=25, learning_rate=0.1, dtype="float64")])
def test_scikit_learns_contract(estimator, check):
    check(estimator)


def test_a_saved_classifier_predicts_the_same_bits(fitted, digits, tmp_path):
    save(fitted, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(digits[0]), fitted.predict_proba(digits[0]))
    assert again.get_params() == fitted.get_params()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_gates():
    """Peak memory of values with gradients of 100 images, at 10 qubits: 260 angles and ten times as many, each in a process of its own."""
    code = (
        "import resource, sys, torch; torch.set_num_threads(1); from bitket.quantum.learning.interleaved import InterleavedModule;"
        "m = InterleavedModule(blocks=(13,) * int(sys.argv[1]), generator=torch.Generator().manual_seed(0));"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "m(torch.rand(100, 256)).sum().backward();"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    grown = [
        int(subprocess.run([sys.executable, "-c", code, n], capture_output=True, text=True, check=True).stdout)
        for n in ("1", "10")
    ]
    angles = 3 * 100 * 2600 * 8 / 1024  # inputs, their gradient and a copy, in KiB
    assert (
        grown[1] - grown[0] < 2 * angles + 8192
    )  # one state of all samples is 800 KiB: kept at each gate they would be 2 GiB


@pytest.mark.slow
def test_attacks_and_defences_of_the_ten_qubit_classifier():
    """Attacks need a third of noise's norm at most; training against them helps against fresh ones at little cost."""
    table = load_digits()
    data = two_classes(table.images, table.target, 1, 9)
    (x, y), (tests, truth) = split(data, 262, 100, np.random.default_rng(0))
    module = InterleavedModule(generator=torch.Generator().manual_seed(0))
    loss = torch.nn.functional.cross_entropy
    Training(epochs=10, batch_size=20, learning_rate=0.05).fit(
        module, loss, x, y, generator=torch.Generator().manual_seed(0)
    )
    clean = pgd(module, tests, truth, 0.0).accuracy
    assert clean >= 0.95
    directed = critical_budget(module, tests, truth, named_attack("pgd-l2"), start=0.05, tolerance=0.05)
    noise = named_attack("noise-l2", generator=torch.Generator().manual_seed(1))
    undirected = critical_budget(module, tests, truth, noise, start=0.5, largest=4.0)
    assert (undirected or 4.0) >= 3 * directed
    before = pgd(module, tests, truth, 0.05).accuracy
    trainer = AdversarialTrainer(Training(10, 50, learning_rate=0.05), partial(pgd, steps=4), 0.05)
    trainer.fit(module, x, y, generator=torch.Generator().manual_seed(2))
    assert pgd(module, tests, truth, 0.05).accuracy >= before + 0.2
    assert pgd(module, tests, truth, 0.0).accuracy >= clean - 0.03


def test_a_fitted_classifier_is_attacked_on_its_pixels_and_hardened(fitted, digits):
    x, y = digits[0][140:], digits[1][140:]
    result = pgd(fitted, x, y, 1.5, 8, bounds=(0, 16))
    assert float(result.x.min()) >= 0
    assert float(result.x.max()) <= 16
    assert result.accuracy <= fitted.score(x, y) - 0.2
    assert fitted.classes_[result.predicted.numpy()].tolist() == fitted.predict(result.x.numpy()).tolist()
    torch.testing.assert_close(
        fgsm(fitted, 3.0 * x, y, 0.3).path, fgsm(fitted, x, y, 0.1).path, rtol=0, atol=1e-5
    )  # only the pattern counts
    attack = partial(pgd, steps=4, bounds=(0, 16))
    before = copy.deepcopy(fitted.module_.state_dict())
    again = hardened(fitted, digits[0][:140], digits[1][:140], 1.0, attack)
    assert all(torch.equal(before[k], v) for k, v in fitted.module_.state_dict().items())
    harder, softer = (pgd(m, x, y, 1.0, 8, bounds=(0, 16)).accuracy for m in (again, fitted))
    assert harder >= softer + 0.1
    assert again.score(x, y) >= fitted.score(x, y) - 0.1
    images = digits[0][:30].reshape(-1, 8, 8)
    by_images = clone(fitted).set_params(epochs=1).fit(images, digits[1][:30])
    assert hardened(by_images, images, digits[1][:30], 1.0, attack).predict(images).shape == (30,)
