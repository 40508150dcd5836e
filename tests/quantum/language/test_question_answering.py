import pytest

from bitket.quantum.language.question_answering import QuestionAnswering

NAMES = ("Romeo", "Juliet", "Paris")
FACTS = {
    "Romeo loves Juliet": True,
    "Juliet loves Romeo": True,
    "Paris loves Juliet": True,
    "Romeo loves Paris": False,
    "Juliet loves Paris": False,
    "Paris loves Romeo": False,
    "Romeo loves Romeo": False,
    "Juliet loves Juliet": False,
    "Paris loves Paris": False,
    "Romeo dies": True,
    "Juliet dies": True,
    "Paris dies": True,
}


@pytest.fixture(scope="module")
def trained():
    return QuestionAnswering(NAMES, ["dies"], ["loves"], seed=1).fit(FACTS)


def test_both_ways_to_measure_an_overlap_agree(trained):
    for question in ("who dies", "who loves Juliet", "who loves Paris?"):
        for name in NAMES:
            for value in (True, False):
                direct = trained.overlap(question, name, value)
                assert trained.overlap(question, name, value, "swap test") == pytest.approx(direct, abs=1e-12)


def test_an_answer_is_the_truth_of_the_statement(trained):
    for name, p in trained.answer("who loves Juliet"):
        assert p == pytest.approx(trained.truth(f"{name} loves Juliet"), abs=1e-6)
    assert dict(trained.answer("who dies", "swap test")) == pytest.approx(
        {n: trained.truth(f"{n} dies") for n in NAMES}, abs=1e-6
    )


def test_facts_are_learned(trained):
    right = sum((trained.truth(text) > 0.5) == truth for text, truth in FACTS.items())
    assert right >= 10
    assert len(trained.statements()) == len(FACTS)


def test_other_questions_are_refused(trained):
    for question in ("when dies Romeo", "who hates Juliet", "who loves Mercutio"):
        with pytest.raises(ValueError, match="words of the vocabulary"):
            trained.answer(question)
    with pytest.raises(ValueError, match="call fit"):
        QuestionAnswering(NAMES, ["dies"]).answer("who dies")
    with pytest.raises(ValueError, match="word 'Romeo' is there twice"):
        QuestionAnswering(NAMES, ["Romeo"])
    for facts, message in (
        ({"Romeo dies": "yes"}, "'Romeo dies' is 'yes'; true or false"),
        ({"Romeo dies": True}, "one class of labels"),
        ({}, "0 diagrams"),
        ({"Romeo lives": True, "Romeo dies": False}, "word 'lives'"),
    ):
        with pytest.raises(ValueError, match=message):
            QuestionAnswering(NAMES, ["dies"]).fit(facts)
    with pytest.raises(ValueError, match="a name and a verb"):
        QuestionAnswering([], ["dies"])
