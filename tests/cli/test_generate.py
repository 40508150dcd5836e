import json

import pytest

from bitket.quantum.circuits import Circuit, qft
from bitket.quantum.circuits.qasm import load_qasm, save_qasm


@pytest.fixture
def folder(tmp_path):
    """Chains and Fourier transforms on 2 to 7 qubits, as a user may have them."""
    for n in range(2, 8):
        chain = Circuit(n, n).h(0)
        for q in range(n - 1):
            chain.cx(q, q + 1)
        (tmp_path / "real").mkdir(exist_ok=True)
        save_qasm(chain.measure_all(), tmp_path / "real" / f"chain_{n}.qasm", 2)
        save_qasm(qft(n), tmp_path / "real" / f"qft_{n}.qasm", 2)
    return tmp_path / "real"


@pytest.mark.parametrize("tokens", ["line", "gate"])
def test_train_sample_verify(bitket, folder, tmp_path, tokens):
    model, new = tmp_path / "m.safetensors", tmp_path / "new"
    settings = ("--tokens", tokens, "--width", 32, "--layers", 1, "--epochs", 5)
    status, out, err = bitket("generate", "train", folder, "--out", model, *settings, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["files"] == 12
    status, out, err = bitket("generate", "sample", model, "--qubits", 4, "--count", 6, "--out", new, "--json")
    assert (status, err) == (0, "")
    files = sorted(new.glob("*.qasm"))
    assert [str(f) for f in files] == json.loads(out)["files"]
    assert [load_qasm(f).num_qubits for f in files] == [4] * 6
    before = [f.read_text() for f in files]
    bitket("generate", "sample", model, "--qubits", 4, "--count", 6, "--out", new)
    assert [f.read_text() for f in files] == before
    (new / "broken.qasm").write_text('OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncx q[0],q[2];\n')
    status, out, err = bitket("generate", "verify", new, "--against", folder, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["validity"]["valid"], found["validity"]["files"]) == (6, 7)
    assert found["validity"]["failures"] == {"index out of range": 1}
    assert set(found["called_real"]) == {"wiring", "words"}
    assert all(0 <= share <= 1 for share in found["called_real"].values())
    if tokens == "gate":
        return  # the report is the same for both
    text = bitket("generate", "verify", new, "--against", folder)[1]
    assert text.startswith("valid         6 of 7, 85.7%")
    assert "index out of range 1" in text


def test_real_files_are_copies_of_themselves(bitket, folder):
    found = json.loads(bitket("generate", "verify", folder, "--against", folder, "--json")[1])
    assert found["memorisation"]["copies"] == 1
    assert found["structure_distance"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "NOWHERE", "--out", "M"), "there is no such folder"),
        (("train", "EMPTY", "--out", "M"), "there is no .qasm file"),
        (("train", "BROKEN", "--out", "M"), "b.qasm:1:"),
        (("train", "REAL", "--out", "M", "--tokens", "word"), "'word' is not one of 'line', 'gate'"),
        (("train", "REAL", "--out", "M", "--context", "8", "--tokens", "gate"), "every file of"),
        (("train", "REAL"), "missing option '--out'"),
        (("sample", "NOWHERE", "--out", "NEW"), "there is no such file"),
        (("sample", "BROKEN/b.qasm", "--out", "NEW"), "not a generator of circuits"),
        (("verify", "EMPTY", "--against", "REAL"), "there is no .qasm file"),
        (("verify", "NOWHERE", "--against", "REAL"), "there is no such folder"),
        (("verify", "REAL", "--against", "NOWHERE"), "there is no such folder"),
    ],
)
def test_wrong_input_ends_with_one_line(bitket, folder, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "b.qasm").write_text("OPENQASM 2.0; h q[0];")
    names = {"NOWHERE": "nowhere", "EMPTY": "empty", "BROKEN": "broken", "REAL": "real", "M": "m", "NEW": "new"}
    parts = [a.partition("/") for a in arguments]
    status, out, err = bitket(
        "generate",
        *(str(tmp_path / names[a]) + slash + rest if a in names else a + slash + rest for a, slash, rest in parts),
    )
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "m").exists()


def test_requests_beyond_the_model(bitket, folder, tmp_path):
    model = tmp_path / "m"
    bitket("generate", "train", folder, "--out", model, "--width", 8, "--layers", 1, "--epochs", 1, "--context", 64)
    for arguments, message in (
        (("--qubits", 30), "30 qubits: larger than any training file; first registers have 2 to 7"),
        (("--lines", 64), "64 lines: 4 to 63 are possible"),
        (("--temperature", 0), "'0' is not a number above 0"),
        (("--constraint", "strict"), "'strict' is not one of 'grammar', 'paper', 'none'"),
    ):
        status, _, err = bitket("generate", "sample", model, "--out", tmp_path / "new", *arguments)
        assert status == 2
        assert message in err
    assert not (tmp_path / "new").exists()
