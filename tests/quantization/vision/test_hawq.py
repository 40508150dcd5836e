import pytest
import torch
from torch import nn

from bitket.errors import InvalidInput
from bitket.learning.training import Training
from bitket.quantization import config_from_json, config_to_json, deploy, quantize
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.grids import rounded, scales_of
from bitket.quantization.vision.bit_plan import apply_plan, edges, weight_problem, weight_schemes
from bitket.quantization.vision.fine_tuning import fine_tune_in_order, staged
from bitket.quantization.vision.hawq import Hawq, block_order, blocks_of, decide, plan_hawq, tuning_order
from bitket.quantization.vision.hawq_v2 import HawqV2, input_frontier, plan_hawq_v2
from bitket.quantization.vision.networks import BasicBlock, resnet8
from bitket.quantization.vision.simulation import (
    calibrate,
    enable,
    input_perturbation,
    input_scheme,
    layers_of,
    readers,
    simulate,
    weight_scheme,
)

LOSS = nn.functional.cross_entropy


@pytest.fixture(scope="module")
def small():
    """A ResNet8 of width 4 that has seen 60 images, and these."""
    generator = torch.Generator().manual_seed(0)
    model = resnet8(4, classes=3, channels=1, generator=generator)
    y = torch.randint(3, (60,), generator=generator)
    x = torch.randn(60, 1, 8, 8, generator=generator) + y[:, None, None, None]
    Training(8, batch_size=20, learning_rate=0.02).fit(model, LOSS, x, y, generator=generator)
    return model.eval(), x, y


def batches(x, y, size=30):
    return list(zip(x.split(size), y.split(size), strict=True))


def test_simulated_networks_round_weights_and_inputs(small):
    model, x, _ = small
    name = "stages.1.0.conv1"
    made = simulate(model, {name: weight_scheme(3)})
    layer, scheme = model.get_submodule(name), weight_scheme(3)
    assert torch.equal(made.get_submodule(name).weight, rounded(layer.weight, scheme, *scales_of(layer.weight, scheme)))
    assert torch.equal(made.conv.weight, model.conv.weight)
    assert all(len(row.unique()) <= 8 for row in made.get_submodule(name).weight.flatten(1))
    seen = []
    both = simulate(model, {}, {name: input_scheme(2)})
    both.get_submodule(f"{name}.input_grid").register_forward_hook(lambda m, a, out: seen.append((a[0], out)))
    assert torch.equal(both(x), model(x))  # not calibrated: it does not act
    calibrate(both, [x[:30], x[30:]])
    seen.clear()
    both(x)
    before, after = (t.detach() for t in seen[-1])
    assert len(after.unique()) <= 4
    assert float(after.max()) == pytest.approx(float(before.max()), rel=0.3)
    enable(both, [name], on=False)
    assert torch.equal(both(x), model(x))


def test_perturbations_of_inputs_are_those_of_the_simulated_network(small):
    model, x, _ = small
    layers = layers_of(model)
    schemes = {n: {2: input_scheme(2), 8: input_scheme(8)} for n in layers}
    table = input_perturbation(model, schemes, [x[:20], x[20:]])
    for n in layers:
        made = simulate(model, {}, {n: input_scheme(2)})
        calibrate(made, [x[:20], x[20:]])
        seen = []
        made.get_submodule(f"{n}.input_grid").register_forward_hook(
            lambda m, a, out, seen=seen: seen.append(out - a[0])
        )
        made(x)
        assert table[n][2] == pytest.approx(float(seen[0].detach().square().sum()) / len(x), rel=1e-4)
        assert table[n][8] < table[n][2]


def test_layers_that_read_one_tensor_are_found(small):
    model, x, _ = small
    found = readers(model, layers_of(model), x[:2])
    assert found == [[f"stages.{k}.0.conv1", f"stages.{k}.0.skip.0"] for k in (1, 2)]


def test_a_plan_meets_its_budget_and_keeps_to_the_order(small):
    model, x, y = small
    config = Hawq((2, 4, 8), budget="10x", blocks=blocks_of(model, BasicBlock), tolerance=1e-4, max_iterations=300)
    plan = plan_hawq(model, config, batches(x, y))
    weights = {n: model.get_submodule(n).weight.numel() for n in layers_of(model)}
    assert plan.allocation.costs["codes"] <= 4 * sum(weights.values()) / 10
    assert plan.weight_bits["conv"] == plan.weight_bits["head"] == 8
    assert set(plan.input_bits.values()) == {4, 8}
    inner = [n for n in plan.weight_bits if n not in ("conv", "head")]
    ordered = sorted(inner, key=lambda n: -plan.sensitivity[n])
    bits = [plan.weight_bits[n] for n in ordered]
    assert bits == sorted(bits, reverse=True)
    assert len({plan.weight_bits[n] for n in inner if n.startswith("stages.2")}) == 1  # one block, one width
    assert sorted(plan.order) == sorted(weights)
    # every assignment that does not rise along the order, by brute force
    problem, blocks = plan.allocation.problem, [k for k in config.blocks if k not in ("conv", "head")]
    blocks.sort(key=lambda b: -plan.sensitivity[config.blocks[b][0]])
    best = float("inf")
    for a in (8, 4, 2):
        for b in (8, 4, 2):
            for c in (8, 4, 2):
                if a >= b >= c:
                    chosen = problem.allocation(
                        {n: w for k, w in zip(blocks, (a, b, c), strict=True) for n in config.blocks[k]}
                    )
                    if chosen.costs["codes"] <= problem.bounds()["codes"]:
                        best = min(best, chosen.harm)
    assert plan.allocation.harm == pytest.approx(best)
    rows = plan.rows()
    assert [r["layer"] for r in rows] == list(plan.weight_bits)
    assert sorted(r["fine-tuned"] for r in rows) == list(range(1, len(rows) + 1))


def test_the_second_version_is_best_of_all_and_says_what_an_order_would_cost(small):
    model, x, y = small
    config = HawqV2((2, 4, 8), "mixed", "50 %", mean_activation_bits=4.5, tolerance=0.2, max_probes=20)
    plan = plan_hawq_v2(model, config, batches(x, y, 60))
    size = plan.allocation.costs["size"]
    low, high = plan.allocation.problem.reach("size")
    assert low <= size <= (low + high) / 2
    assert any("restricted to the order of the traces" in note for note in plan.notes)
    # input widths: those that read one tensor agree, the mean over values is within its limit
    assert plan.input_bits["stages.1.0.conv1"] == plan.input_bits["stages.1.0.skip.0"]
    points = input_frontier(model, config, batches(x, y, 60), LOSS, torch.Generator().manual_seed(1))
    assert points.cost[-1] <= 4.5
    made = apply_plan(model, plan, [x])
    assert sum(isinstance(m, FakeQuantize) for m in made.modules()) == 2 * len(layers_of(model))
    eight = plan_hawq_v2(model, HawqV2((8,), 8, "4x", tolerance=0.1, max_probes=10, mode="joint"), batches(x, y, 60))
    assert set(eight.weight_bits.values()) == {8}
    close = apply_plan(model, eight, [x])
    assert float((close(x).argmax(1) == model(x).argmax(1)).double().mean()) > 0.95


def test_sizes_count_everything(small):
    model, _, _ = small
    layers = [n for n in layers_of(model) if n not in ("conv", "head")]
    schemes = weight_schemes(layers, (4,))
    problem = weight_problem(model, {n: {4: 1.0} for n in layers}, schemes, None, edges(model, 8))
    found = problem.allocation(dict.fromkeys(layers, 4))
    expected = 0.0
    for name, p in model.named_parameters():
        if p.dim() > 1:
            bits, rows = (8 if name in ("conv.weight", "head.weight") else 4), p.shape[0]
            expected += rows * -(-p[0].numel() * bits // 8) + 4 * rows + rows  # codes, scales, zero points of a byte
        else:
            expected += 4 * p.numel()
    assert found.costs["size"] == expected


@pytest.mark.parametrize("order", ["descending", "ascending"])
def test_fine_tuning_goes_stage_by_stage_and_resumes(small, order, tmp_path):
    model, x, y = small
    plan = decided(model)
    training = Training(2, 20, "sgd", 0.01, momentum=0.9, checkpoint_every=1)
    options = {"training": training, "stages": 3, "x": x, "y": y, "order": order}
    whole = apply_plan(model, plan, [x], generator=torch.Generator().manual_seed(3), **options)
    names = list(plan.order) if order == "descending" else list(plan.order)[::-1]
    made = simulate(model, {n: weight_scheme(4) for n in names}, {n: input_scheme(4) for n in names})
    acting = []

    class Killed(Exception):
        pass

    def watch(stage, epoch, value):
        grids = [n for n in names if made.get_submodule(n).input_grid.enabled]
        acting.append(len(grids))
        if len(acting) == 4:
            raise Killed

    stages = staged(names, 3)
    arguments = (stages, training, LOSS, x, y)
    with pytest.raises(Killed):
        fine_tune_in_order(
            made,
            *arguments,
            calibration=[x],
            generator=torch.Generator().manual_seed(3),
            folder=tmp_path,
            callback=watch,
        )
    assert acting == [len(stages[0])] * 2 + [len(stages[0]) + len(stages[1])] * 2
    again = simulate(model, {n: weight_scheme(4) for n in names}, {n: input_scheme(4) for n in names})
    history = fine_tune_in_order(
        again, *arguments, calibration=[x], generator=torch.Generator().manual_seed(99), folder=tmp_path
    )
    assert len(history) == 6
    assert not again.training
    if order == "descending":
        assert torch.equal(whole(x), again(x))


def decided(model):
    """Four bits everywhere, ordered by the layers' sizes."""
    from bitket.quantization.sensitivity import Eigenvalues

    found = {
        n: Eigenvalues((1.0 + k,), torch.ones(1, model.get_submodule(n).weight.numel()), (1,), (0.0,))
        for k, n in enumerate(layers_of(model))
    }
    return decide(model, Hawq((4,), 4, "4x", edge_bits=None), found)


@pytest.mark.filterwarnings("ignore:the deployed network takes")
def test_the_verb_runs_both_versions(small):
    model, x, _ = small
    agreed = {}
    for config in (
        Hawq((2, 4, 8), 8, "8x", max_iterations=20),
        HawqV2((2, 4, 8), 8, "50 %", tolerance=0.5, max_probes=10),
    ):
        assert config_from_json(config_to_json(config)) == config
        made = quantize(model, config, [x[:30], x[30:]], progress=False)
        assert torch.equal(deploy(made)(x), made(x))
        schemes = {p.layer: p.scheme.bits for p in made.places.select("weight")}
        assert {g: schemes[g] for g in made.allocation.choices} == dict(made.allocation.choices)
        sizes = {row["group"]: row["size"] for row in made.allocation.rows()}
        stored = (
            {row.layer: row.bytes for row in made.report.layers} if hasattr(made.report.layers[0], "layer") else None
        )
        assert stored is None or all(stored[g] == size for g, size in sizes.items())
        agreed[type(config).__name__] = float((made(x).argmax(1) == model(x).argmax(1)).double().mean())
    assert min(agreed.values()) > 0.8
    with pytest.raises(InvalidInput, match="batches of one tensor and a network that gives logits"):
        quantize(nn.Sequential(nn.Conv2d(1, 2, 3)).eval(), Hawq(), [x], progress=False)


def test_orders():
    assert block_order({"a": 1, "b": 3, "c": 2}) == tuning_order({"a": 1, "b": 3, "c": 2}) == ["b", "c", "a"]
    assert staged(list("abcde"), 9) == [["a"], ["b"], ["c"], ["d"], ["e"]]


def test_what_cannot_be_done_is_refused(small):
    model, x, y = small
    data = batches(x, y)
    cases = [
        (lambda: Hawq(bits=()), r"hawq: bits \(\)"),
        (lambda: HawqV2(bits=(4, 4)), "hawq-v2: bits"),
        (lambda: plan_hawq(model, Hawq(blocks={"a": ["conv"]}), data), "blocks must hold every"),
        (
            lambda: plan_hawq(model, Hawq(budget="1 kB", max_iterations=2), data),
            "limit on size: 1000 cannot be met; the smallest",
        ),
        (
            lambda: plan_hawq(model, Hawq(budget="40x", max_iterations=2), data),
            "limit on codes: .* the smallest that can be reached is",
        ),
        (lambda: plan_hawq(model, Hawq(budget="0x", max_iterations=2), data), "compression by 0; a number from 1"),
        (lambda: plan_hawq(model, Hawq(budget="much", max_iterations=2), data), "limit 'much'"),
        (lambda: simulate(model, {"conv9": weight_scheme(4)}), "no layer 'conv9'"),
        (lambda: simulate(model, {"relu": weight_scheme(4)}), "layer 'relu' has no weight"),
        (lambda: simulate(simulate(model, {"conv": weight_scheme(4)}), {}), "quantised already"),
        (lambda: calibrate(simulate(model, {}, {"conv": input_scheme(4)}), []), "there is no batch"),
        (
            lambda: calibrate(simulate(model, {}, {"conv": input_scheme(4)}), [x * float("nan")]),
            "input of layer 'conv'",
        ),
        (lambda: apply_plan(model, decided(model), [x], training=Training(1)), "needs images, labels and a generator"),
        (
            lambda: fine_tune_in_order(
                model, [["conv"], ["conv"]], Training(1), LOSS, x, y, calibration=[x], generator=None
            ),
            "exactly one stage",
        ),
    ]
    for act, message in cases:
        with pytest.raises(InvalidInput, match=message):
            act()
