"""Language: pregroup grammar, diagrams, rewrites, and their meanings as tensors and circuits (Coecke et al. 2020, arXiv:2012.03755)."""

from typing import TYPE_CHECKING, Any

from bitket.quantum.language.circuits import (
    CircuitFunctor,
    IQPAnsatz,
    SentenceCircuit,
    Sim14Ansatz,
    Sim15Ansatz,
    StronglyEntanglingAnsatz,
)
from bitket.quantum.language.datasets import (
    LabelledSentences,
    mc_dataset,
    mc_lexicon,
    read_sentences,
    rp_dataset,
    rp_lexicon,
)
from bitket.quantum.language.diagram import Box, Cap, Cup, Diagram, Spider, Swap, Word
from bitket.quantum.language.parser import Lexicon, ParseError, PregroupParser
from bitket.quantum.language.readers import bag_of_words, word_sequence
from bitket.quantum.language.rewriting import bend_nouns, curry, remove_cups, wire_determiners, wire_pronouns
from bitket.quantum.language.tensors import TensorFunctor
from bitket.quantum.language.types import Ty

if TYPE_CHECKING:
    from bitket.quantum.language.model import SentenceModel
    from bitket.quantum.language.question_answering import QuestionAnswering

__all__ = [
    "Box",
    "Cap",
    "CircuitFunctor",
    "Cup",
    "Diagram",
    "IQPAnsatz",
    "LabelledSentences",
    "Lexicon",
    "ParseError",
    "PregroupParser",
    "QuestionAnswering",
    "SentenceCircuit",
    "SentenceModel",
    "Sim14Ansatz",
    "Sim15Ansatz",
    "Spider",
    "StronglyEntanglingAnsatz",
    "Swap",
    "TensorFunctor",
    "Ty",
    "Word",
    "bag_of_words",
    "bend_nouns",
    "curry",
    "mc_dataset",
    "mc_lexicon",
    "read_sentences",
    "remove_cups",
    "rp_dataset",
    "rp_lexicon",
    "wire_determiners",
    "wire_pronouns",
    "word_sequence",
]


def __getattr__(name: str) -> Any:
    if name == "SentenceModel":  # torch is imported only when something is trained
        from bitket.quantum.language.model import SentenceModel

        return SentenceModel
    if name == "QuestionAnswering":
        from bitket.quantum.language.question_answering import QuestionAnswering

        return QuestionAnswering
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
