"""Network topologies: undirected graphs with named nodes and links of known length, from files, TopoHub or presets.

>>> sorted(load_topology("star").edges(data="length_km"))
[('0', '3', 5.0), ('1', '3', 5.0), ('2', '3', 5.0)]
>>> load_topology("topohub:sndlib/germany50").edges["Aachen", "Koeln"]["length_km"]
61.63
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import networkx as nx
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bitket.errors import InvalidInput, MissingExtra
from bitket.files import read_json, read_text, require_file

__all__ = ["PRESETS", "load_topology", "require_connected"]

EARTH_RADIUS_KM = 6371.0088

_FORM = 'nodes are names or {"name": ...}, links {"a": ..., "b": ..., "length_km": ...}'
_Nodes = list[tuple[str, dict[str, Any]]]
_Links = list[tuple[str, str, dict[str, Any]]]


def load_topology(source: str | Path, *, same_place_km: float | None = None) -> nx.Graph:
    """A topology by preset, TopoHub name or file.

    Parameters
    ----------
    source
        A preset of `PRESETS`; ``topohub:NAME`` (``topohub:topozoo/Abilene``; extra ``networks``); or a path to

        - ``.json``, ``.yaml`` or ``.yml`` (extra ``networks``): ``{"nodes": [{"name": "a", ...}, "b"], "links": [{"a": "a", "b": "b",
          "length_km": 5, ...}]}``, ends also as ``source`` and ``target``, or a node-link document of networkx (nodes with ``id``, ``links``
          or ``edges``);
        - ``.graphml``, as in the Internet Topology Zoo; of parallel links the shortest is kept.

        Where a link has no ``length_km`` (nor TopoHub's ``dist``) it is the great circle between its nodes' ``Latitude`` and ``Longitude``
        in degrees. Nodes of GraphML, node-link documents and TopoHub are called by their ``label`` or ``name`` where every node has one of
        its own, else by their ids.
    same_place_km
        Length of links whose ends are at one place, for which TopoHub has the length 0 and a great circle has it, too; refused if None.

    Returns
    -------
    Graph
        Nodes are strings; every edge has ``length_km``, a positive float; other attributes are kept.

    Raises
    ------
    InvalidInput
        No such preset, file or format; the file is no topology; a node is unknown or named twice; a link leads to its own node, is there
        twice, or has no positive length.
    MissingExtra
        TopoHub or PyYAML is not installed.
    """
    if same_place_km is not None and not 0 < same_place_km < math.inf:
        raise InvalidInput(f"same_place_km is {same_place_km!r}; a positive number of kilometres is needed")
    nodes, links = _read(source)
    return _built(str(source), nodes, links, same_place_km)


def _read(source: str | Path) -> tuple[_Nodes, _Links]:
    text = str(source)
    if text in PRESETS:
        return PRESETS[text]()
    if text.startswith("topohub:"):
        return _parsed(text, _topohub(text.removeprefix("topohub:")))
    path = Path(source)
    kind = path.suffix.lower()
    if kind not in (".json", ".yaml", ".yml", ".graphml"):
        near = difflib.get_close_matches(text, PRESETS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"presets are {', '.join(PRESETS)}"
        raise InvalidInput(
            f"topology '{text}': a .json, .yaml or .graphml file, topohub:NAME or a preset is needed; {hint}"
        )
    require_file(path)
    if kind == ".graphml":
        return _graphml(path)
    return _parsed(text, _document(path))


def require_connected(graph: nx.Graph, source: str | Path = "topology") -> None:
    """Check that there is a path between any two nodes; ``source`` begins the error's line.

    Raises
    ------
    InvalidInput
        There is no node, or two parts without a link between them.
    """
    if not graph:
        raise InvalidInput(f"{source}: there is no node")
    reached = nx.node_connected_component(graph, first := next(iter(graph)))
    lost = [node for node in graph if node not in reached]
    if lost:
        raise InvalidInput(
            f"{source}: not connected; {len(lost)} nodes, such as '{lost[0]}', cannot be reached from '{first}'"
        )


def _built(source: str, nodes: _Nodes, links: _Links, same_place_km: float | None) -> nx.Graph:
    graph = nx.Graph(name=source)
    for name, attributes in nodes:
        if not name:
            raise InvalidInput(f"{source}: a node has an empty name")
        if name in graph:
            raise InvalidInput(f"{source}: two nodes are named '{name}'")
        graph.add_node(name, **attributes)
    for a, b, attributes in links:
        where = f"{source}: link '{a}' - '{b}'"
        for end in (a, b):
            if end not in graph:
                near = difflib.get_close_matches(end, graph, 1)
                raise InvalidInput(
                    f"{where}: there is no node '{end}'" + (f"; did you mean '{near[0]}'?" if near else "")
                )
        if a == b:
            raise InvalidInput(f"{where}: a link joins two different nodes")
        if graph.has_edge(a, b):
            raise InvalidInput(f"{where}: it is there twice")
        length = attributes.get("length_km")
        if length is None:
            length = attributes.get("dist")
            if length is None:
                length = _great_circle(where, graph.nodes[a], graph.nodes[b])
            if length == 0 and same_place_km is not None:
                length = same_place_km
        number = isinstance(length, int | float) and not isinstance(length, bool)
        if not number or not 0 < length < math.inf:
            raise InvalidInput(f"{where}: its length is {length!r}; a positive number of kilometres is needed")
        graph.add_edge(a, b, **(attributes | {"length_km": float(length)}))
    return graph


def _great_circle(where: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    """Haversine formula, in km."""
    angles = []
    for node in (a, b):
        for key in ("Latitude", "Longitude"):
            value = node.get(key)
            if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= 360:
                raise InvalidInput(
                    f"{where}: it has no length_km, and its nodes not both Latitude and Longitude in degrees"
                )
            angles.append(math.radians(value))
    latitude, longitude, to_latitude, to_longitude = angles
    h = math.sin((to_latitude - latitude) / 2) ** 2
    h += math.cos(latitude) * math.cos(to_latitude) * math.sin((to_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(h)))


# -- readers ------------------------------------------------------------------------------------------------------------
class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True)


class _Node(_Open):
    name: str

    @model_validator(mode="before")
    @classmethod
    def _a_name_alone(cls, node: Any) -> Any:
        return {"name": node} if isinstance(node, str) else node


class _Link(_Open):
    a: str = Field(validation_alias=AliasChoices("a", "source"))
    b: str = Field(validation_alias=AliasChoices("b", "target"))


class _Document(_Open):
    nodes: list[_Node]
    links: list[_Link]


class _IdNode(_Open):
    id: str
    name: str | None = None


class _NodeLink(_Open):
    nodes: list[_IdNode]
    links: list[_Link]


def _parsed(source: str, document: Any) -> tuple[_Nodes, _Links]:
    """Nodes and links of a document in the house's form or networkx's node-link form."""
    if not isinstance(document, dict):
        raise InvalidInput(f"{source}: not a topology: an object with 'nodes' and 'links' is needed")
    if "links" not in document and "edges" in document:
        document = document | {"links": document["edges"]}
    nodes = document.get("nodes")
    node_link = isinstance(nodes, list) and any(isinstance(node, dict) and "id" in node for node in nodes)
    if node_link and document.get("directed"):
        raise InvalidInput(f"{source}: its links are directed; a topology has undirected ones")
    try:
        if node_link:
            linked = _NodeLink.model_validate(document)
            ids = [(node.id, node.model_dump(exclude={"id"})) for node in linked.nodes]
            return _named(source, ids, _ends(linked.links), "name")
        plain = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(
            f"{source}: not a topology: {where}: {first['msg'].split(' or instance')[0]}; {_FORM}"
        ) from None
    return [(node.name, dict(node.__pydantic_extra__ or {})) for node in plain.nodes], _ends(plain.links)


def _ends(links: list[_Link]) -> _Links:
    return [(link.a, link.b, dict(link.__pydantic_extra__ or {})) for link in links]


def _named(source: str, nodes: _Nodes, links: _Links, key: str) -> tuple[_Nodes, _Links]:
    """Call nodes by an attribute instead of their ids, if each has one of its own."""
    counts = Counter(node for node, _ in nodes)
    for node, count in counts.items():
        if count > 1:
            raise InvalidInput(f"{source}: two nodes have the id '{node}'")
    names = {node: str(attributes.get(key) or "") for node, attributes in nodes}
    if len(set(names.values())) < len(names) or "" in names.values():
        return nodes, links
    return (
        [(names[node], {k: v for k, v in attributes.items() if k != key} | {"id": node}) for node, attributes in nodes],
        [(names.get(a, a), names.get(b, b), attributes) for a, b, attributes in links],
    )


def _document(path: Path) -> Any:
    if path.suffix.lower() == ".json":
        return read_json(path)
    text = read_text(path)
    try:
        import yaml
    except ImportError:
        raise MissingExtra(f"{path}: YAML needs PyYAML: pip install 'bitket[networks]'") from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidInput(f"{path}: not YAML ({' '.join(str(error).split())})") from None


def _graphml(path: Path) -> tuple[_Nodes, _Links]:
    try:
        graph = nx.read_graphml(path)
    except (OSError, ParseError, nx.NetworkXException, KeyError, ValueError, TypeError) as error:
        raise InvalidInput(f"{path}: cannot be read as GraphML ({error})") from None
    if graph.is_directed():
        raise InvalidInput(f"{path}: its links are directed; a topology has undirected ones")
    nodes, links = _named(str(path), [(str(n), dict(d)) for n, d in graph.nodes(data=True)], _edges(graph), "label")
    if graph.is_multigraph():
        shortest: dict[frozenset[str], tuple[str, str, dict[str, Any]]] = {}
        for link in links:
            ends = frozenset(link[:2])
            if ends not in shortest or link[2].get("length_km", math.inf) < shortest[ends][2].get(
                "length_km", math.inf
            ):
                shortest[ends] = link
        links = list(shortest.values())
    return nodes, links


def _edges(graph: nx.Graph) -> _Links:
    return [(str(a), str(b), dict(attributes)) for a, b, attributes in graph.edges(data=True)]


def _topohub(name: str) -> Any:
    try:
        import topohub
    except ImportError:
        raise MissingExtra(f"topohub:{name}: TopoHub is not installed: pip install 'bitket[networks]'") from None
    folder = Path(topohub.__file__).parent / "data"
    names = [str(file.relative_to(folder).with_suffix("").as_posix()) for file in folder.rglob("*.json")]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1, 0.4)
        hint = f"did you mean '{near[0]}'?" if near else "names are as 'topozoo/Abilene' or 'sndlib/germany50'"
        raise InvalidInput(f"topohub:{name}: TopoHub has no such topology; {hint}")
    return topohub.get(name)


# -- presets ------------------------------------------------------------------------------------------------------------
def _small(ends: Iterable[int], repeaters: Iterable[int], links: Iterable[tuple[int, int]]) -> tuple[_Nodes, _Links]:
    """End nodes and repeaters, all links of 5 km."""
    nodes: _Nodes = [(str(k), {"role": "end"}) for k in ends] + [(str(k), {"role": "repeater"}) for k in repeaters]
    return nodes, [(str(a), str(b), {"length_km": 5.0}) for a, b in links]


_SURFNET = (
    "0-3 0-38 1-4 1-26 1-30 2-46 2-49 3-12 4-5 4-23 4-26 4-27 5-28 5-31 5-45 6-7 6-8 6-19 7-43 8-41 9-35 9-53 10-11 10-20 10-27 10-40 "
    "11-42 12-50 13-14 13-33 13-44 14-25 15-16 15-52 16-50 17-18 17-32 18-53 19-46 20-21 21-29 22-32 22-34 23-34 24-36 24-47 25-37 26-46 "
    "28-29 30-51 31-50 33-36 35-50 37-45 38-39 38-47 38-52 39-48 40-41 42-45 43-44 45-46 48-49 50-51"
)
_METRO = {
    ("NU", "StarLight"): (20.0, 0.3975),
    ("StarLight", "UChicago_PME"): (16.0, 1.5725),
    ("UChicago_PME", "UChicago_HC"): (2.0, 0.25),
    ("StarLight", "Fermilab_1"): (66.0, 1.3425),
    ("StarLight", "Argonne_1"): (54.0, 0.8825),
    ("UChicago_PME", "Argonne_1"): (42.0, 2.035),
    ("Fermilab_1", "Fermilab_2"): (2.0, 0.25),
    ("Fermilab_1", "Argonne_1"): (53.0, 1.3175),
    ("Argonne_1", "Argonne_2"): (41.8, 0.25),
    ("Argonne_1", "Argonne_3"): (0.1, 0.25),
}
"""Fibre length in km and classical one-way delay in ms."""


def _surfnet() -> tuple[_Nodes, _Links]:
    """54 cities, an end node at each."""
    cities = [tuple(map(int, link.split("-"))) for link in _SURFNET.split()]
    nodes, links = _small((), range(54), cities)  # type: ignore[arg-type]
    nodes += [(f"end {k}", {"role": "end"}) for k in range(54)]
    return nodes, links + [(f"end {k}", str(k), {"length_km": 5.0}) for k in range(54)]


def _metro() -> tuple[_Nodes, _Links]:
    names = dict.fromkeys(name for pair in _METRO for name in pair)
    links = [(a, b, {"length_km": km, "classical_delay_ms": ms}) for (a, b), (km, ms) in _METRO.items()]
    return [(name, {}) for name in names], links


PRESETS = {
    "line": lambda: _small(range(6), (), [(k, k + 1) for k in range(5)]),
    "star": lambda: _small(range(3), (3,), [(k, 3) for k in range(3)]),
    "h": lambda: _small((0, 2, 3, 5), (1, 4), [(0, 1), (1, 2), (1, 4), (3, 4), (4, 5)]),
    "symmetric": lambda: _small(
        range(4), range(4, 8), [(k, k + 4) for k in range(4)] + list(combinations(range(4, 8), 2))
    ),
    "surfnet": _surfnet,
    "metro": _metro,
}
"""Four small networks and the SURFnet core (Skrzypczyk and Wehner 2021, arXiv:2111.13124), all of 5 km links, nodes with ``role`` end or
repeater; and nine routers of the Chicago area (Wu et al. 2021, arXiv:2009.12000), links with ``classical_delay_ms``."""
