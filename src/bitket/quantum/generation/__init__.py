"""Circuit files made by a language model (KetGPT), and how near they are to the real ones."""

from bitket.quantum.generation.baseline import RandomCircuitBaseline, drawn_sizes
from bitket.quantum.generation.classifier import RealismClassifier
from bitket.quantum.generation.generator import CircuitGPT, GeneratorConfig, Perplexity
from bitket.quantum.generation.gpt import GPT2, GPTConfig
from bitket.quantum.generation.negatives import NEGATIVES, histogram_matched, negatives, rewired, shuffled
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
from bitket.quantum.generation.wiring import WiringClassifier

__all__ = [
    "GPT2",
    "METRICS",
    "NEGATIVES",
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
    "WiringClassifier",
    "canonical",
    "drawn_sizes",
    "histogram_matched",
    "memorisation",
    "negatives",
    "rewired",
    "shuffled",
    "structure_metrics",
    "validity",
    "verify",
]
