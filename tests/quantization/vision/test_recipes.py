import pytest
import torch

from bitket.errors import InvalidInput
from bitket.quantization.vision import recipes
from bitket.quantization.vision.recipes import RECIPES, accuracy, pretrained, train


def test_the_shipped_network_knows_its_digits():
    network, images = pretrained("resnet20-digits"), RECIPES["resnet20-digits"].images()
    assert (len(images.x), len(images.test_x)) == (1200, 597)
    assert not network.training
    assert accuracy(network, images.test_x, images.test_y) > 0.95
    assert float(images.x.mean()) == pytest.approx(0, abs=1e-5)
    assert float(images.x.std()) == pytest.approx(1, abs=1e-5)


def test_the_shipped_network_knows_clothes():
    try:
        images = RECIPES["resnet20-fashion"].images()
    except InvalidInput as error:
        pytest.skip(str(error))
    few = images.first(10, 1000)
    assert few.x.shape == (10, 1, 28, 28)
    assert accuracy(pretrained("resnet20-fashion"), few.test_x, few.test_y) > 0.9


def test_every_shipped_file_is_small_and_named_after_a_recipe():
    files = list(recipes._WEIGHTS.iterdir())
    assert {f.stem for f in files} < set(RECIPES)
    assert all(f.stat().st_size < 400_000 for f in files)


def test_a_recipe_trains_and_its_seed_fixes_the_weights(tmp_path):
    recipe = recipes.Recipe(
        "digits",
        lambda g: recipes.resnet20(4, channels=1, generator=g),
        recipes.Training(2, learning_rate=0.05, batch_size=100, checkpoint_every=1),
    )
    images = recipe.images().first(200, 50)
    one, two, other = (train(recipe, images, seed) for seed in (None, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert not torch.equal(one.head.weight, other.head.weight)
    assert not one.training


def test_networks_that_do_not_come_trained_are_refused():
    for name in ("resnet20-wide", "lenet"):
        with pytest.raises(InvalidInput, match=f"'{name}' does not come trained; there are resnet20-digits"):
            pretrained(name)
