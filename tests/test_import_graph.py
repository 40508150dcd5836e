"""No two files import each other, directly or round a corner: imports inside functions and for types alone count."""

import ast
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).parents[1] / "src"


def import_graph(root: Path) -> nx.DiGraph:
    files = {
        ".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p for p in root.rglob("*.py")
    }
    graph = nx.DiGraph()
    for name, file in files.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom | ast.Import):
                assert not getattr(node, "level", 0), f"{file}: imports name their module whole"
                module = getattr(node, "module", None)
                for alias in node.names:
                    target = f"{module}.{alias.name}" if module else alias.name
                    target = target if target in files else module
                    if target in files and target != name:
                        graph.add_edge(name, target)
    return graph


def circles(root: Path) -> list[str]:
    graph = import_graph(root)
    parts = (graph.subgraph(part) for part in nx.strongly_connected_components(graph) if len(part) > 1)
    return sorted(" -> ".join([a for a, _ in nx.find_cycle(part)] + [nx.find_cycle(part)[0][0]]) for part in parts)


def test_no_circles():
    assert not circles(ROOT)


def test_circles_are_found(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "__init__.py").write_text("from p.a import f\n")
    (tmp_path / "p" / "a.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import B\n")
    (tmp_path / "p" / "b.py").write_text("def g():\n    import p.c\n")
    (tmp_path / "p" / "c.py").write_text("from p import a\n")
    assert circles(tmp_path) == ["p.a -> p.b -> p.c -> p.a"]
