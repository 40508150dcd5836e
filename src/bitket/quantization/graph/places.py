"""Places: which tensors of a network can be quantised, where they are, and which must share their bits.

A place is a weight, the input of a layer (one place, however many layers read the tensor), or an operand of an addition, a concatenation, a
pooling or a product of activations. In the graph each gets one quantiser, in front of its readers. Layers that read the same tensor, or
whose outputs are concatenated, form a share group: kernels and file formats want equal widths there.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import networkx as nx
import torch
from torch.fx import GraphModule, Node

from bitket.errors import InvalidInput
from bitket.quantization.fake import FakeQuantize
from bitket.quantization.graph.layers import Layer, layers_of
from bitket.quantization.graph.patterns import is_neutral, is_nonnegative, operator_name, place_kind
from bitket.quantization.grids import Scheme

__all__ = ["Place", "Places", "attach", "find_places", "left_float", "quantiser_of"]

Kind = Literal["weight", "input", "residual", "concat", "pool", "matmul"]
_KINDS = ("weight", "input", "residual", "concat", "pool", "matmul")
# Layers of one attention or feed-forward block that read one tensor; known by name where there is no graph.
_SIBLINGS = (
    {"q_proj", "k_proj", "v_proj"}, {"query", "key", "value"}, {"to_q", "to_k", "to_v"}, {"q_lin", "k_lin", "v_lin"}, {"wq", "wk", "wv"},
    {"gate_proj", "up_proj"}, {"w1", "w3"},
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A tensor of a network that can be quantised.

    Attributes
    ----------
    name
        ``"stage1.conv1.weight"``, ``"stage1.conv1.input"``, ``"stage1.add.residual0"``.
    kind
        What it is: ``weight``, ``input`` of a layer, or operand of a ``residual`` addition, ``concat``, ``pool`` or ``matmul``.
    layer, operator
        Path and kind of the operator that reads it first.
    readers
        Names of the graph's nodes that read it; empty for weights and without a graph.
    share
        Name of its share group.
    nonnegative
        Whether the operators before tell that no value is negative.
    shape
        Of a weight, or of an activation without its batch.
    scheme
        How it is quantised; None leaves it in float.
    """

    name: str
    kind: Kind
    layer: str
    operator: str
    readers: tuple[str, ...] = ()
    share: str = ""
    nonnegative: bool = False
    shape: tuple[int, ...] = ()
    scheme: Scheme | None = None


@dataclass(frozen=True)
class Places:
    """The places of a network, in the order in which they are computed: a table to print, filter and edit.

    Attributes
    ----------
    rows
        The places.
    unknown
        Operators that stay in float since no grid is known for them: (path, operator).
    """

    rows: tuple[Place, ...]
    unknown: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator[Place]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Place:
        for place in self.rows:
            if place.name == name:
                return place
        raise InvalidInput(f"place '{name}': there is none; {', '.join(p.name for p in self.rows[:5])} ... are there")

    def select(self, kind: Kind | None = None, pattern: str = "*", *, share: str | None = None) -> tuple[Place, ...]:
        """Places of a kind whose name fits a shell pattern (``"stage?.*.weight"``), or of a share group.

        Raises
        ------
        InvalidInput
            The kind is unknown.
        """
        if kind is not None and kind not in _KINDS:
            raise InvalidInput(f"places: kind '{kind}'; {', '.join(_KINDS)} are known")
        return tuple(
            p
            for p in self.rows
            if kind in (None, p.kind) and fnmatch.fnmatchcase(p.name, pattern) and share in (None, p.share)
        )

    def with_scheme(
        self,
        scheme: Scheme | Callable[[Place], Scheme | None] | None,
        kind: Kind | None = None,
        pattern: str = "*",
        *,
        share: str | None = None,
    ) -> Places:
        """The same places with a scheme, or None, for the selected ones; it may depend on the place."""
        chosen = {p.name for p in self.select(kind, pattern, share=share)}
        choose = scheme if callable(scheme) else lambda _: scheme
        rows = tuple(replace(p, scheme=choose(p)) if p.name in chosen else p for p in self.rows)
        return replace(self, rows=rows)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Share groups with the layers that belong to them, in order."""
        found: dict[str, dict[str, None]] = {}
        for place in self.rows:
            if place.kind == "weight":
                found.setdefault(place.share, {})[place.layer] = None
        return {name: tuple(layers) for name, layers in found.items()}

    def __str__(self) -> str:
        rows = [("place", "operator", "shape", "share", "scheme")]
        rows += [
            (p.name, p.operator, "x".join(map(str, p.shape)), p.share, str(p.scheme or "float")) for p in self.rows
        ]
        rows += [(path, name, "", "", "float: no grid is known for it") for path, name in self.unknown]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[4]]) for row in rows)

    def to_json(self) -> dict[str, Any]:
        """The table as JSON values."""
        rows = [
            {f: getattr(p, f) for f in ("name", "kind", "layer", "operator", "share", "nonnegative")}
            | {"readers": list(p.readers), "shape": list(p.shape), "scheme": p.scheme and p.scheme.to_json()}
            for p in self.rows
        ]
        return {"rows": rows, "unknown": [list(u) for u in self.unknown]}

    @classmethod
    def from_json(cls, data: Any) -> Places:
        """The table of a JSON form.

        Raises
        ------
        InvalidInput
            It is none.
        """
        try:
            rows = []
            for row in data["rows"]:
                scheme = None if row["scheme"] is None else Scheme.from_json(row["scheme"])
                lists = {"readers": tuple(row["readers"]), "shape": tuple(row["shape"]), "scheme": scheme}
                rows.append(Place(**row | lists))
            return cls(tuple(rows), tuple((str(a), str(b)) for a, b in data["unknown"]))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(f"places: not the JSON form of a table ({error})") from None


def find_places(model: torch.nn.Module) -> Places:
    """The places of a network whose weights stand in layers (`trace`, `replace_modules`), all without a scheme yet."""
    if isinstance(model, GraphModule):
        return _in_graph(model)
    shared = _siblings([path for path, _ in layers_of(model)])
    rows = []
    for path, layer in layers_of(model):
        rows.append(_weight_place(path, layer, shared[path]))
        if layer.operator != "embedding":
            rows.append(Place(f"{path}.input", "input", path, layer.operator, share=shared[path]))
    return Places(tuple(rows))


def _weight_place(path: str, layer: Layer, share: str) -> Place:
    return Place(
        f"{path}.weight", "weight", path, layer.operator, share=share, shape=tuple(layer.current_weight().shape)
    )


def _siblings(paths: list[str]) -> dict[str, str]:
    groups: dict[tuple[str, int], str] = {}
    out = {}
    for path in paths:
        parent, _, name = path.rpartition(".")
        index = next((i for i, names in enumerate(_SIBLINGS) if name in names), None)
        out[path] = path if index is None else groups.setdefault((parent, index), path)
    return out


def _in_graph(model: GraphModule) -> Places:
    order = [n for n in model.graph.nodes if n.op in ("call_module", "call_function")]
    layer_of = {
        n: m for n in order if n.op == "call_module" and isinstance(m := model.get_submodule(str(n.target)), Layer)
    }
    shared = _share_groups(order, layer_of)
    rows: list[Place] = []
    unknown: list[tuple[str, str]] = []
    found: dict[tuple[Node, str], int] = {}  # tensor and kind -> row
    seen: set[str] = set()

    def reads(tensor: Node, kind: Kind, node: Node, name: str, operator: str, share: str) -> None:
        key = (tensor, "input") if kind == "input" else (tensor, node.name)
        if key in found:
            old = rows[found[key]]
            rows[found[key]] = replace(old, readers=(*old.readers, node.name))
            return
        found[key] = len(rows)
        shape = (tensor.meta.get("shape") or (1,))[1:]
        owner = str(node.target) if kind == "input" else str(node.meta["path"])
        rows.append(Place(name, kind, owner, operator, (node.name,), share, is_nonnegative(tensor), shape))

    for node in order:
        if node in layer_of:
            path, layer = str(node.target), layer_of[node]
            tensor = node.args[0]
            assert isinstance(tensor, Node)
            if layer.operator != "embedding":
                name = f"{path}.input" if path not in seen else f"{node.name}.input"
                reads(tensor, "input", node, name, layer.operator, shared[path])
            if path not in seen:
                rows.append(_weight_place(path, layer, shared[path]))
            seen.add(path)
        elif (kind := place_kind(node)) and (tensors := _activations(node)):
            path = str(node.meta["path"])
            for i, tensor in enumerate(tensors):
                reads(tensor, kind, node, f"{path}.{kind}{i}", operator_name(node), path)  # type: ignore[arg-type]
        elif not is_neutral(node) and node.meta.get("shape") is not None and _activations(node):
            unknown.append((str(node.meta["path"]), operator_name(node)))
    return Places(tuple(rows), tuple(unknown))


def _activations(node: Node) -> list[Node]:
    return [n for n in node.all_input_nodes if n.op != "get_attr" and n.meta.get("shape", ()) is not None]


def _share_groups(order: list[Node], layer_of: dict[Node, Layer]) -> dict[str, str]:
    graph = nx.Graph()
    graph.add_nodes_from(str(n.target) for n in layer_of)
    readers: dict[Node, str] = {}
    for node, layer in layer_of.items():
        tensor = node.args[0]
        if layer.operator != "embedding" and isinstance(tensor, Node):
            graph.add_edge(readers.setdefault(tensor, str(node.target)), str(node.target))
    for node in order:
        if place_kind(node) == "concat":
            sources = [s for s in (_producer(n, layer_of) for n in node.all_input_nodes) if s]
            graph.add_edges_from((sources[0], s) for s in sources[1:])
    position = {str(n.target): i for i, n in reversed(list(enumerate(layer_of)))}
    out: dict[str, str] = {}
    for part in nx.connected_components(graph):
        first = min(part, key=position.__getitem__)
        out |= dict.fromkeys(part, first)
    return out


def _producer(node: Node, layer_of: dict[Node, Layer]) -> str | None:
    """The layer whose output a tensor is, behind batch norm, activation and pooling."""
    while node not in layer_of:
        if node.op != "call_function" or len(_activations(node)) != 1:
            return None
        (node,) = _activations(node)
    return str(node.target)


def attach(model: torch.nn.Module, places: Places, *, learned: bool = False, dynamic: bool = False) -> None:
    """Put a quantiser, without scales yet, at every place that has a scheme; in place.

    Parameters
    ----------
    model
        As `find_places` saw it.
    places
        Its places.
    learned
        Whether scales are parameters.
    dynamic
        Whether the scales of activations come from each tensor at run time.

    Raises
    ------
    InvalidInput
        The model has quantisers already.
    """
    if any(isinstance(m, FakeQuantize) for m in model.modules()) or any(
        layer.weight_quantiser is not None for _, layer in layers_of(model)
    ):
        raise InvalidInput("model: it is quantised already; start from the float model")
    nodes = {n.name: n for n in model.graph.nodes} if isinstance(model, GraphModule) else {}
    chosen = [p for p in places if p.scheme is not None]
    if chosen and nodes:
        model.add_module("quantisers", torch.nn.Module())
    for place in chosen:
        assert place.scheme is not None
        if place.kind == "weight":
            layer = model.get_submodule(place.layer)
            assert isinstance(layer, Layer)
            layer.weight_quantiser = FakeQuantize(place.scheme, learned=learned)
        elif nodes:
            _insert(model, place, nodes, FakeQuantize(place.scheme, learned=learned and not dynamic, dynamic=dynamic))
        else:
            layer = model.get_submodule(place.layer)
            assert isinstance(layer, Layer)
            layer.input_quantiser = FakeQuantize(place.scheme, learned=learned and not dynamic, dynamic=dynamic)
    if isinstance(model, GraphModule):
        model.graph.lint()
        model.recompile()


def _quantiser_path(place: Place) -> str:
    return "quantisers." + place.name.replace(".", "__")


def _insert(model: torch.nn.Module, place: Place, nodes: dict[str, Node], quantiser: FakeQuantize) -> None:
    assert isinstance(model, GraphModule)
    first = nodes[place.readers[0]]
    index = 0 if place.kind == "input" else int(place.name.removeprefix(f"{place.layer}.{place.kind}"))
    source = _activations(first)[index]
    model.get_submodule("quantisers").add_module(place.name.replace(".", "__"), quantiser)
    with model.graph.inserting_before(first):
        new = model.graph.call_module(_quantiser_path(place), (source,))
    new.meta = {"path": place.name, "shape": source.meta.get("shape")}
    for name in place.readers:
        nodes[name].replace_input_with(source, new)


def quantiser_of(model: torch.nn.Module, place: Place) -> FakeQuantize:
    """The quantiser at a place.

    Raises
    ------
    InvalidInput
        There is none, or the network is deployed.
    """
    if place.kind == "weight" or not isinstance(model, GraphModule):
        layer = model.get_submodule(place.layer)
        found: Any = getattr(layer, "weight_quantiser" if place.kind == "weight" else "input_quantiser", None)
    else:
        found = getattr(model.get_submodule("quantisers"), place.name.replace(".", "__"), None)
    if not isinstance(found, FakeQuantize):
        raise InvalidInput(f"place '{place.name}': no quantiser of a simulated network is there")
    return found


def left_float(places: Places) -> list[str]:
    """What stays in float, one line each with its place."""
    lines = [f"{p.name} ({p.operator})" for p in places if p.scheme is None]
    return lines + [f"{path} ({name}: no grid is known for it)" for path, name in places.unknown]
