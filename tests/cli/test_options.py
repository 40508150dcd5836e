"""The options of all verbs, walked: ranges, choices, words in the help."""

import typing
from pathlib import Path

import pytest
from tests.cli.walk import verbs

from bitket.cli import options

NUMBERS = ["nan", "inf", "-inf", "1e999", "-1e30", "9" * 20, "-" + "9" * 20, "9" * 5000, "", "x", "0x10", "1,5"]
FRACTIONS = ["0.5", "1.5", "1e3"]


def parameters():
    return [(verb, p) for verb, command in verbs().items() for p in command.params]


def range_of(parameter):
    found = parameter.type_descriptor.parameter_info.parser
    return found if isinstance(found, options.Range) else None


NUMERIC = [(verb, p) for verb, p in parameters() if range_of(p)]


def test_every_number_has_its_range_from_the_table():
    for verb, p in parameters():
        kind = p.type_descriptor.annotation
        assert (kind in (int, float)) == (range_of(p) is not None), (verb, p.name)
        assert range_of(p) is None or range_of(p) in options.RANGES.values()
        assert range_of(p) is None or range_of(p).whole == (kind is int), (verb, p.name)
    assert {id(range_of(p)) for _, p in NUMERIC} | {id(options.RANGES["coherence"])} == set(
        map(id, options.RANGES.values())
    )


@pytest.mark.parametrize(("verb", "parameter"), NUMERIC, ids=[f"{v} {p.opts[0]}" for v, p in NUMERIC])
def test_a_wrong_number_is_one_line_and_status_2(bitket, tmp_path, monkeypatch, verb, parameter):
    monkeypatch.chdir(tmp_path)
    r, name = range_of(parameter), parameter.opts[0]
    needed = [p for p in verbs()[verb].params if p.required]

    def line(bad):
        """The number before all else that is wrong."""
        if parameter.param_type_name == "option":
            rest = [w for p in needed for w in ([p.opts[0], "x"] if p.param_type_name == "option" else ["x"])]
            return [name, bad, *rest]
        return ["--", *(bad if p.name == parameter.name else "1" if range_of(p) else "x" for p in needed)]

    outside = [str(r.low) if r.above else str(r.low - 1), str(r.high + 1) if r.whole else str(r.high * 1.01)]
    for bad in [*NUMBERS, *outside, *(FRACTIONS if r.whole else [])]:
        status, out, err = bitket(*verb.split(), *line(bad))
        assert (status, out) == (2, ""), bad
        assert err.startswith(f"bitket: invalid value for '{parameter.metavar if '--' not in name else name}"), err
        assert f"is not {r}" in err
        assert err.count("\n") == 1
        assert len(err) < 300
    assert not list(tmp_path.iterdir())
    inside = ([] if r.above else [r.low]) + [r.high]
    assert [r(str(value)) for value in inside] == inside


def test_numbers_within_texts(bitket, calls):
    line = ["network", "line", "demands.csv", "--coherence"]
    for bad in ("nan,1", "1,inf", "1,-1", "1", "1,2,3", "0,1", "1e999,1", "x,y"):
        status, out, err = bitket(*line, bad)
        assert (status, out, err.count("\n")) == (2, "", 1), bad
        assert "--coherence" in err
    for bad in ("nan", "inf", "-0.1", "1.1", "1e999", "", "x", "0.1,0.1,0.1"):
        for kind in ("depolarizing", "readout", "bit_flip"):
            status, out, err = bitket("simulate", "bell.qasm", "--noise", f"{kind}:{bad}")
            assert (status, out, err.count("\n")) == (2, "", 1), (kind, bad)


KNOWN = {
    "Ansatz": ("bitket.quantum.variational.groundstate", "ANSATZE"),
    "Attack": ("bitket.cli.judgement", "ATTACKS"),
    "Classifier": ("bitket.quantum.learning.models", "MODELS"),
    "Constraint": ("bitket.quantum.generation.constraints", "Mode"),
    "FederatedModel": ("bitket.quantum.learning.federated.tables", "ModelKind"),
    "FederatedRule": ("bitket.quantum.learning.federated.server", "Rule"),
    "Formalism": ("bitket.networks.states", "Formalism"),
    "Gradient": ("bitket.quantum.simulation.expectations", "GradientMethod"),
    "Latent": ("bitket.quantum.learning.latent", "LATENTS"),
    "Mapping": ("bitket.quantum.operators.mappings", "Mapping"),
    "Measurement": ("bitket.quantum.measurement", "METHODS"),
    "Mitigation": ("bitket.quantum.variational.groundstate", "EXTRAPOLATORS"),
    "NetworkFormat": ("bitket.quantization.formats.writing", "FORMATS"),
    "Quantization": ("bitket.quantization.methods", "CHOICES"),
    "Scheduling": ("bitket.networks.scheduling.schedule", "Method"),
    "Search": ("bitket.quantum.codes.reduce", "WeightMethod"),
    "Simulation": ("bitket.networks.network", "Mode"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_choices_are_those_of_the_rooms(name):
    import importlib

    module, there = KNOWN[name]
    found = getattr(importlib.import_module(module), there)
    known = typing.get_args(found) or tuple(found)
    assert set(typing.get_args(getattr(options, name))) == set(known)


def test_choices_are_listed_in_help_error_and_completion(bitket, monkeypatch, capsys):
    chosen = [(verb, p) for verb, p in parameters() if p.type_descriptor.choices]
    assert len(chosen) == len(KNOWN) + 1  # and the tokens of a generator
    for verb, p in chosen:
        needed = ["x"] * sum(q.param_type_name == "argument" and q.required for q in verbs()[verb].params)
        status, _, err = bitket(*verb.split(), *needed, p.opts[0], "magic")
        assert (status, err.count("\n")) == (2, 1)
        for choice in p.type_descriptor.choices:
            assert choice in p.help
            assert repr(choice) in err
    monkeypatch.setenv("_BITKET_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "bitket simulate --method a")
    monkeypatch.setenv("COMP_CWORD", "3")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "bitket simulate --method a")
    assert bitket("x")[1].split() == ["auto", "adjoint"]


def test_help_has_words_and_an_example(bitket):
    for verb, command in verbs().items():
        status, out, err = bitket(*verb.split(), "--help")
        assert (status, err) == (0, "")
        for bad in ("<str>", "<bool>", "<path>", "<int", "<float", "function", "<list"):
            assert bad not in out, verb
        assert f"Example: bitket {verb} " in " ".join(command.help.split()), verb
        for p in command.params:
            assert p.help, (verb, p.name)


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("keys new --bits 9000000000", "three files of 9000000000 key bits"),
        ("generate train circuits --out m --width 16384 --layers 1000", "width 16384 with 1000 layers needs"),
    ],
)
def test_sizes_are_reckoned_before_they_are_allocated(bitket, calls, monkeypatch, line, size):
    import time

    monkeypatch.setattr("bitket.quantum.simulation.memory.available_bytes", lambda: 1 << 30)

    begin = time.process_time()
    status, out, err = bitket(*line.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert size in err
    assert time.process_time() - begin < 20
    assert not Path("new").exists()
    assert not Path("m").exists()


def test_the_largest_number_of_layers_ends(bitket, calls):
    assert (
        bitket("sentence", "cat sleeps", "--lexicon", "lexicon.json", "--layers", options.RANGES["ansatz layers"].high)[
            0
        ]
        == 0
    )
