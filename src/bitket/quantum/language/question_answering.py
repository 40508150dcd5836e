"""Answering questions by overlaps of circuits (Meichanetzidis et al. 2020, arXiv:2012.03756).

Statements about a few names are trained on their truth. "who loves Juliet" is the statement with its subject wire left open: a state q
of a noun and the sentence qubit. A candidate c answers it as well as c and q_true overlap,

    P(true | c) = |<c*|q_true>|² / Σ_t |<c*|q_t>|²,

and the overlap is measured by post-selection on the candidate's effect, or by a swap test on both states (2 P(0) - 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from bitket.errors import InvalidInput
from bitket.learning import Optimiser
from bitket.quantum.circuits import Circuit
from bitket.quantum.language.circuits import CircuitFunctor, IQPAnsatz, transposed
from bitket.quantum.language.diagram import Diagram, Word
from bitket.quantum.language.model import SentenceModel
from bitket.quantum.language.parser import PregroupParser
from bitket.quantum.language.rewriting import bend_nouns
from bitket.quantum.language.types import Ty
from bitket.quantum.simulation import probabilities

__all__ = ["QuestionAnswering"]

_N, _S = Ty("n"), Ty("s")


class QuestionAnswering:
    """Truth and questions over a fixed vocabulary.

    Parameters
    ----------
    names, intransitive, transitive
        Words: nouns, verbs without and with an object.
    ansatz
        With one qubit for s; by default IQP with two layers and one qubit a noun.
    optimiser, seed
        As of `SentenceModel`.
    """

    def __init__(
        self,
        names: Sequence[str],
        intransitive: Sequence[str] = (),
        transitive: Sequence[str] = (),
        *,
        ansatz: IQPAnsatz | None = None,
        optimiser: Optimiser | None = None,
        seed: int = 0,
    ) -> None:
        if not names or not (intransitive or transitive):
            raise InvalidInput("question answering: a name and a verb are needed")
        self.names, self.intransitive, self.transitive = tuple(names), tuple(intransitive), tuple(transitive)
        words = [*self.names, *self.intransitive, *self.transitive]
        if len(set(words)) < len(words):
            twice = next(w for w in words if words.count(w) > 1)
            raise InvalidInput(f"question answering: word '{twice}' is there twice; one word has one kind")
        tags = ((self.names, "N"), (self.intransitive, "IV"), (self.transitive, "TV"))
        self._parser = PregroupParser({w: tag for words, tag in tags for w in words})
        self._functor = CircuitFunctor(ansatz or IQPAnsatz(layers=2))
        if self._functor.ansatz.width(_S) != 1:
            raise InvalidInput("question answering: the ansatz must give s one qubit")
        self.model = SentenceModel(self._functor, optimiser, seed=seed)

    def statements(self) -> list[str]:
        """All statements of the vocabulary."""
        out = [f"{a} {v}" for a in self.names for v in self.intransitive]
        return out + [f"{a} {v} {b}" for a in self.names for v in self.transitive for b in self.names]

    def fit(self, facts: Mapping[str, bool]) -> QuestionAnswering:
        """Train on statements and their truth; words of the vocabulary that no statement has keep their random start."""
        for text, truth in facts.items():
            if truth not in (True, False):
                raise InvalidInput(f"question answering: '{text}' is {truth!r}; true or false is needed")
        diagrams = [self._diagram(text) for text in facts]
        every = [self._diagram(text) for text in self.statements()]
        self.model.fit(diagrams, [int(truth) for truth in facts.values()], extra=every)
        return self

    def _diagram(self, statement: str) -> Diagram:
        return bend_nouns(self._parser.parse(statement))

    def truth(self, statement: str) -> float:
        """Probability that a statement is true."""
        return float(self.model.predict_proba([self._diagram(statement)])[0, 1])

    def question(self, text: str) -> Diagram:
        """The diagram of ``who VERB`` or ``who VERB NAME``: from the unit to ``n.r·s``, the subject's wire open.

        Raises
        ------
        InvalidInput
            The question is of another form, or a word is not in the vocabulary.
        """
        words = text.rstrip("?").split()
        verbs = self.intransitive if len(words) == 2 else self.transitive
        if (
            len(words) not in (2, 3)
            or words[0].lower() != "who"
            or words[1] not in verbs
            or set(words[2:]) - {*self.names}
        ):
            raise InvalidInput(
                f"question '{text}': 'who VERB' or 'who VERB NAME' with words of the vocabulary is needed"
            )
        if len(words) == 2:
            return Diagram.id() >> Word(words[1], _N.r @ _S)
        return Word(words[1], _N.r @ _S @ _N.l) >> _N.r @ _S @ Word(words[2], _N, (1, 0))

    def overlap(
        self,
        question: str,
        candidate: str,
        value: bool = True,
        method: Literal["post-selection", "swap test"] = "post-selection",
    ) -> float:
        """|<c*|q_value>|², not normalised, of a candidate with a question.

        Raises
        ------
        InvalidInput
            Another method, a candidate that is no name, or a question of another form.
        """
        if candidate not in self.names or method not in ("post-selection", "swap test"):
            raise InvalidInput(
                f"overlap of '{candidate}' by '{method}': a name of the vocabulary and 'post-selection' or 'swap test' are needed"
            )
        asked = self._functor(self.question(question))
        *noun, sentence = asked.outputs
        width = len(noun)
        effect = transposed(self._functor.ansatz.state(f"{candidate}:{_N}", width))
        n = asked.circuit.num_qubits
        fixed = 0 if value else 1 << sentence  # all that is post-selected is 0, the sentence qubit tells the value
        kept = sum(1 << q for q in (*asked.postselected, sentence))
        if method == "post-selection":
            whole = asked.circuit.compose(effect, noun)
            kept |= sum(1 << q for q in noun)
            return self._share(whole, kept, fixed)
        swap = Circuit(n + width + 1).compose(asked.circuit, range(n))
        swap = swap.compose(effect.inverse(), range(n, n + width))  # prepares the conjugate of the candidate
        ancilla = n + width
        swap.h(ancilla)
        for k, q in enumerate(noun):
            swap.cswap(ancilla, q, n + k)
        swap.h(ancilla)
        return 2 * self._share(swap, kept | 1 << ancilla, fixed) - self._share(swap, kept, fixed)

    def _share(self, circuit: Circuit, mask: int, wanted: int) -> float:
        weights = self.model.save_weights()
        missing = [p.name for p in circuit.weights if p.name not in weights]
        if missing:
            raise InvalidInput("question answering: it has no weights yet; call fit")
        p = probabilities(circuit, [weights[q.name] for q in circuit.weights])
        return float(sum(p[k] for k in range(len(p)) if k & mask == wanted))

    def answer(
        self, question: str, method: Literal["post-selection", "swap test"] = "post-selection"
    ) -> list[tuple[str, float]]:
        """All names with the probability that they are an answer, the likeliest first."""
        found = []
        for name in self.names:
            yes, no = (self.overlap(question, name, value, method) for value in (True, False))
            found.append((name, yes / (yes + no) if yes + no > 0 else 0.5))
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))
