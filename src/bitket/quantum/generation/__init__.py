"""Circuit files made by a language model (KetGPT), and how near they are to the real ones."""

from bitket.quantum.generation.baseline import RandomCircuitBaseline, drawn_sizes
from bitket.quantum.generation.classifier import RealismClassifier
from bitket.quantum.generation.generator import CircuitGPT, GeneratorConfig, Perplexity
from bitket.quantum.generation.gpt import GPT2, GPTConfig
from bitket.quantum.generation.ngrams import NGramModel
from bitket.quantum.generation.sampling import Sampling
from bitket.quantum.generation.structure import METRICS, Structure, structure_metrics
from bitket.quantum.generation.tokenizers import GateTokenizer, LineTokenizer, Tokenizer
from bitket.quantum.generation.verification import (
    Memorisation,
    Validity,
    VerificationReport,
    canonical,
    memorisation,
    validity,
    verify,
)

__all__ = [
    "GPT2",
    "METRICS",
    "CircuitGPT",
    "GPTConfig",
    "GateTokenizer",
    "GeneratorConfig",
    "LineTokenizer",
    "Memorisation",
    "NGramModel",
    "Perplexity",
    "RandomCircuitBaseline",
    "RealismClassifier",
    "Sampling",
    "Structure",
    "Tokenizer",
    "Validity",
    "VerificationReport",
    "canonical",
    "drawn_sizes",
    "memorisation",
    "structure_metrics",
    "validity",
    "verify",
]
