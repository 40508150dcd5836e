"""Our GPT-2 beside that of transformers: same weights, same scores."""

import pytest
import torch

from bitket.quantum.generation import GPT2, GPTConfig
from bitket.quantum.generation.gpt import Cache

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize(
    ("vocabulary", "width", "layers", "heads", "context"), [(503, 64, 2, 4, 96), (2000, 768, 3, 4, 256)]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_weights_give_the_same_scores(vocabulary, width, layers, heads, context, seed):
    sizes = {"vocab_size": vocabulary, "n_embd": width, "n_layer": layers, "n_head": heads, "n_positions": context}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes)).eval()
        with torch.no_grad():
            for p in theirs.parameters():
                p.add_(torch.randn_like(p) * 0.05)  # biases and norms, which begin at zero and one, too
        x = torch.randint(vocabulary, (3, context - 7))
    ours = GPT2(GPTConfig(vocabulary, width, layers, heads, context)).eval()
    ours.load_transformers(theirs.state_dict())
    with torch.inference_mode():
        expected = theirs(x).logits
        assert (ours(x) - expected).abs().max() < 1e-4
        cache = Cache(ours.config, 3, ours.wte.weight)
        stepped = torch.cat([ours(x[:, :50], cache), *(ours(x[:, k : k + 1], cache) for k in range(50, x.shape[1]))], 1)
        assert (stepped - expected).abs().max() < 1e-4
