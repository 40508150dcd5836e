import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bitket.errors import InvalidInput
from bitket.report import render, write_index, write_report
from bitket.report.html import figures_apart
from bitket.report.recorded import recorded
from bitket.runs import execute
from bitket.studies import load

STUDY = str(Path(__file__).parents[1] / "studies" / "estimating_pi.py")
VOID = {"meta", "br", "hr", "img", "link", "input", "path", "use", "rect", "stop", "image"}


class Page(HTMLParser):
    """Reads a page: its tags balance, and its ids, links, texts and attributes are kept."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.attributes, self.tags, self.text = [], [], [], Counter(), ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attributes]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += " " + data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    study = load(STUDY)
    folder = tmp_path_factory.mktemp("runs") / "r"
    execute(study, folder, seed=3, config=study.config("quick", {"needles": "37"}))
    return folder


def test_the_page_says_what_the_run_found(folder):
    page = Page(render(folder))
    result = json.loads((folder / "result.json").read_text())
    text = " ".join(page.text.split())
    for claim in result["claims"]:
        for part in (claim["text"], claim["reason"], claim["verdict"]):
            assert part in text
    for part in ("✓ reproduced", "✗ not reproduced", "○ not tested at this scale", "3.142", "1808 crossings"):
        assert part in text
    assert f"{result['claims'][0]['measured']:.4g}" in text
    for part in (
        "Mario Lazzarini",
        "Periodico di Matematica",
        "bitket run " + STUDY + " --scale quick --seed 3 --set needles=37",
        "@article{estimating-pi,",
        "Lazzarini's own number is too good to be true & <suspicious>.",
        'The estimate over throws & "π".',
        "Estimates <by> throws",
        "<script>alert(1)</script>",
        "[wooden] <b>",
    ):
        assert part in text, part
    assert re.search(r"needles 37 differs 100", text)
    assert re.search(r"pause 0\.0 0\.0", text)


def test_nothing_a_study_writes_becomes_markup(folder):
    page = Page(render(folder))
    assert page.tags["script"] == 0
    assert page.tags["b"] == 3  # the numbers of claims by verdict, and no other
    assert ("svg", "aria-label", 'The estimate over throws & "π".') in page.attributes


def test_the_page_needs_no_other_file(folder):
    text = render(folder)
    for tag, name, value in Page(text).attributes:
        if name in ("src", "href", "xlink:href", "data", "poster", "srcset"):
            assert value.startswith("#") or (tag == "a" and value.startswith("https://")), (tag, name, value)
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))


def test_ids_are_unique_and_references_lead_to_them(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "two")
    extras = json.loads((copy / "report.json").read_text())
    extras["figures"].append({"name": "again", "caption": "The same drawing once more."})
    (copy / "report.json").write_text(json.dumps(extras))
    shutil.copy(copy / "convergence.svg", copy / "again.svg")
    text = render(copy)
    ids = Counter(Page(text).ids)
    assert max(ids.values()) == 1
    references = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
    assert len(references) > 10
    assert references <= set(ids)


def test_the_page_is_the_same_each_time(folder):
    assert write_report(folder).read_text() == render(folder) == render(folder)


def test_the_list_of_runs_links_what_is_there_and_names_what_failed(folder):
    claims = {"reproduced": 2, "not reproduced": 0, "not tested at this scale": 1}
    good = {
        "study": "good",
        "title": "A <b> title",
        "folder": str(folder),
        "claims": claims,
        "seconds": 7265.0,
        "error": "",
    }
    bad = {"study": "bad", "title": "bad", "folder": "x/y", "claims": {}, "seconds": 0.0, "error": "Error: <gone>"}
    write_report(folder)
    text = write_index(folder.parent / "index.html", [good, bad]).read_text()
    page = Page(text)
    assert [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")] == ["r/report.html"]
    shown = " ".join(page.text.split())
    for part in ("A <b> title", "2 h 1 min", "✓ 2 reproduced", "! did not run: Error: <gone>", "○ 1 not tested"):
        assert part in shown, part
    assert "0 not reproduced" not in shown
    empty = write_index(folder.parent / "none.html", []).read_text()
    assert "No study has ended yet." in empty


def test_a_folder_without_a_finished_run_is_named(folder, tmp_path):
    with pytest.raises(InvalidInput, match=r"no result\.json here; the folder of a finished run is needed"):
        render(tmp_path)
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "convergence.svg").unlink()
    with pytest.raises(InvalidInput, match=r"convergence\.svg: this figure of the run is not there"):
        write_report(broken)
    (broken / "report.json").write_text("{}")
    with pytest.raises(InvalidInput, match=r"report\.json: not what a run writes; its paper is missing"):
        write_report(broken)


RECORDED = sorted((Path(__file__).parents[2] / "results").glob("*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_beside_a_quick_verdict_stands_that_of_the_recorded_full_run(folder, tmp_path, path):
    full = json.loads(path.read_text())
    assert recorded(path.stem) == full
    copy = shutil.copytree(folder, tmp_path / "quick")
    result = json.loads((copy / "result.json").read_text())
    claims = [
        claim | {"verdict": "not tested at this scale", "measured": None, "reason": "Too small."}
        for claim in full["claims"]
    ]
    (copy / "result.json").write_text(json.dumps(result | {"study": path.stem, "claims": claims}))
    text = " ".join(Page(render(copy)).text.split())
    for claim in full["claims"]:
        measured = "–" if claim["measured"] is None else f"{claim['measured']:.4g}"
        assert re.search(
            rf"Recorded full run {re.escape(measured)} (?:{re.escape(claim['unit'])} )?. {claim['verdict']}", text
        )
    counts = Counter(claim["verdict"] for claim in full["claims"])
    row = {"study": path.stem, "title": "t", "folder": str(copy), "claims": {}, "seconds": 1.0, "error": ""}
    shown = " ".join(Page(write_index(tmp_path / "index.html", [row]).read_text()).text.split())
    assert "recorded full run: " in shown
    assert all(f"{n} {word}" in shown for word, n in counts.items())
    (copy / "result.json").write_text(json.dumps(result | {"study": path.stem, "claims": claims, "scale": "full"}))
    assert "Recorded full run" not in Page(render(copy)).text


def test_a_study_of_ones_own_has_no_recorded_run(folder):
    assert recorded("estimating-pi") is None
    assert "Recorded full run" not in render(folder)


@pytest.mark.parametrize(
    ("reason", "parts"),
    [
        ("mean rank by error; a 2.7, b-c 2.9, d e 3.0, f 3.4",
         ["mean rank by error", [("a", "2.7"), ("b-c", "2.9"), ("d e", "3.0"), ("f", "3.4")]]),
        ("95 %: a: 2.8 +- 0.1; b: 3 +- 0.2; c: -1 ± 3; d: 1e-3; 2 is needed for each",
         ["95 %", [("a", "2.8 +- 0.1"), ("b", "3 +- 0.2"), ("c", "-1 ± 3"), ("d", "1e-3")], "2 is needed for each"]),
        ("a 1, b 2, c 3", ["a 1, b 2, c 3"]),
        ("A sentence, with commas, and no figures; nor rows.", ["A sentence, with commas, and no figures; nor rows."]),
        ("", []),
    ],
)  # fmt: skip
def test_rows_of_figures_become_tables(reason, parts):
    found = figures_apart(reason)
    assert [part.rstrip(":") if isinstance(part, str) else part for part in found] == parts


def test_no_figure_of_a_recorded_reason_is_lost():
    tables = 0
    for path in RECORDED:
        for claim in json.loads(path.read_text())["claims"]:
            found = figures_apart(claim["reason"])
            flat = " ".join(p if isinstance(p, str) else " ".join(f"{a} {b}" for a, b in p) for p in found)
            assert re.findall(r"[\w.+-]+", flat) == re.findall(r"[\w.+-]+", claim["reason"])
            tables += sum(not isinstance(p, str) for p in found)
    assert tables > 3
