"""Language on quantum circuits: pregroup grammar, diagrams, their rewriting, their meanings as tensors and as circuits, and training."""

from bitket.quantum.language.circuits import CircuitFunctor, IQPAnsatz, SentenceCircuit
from bitket.quantum.language.corpora import MEALS_PARSER, Corpus, meals_and_code, read_labelled, relative_clauses
from bitket.quantum.language.diagram import Box, Diagram, Word, cap, cup, spider, swap
from bitket.quantum.language.model import SentenceModel, grammar_reader, read_as_bag, read_as_sequence
from bitket.quantum.language.parsing import CATEGORIES, PregroupParser
from bitket.quantum.language.rewriting import bend_nouns, functional_words
from bitket.quantum.language.tensors import TensorFunctor
from bitket.quantum.language.types import GrammarError, Simple, Ty

__all__ = [
    "CATEGORIES",
    "MEALS_PARSER",
    "Box",
    "CircuitFunctor",
    "Corpus",
    "Diagram",
    "GrammarError",
    "IQPAnsatz",
    "PregroupParser",
    "SentenceCircuit",
    "SentenceModel",
    "Simple",
    "TensorFunctor",
    "Ty",
    "Word",
    "bend_nouns",
    "cap",
    "cup",
    "functional_words",
    "grammar_reader",
    "meals_and_code",
    "read_as_bag",
    "read_as_sequence",
    "read_labelled",
    "relative_clauses",
    "spider",
    "swap",
]
