import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitket.errors import InvalidInput
from bitket.runs import Claim, Paper, Verdict
from bitket.runs.claim import WORDS, judged


def verdict(judge, metrics, config=None):
    entry = judged(Claim("c", "text", 1.5, judge, "s"), metrics, config)
    assert list(entry) == ["id", "text", "paper", "measured", "unit", "verdict", "reason"]
    assert (entry["id"], entry["text"], entry["paper"], entry["unit"]) == ("c", "text", 1.5, "s")
    return entry["verdict"], entry["measured"], entry["reason"]


@given(st.floats(), st.floats())
def test_a_verdict_follows_the_metric_and_never_passes_what_is_not_finite(value, bound):
    word, measured, _ = verdict(lambda m, c: Verdict.of(m["x"], not m["x"] > c, "r"), {"x": value}, bound)
    if math.isfinite(value):
        assert (word, measured) == ("not reproduced" if value > bound else "reproduced", value)
    else:
        assert (word, measured) == ("not reproduced", None)


def test_a_missing_metric_is_not_tested():
    word, measured, reason = verdict(lambda m, c: Verdict.of(m["y"], True, ""), {"x": 1.0})
    assert (word, measured, reason) == ("not tested at this scale", None, "the run has no metric 'y'")
    assert verdict(lambda m, c: Verdict.of(1.0, "y" not in m and "x" in m, ""), {"x": math.nan})[0] == "reproduced"


@pytest.mark.parametrize(
    ("judge", "word", "reason"),
    [
        (lambda m, c: Verdict.untested("needs 5"), "not tested at this scale", "needs 5"),
        (lambda m, c: Verdict.of(1 / 0, True, ""), "not tested at this scale", "the judge failed: ZeroDivisionError"),
        (lambda m, c: True, "not tested at this scale", "the judge returned a bool, not a verdict"),
        (
            lambda m, c: Verdict("reproduced", None, "so"),
            "not tested at this scale",
            "the judge named no measured value",
        ),
        (lambda m, c: Verdict.of(math.inf, True, "so"), "not reproduced", "measured inf; so"),
        (lambda m, c: Verdict.of(m["bad"], True, ""), "not reproduced", "metric 'bad' is nan"),
        (lambda m, c: Verdict.of(m.get("none", 2.0), c == 7, ""), "reproduced", ""),
    ],
)
def test_judges_cannot_pass_by_accident(judge, word, reason):
    found, _, why = verdict(judge, {"bad": math.nan}, 7)
    assert found == word
    assert found in WORDS
    assert why.startswith(reason)


def test_bibtex_names_the_kind_of_publication():
    article = Paper("a", "On R&D of 50 %", ("A. One", "B. Two"), 2001, journal="J. Tests", volume="2", doi="10.1/x_y")
    assert article.bibtex().splitlines() == [
        "@article{a,",
        "  title = {{On R\\&D of 50 \\%}},",
        "  author = {A. One and B. Two},",
        "  year = {2001},",
        "  journal = {J. Tests},",
        "  volume = {2},",
        "  doi = {10.1/x_y}",
        "}",
    ]
    assert Paper("b", "T", ("A",), 2001, booktitle="Proc.").bibtex().startswith("@inproceedings{b,")
    preprint = Paper("c-d", "T", ("A",), 2001, arxiv="2001.1").bibtex()
    assert preprint.startswith("@misc{c-d,")
    assert "eprint = {2001.1}" in preprint
    assert "archivePrefix = {arXiv}" in preprint


@pytest.mark.parametrize("key", ["", "Two Words", "under_score", "a--b", "Über"])
def test_a_bad_key_is_refused(key):
    with pytest.raises(InvalidInput, match="lower-case words joined by hyphens"):
        Paper(key, "T", ("A",), 2001)


def test_authors_in_one_text_are_refused():
    with pytest.raises(InvalidInput, match="a title and a tuple of authors"):
        Paper("k", "T", "A. One", 2001)
