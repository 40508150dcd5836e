import pytest
import torch

from bitket.errors import InvalidInput
from bitket.quantum.generation import GPT2, GPTConfig
from bitket.quantum.generation.gpt import Cache

CONFIG = GPTConfig(vocabulary=97, width=48, layers=3, heads=4, context=64)


def model(seed=0):
    out = GPT2(CONFIG, torch.Generator().manual_seed(seed)).eval()
    with torch.no_grad():
        for p in out.parameters():
            p.mul_(5)  # logits of order one
    return out


def ids(batch, length, seed=1):
    return torch.randint(97, (batch, length), generator=torch.Generator().manual_seed(seed))


def test_no_token_changes_a_score_before_it():
    m, x = model(), ids(2, 40)
    scores = m(x)
    for t in (0, 7, 39):
        y = x.clone()
        y[:, t] = (y[:, t] + 1) % 97
        other = m(y)
        assert torch.equal(other[:, :t], scores[:, :t])
        assert (other[:, t:] != scores[:, t:]).any()


@pytest.mark.parametrize("cuts", [(40,), (1,) * 40, (3, 1, 1, 20, 15)])
def test_a_cache_changes_no_score(cuts):
    m, x = model().double(), ids(3, 40)
    cache = Cache(CONFIG, 3, m.wte.weight)
    parts = [m(part, cache) for part in x.split(cuts, dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), m(x), rtol=1e-12, atol=1e-12)
    assert cache.length == 40


def test_sequences_leave_a_cache():
    m, x = model().double(), ids(3, 20)
    cache = Cache(CONFIG, 3, m.wte.weight)
    m(x[:, :12], cache)
    cache.select(torch.tensor([2, 0]))
    torch.testing.assert_close(m(x[[2, 0], 12:], cache), m(x[[2, 0]])[:, 12:], rtol=1e-12, atol=1e-12)


def test_seeds_decide_weights():
    assert torch.equal(model(3).wte.weight, model(3).wte.weight)
    assert not torch.equal(model(3).wte.weight, model(4).wte.weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 5}, "heads that divide the width"),
        ({"layers": 0}, "positive numbers"),
        ({"dropout": 1.0}, "dropout 1.0"),
    ],
)
def test_sizes_that_cannot_be(settings, message):
    with pytest.raises(InvalidInput, match=message):
        GPTConfig(vocabulary=9, **settings)


def test_the_context_is_not_overrun():
    m = model()
    with pytest.raises(InvalidInput, match="65 tokens: the context holds 64"):
        m(ids(1, 65))
    cache = Cache(CONFIG, 1, m.wte.weight)
    m(ids(1, 60), cache)
    with pytest.raises(InvalidInput, match="65 tokens: the context holds 64"):
        m(ids(1, 5), cache)


def test_weights_of_other_sizes_are_refused():
    weights = model().state_dict()
    with pytest.raises(InvalidInput, match=r"'wte.weight' is missing; \[97, 48\] is needed"):
        model().load_transformers({k: v for k, v in weights.items() if k != "wte.weight"})
