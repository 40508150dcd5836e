import numpy as np
import pytest
import torch

from bitket.data.circuits import QasmCorpus
from bitket.learning import Training
from bitket.quantum.generation import CircuitGPT, GeneratorConfig

EPOCHS = {"line": 20, "gate": 6}


@pytest.fixture(scope="session")
def corpus():
    pytest.importorskip("mqt.bench")
    return QasmCorpus.from_mqt_bench(qubits=range(2, 8), max_lines=128)


@pytest.fixture(scope="session")
def parts(corpus):
    return corpus.split(0.15, np.random.default_rng(0))


@pytest.fixture(scope="session")
def trained(parts):
    """Generators of lines and of gates, trained for a few seconds."""
    out = {}
    for kind, context in (("line", 128), ("gate", 512)):
        out[kind] = CircuitGPT(GeneratorConfig(64, 2, 2, context, 0.1, kind))
        training = Training(
            EPOCHS[kind], batch_size=8, optimiser="adamw", learning_rate=2e-3, decay="cosine", largest_gradient=1.0
        )
        out[kind].fit(parts[0], training, generator=torch.Generator().manual_seed(0))
    return out
