import json
import math

import networkx as nx
import pytest
import yaml

from bitket.errors import InvalidInput
from bitket.networks.topology import PRESETS, load_topology, require_connected

NODES = [{"name": "a", "role": "end"}, {"name": "b"}, {"name": "c"}]
LINKS = [{"a": "a", "b": "b", "length_km": 3, "loss": 0.2}, {"a": "b", "b": "c", "length_km": 4.5}]


def written(folder, document, name="net.json"):
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "nodes", "links", "ends"),
    [
        ("line", 6, 5, 6),
        ("star", 4, 3, 3),
        ("h", 6, 5, 4),
        ("symmetric", 8, 10, 4),
        ("surfnet", 108, 118, 54),
        ("metro", 9, 10, 0),
    ],
)
def test_presets(name, nodes, links, ends):
    graph = load_topology(name)
    require_connected(graph, name)
    assert (len(graph), graph.number_of_edges()) == (nodes, links)
    assert [role for _, role in graph.nodes(data="role")].count("end") == ends
    assert all(isinstance(node, str) for node in graph)
    assert all(isinstance(km, float) and km > 0 for *_, km in graph.edges(data="length_km"))


def test_surfnet_is_the_published_one():
    cities = load_topology("surfnet").subgraph([str(k) for k in range(54)])
    assert (len(cities), cities.number_of_edges(), nx.diameter(cities)) == (54, 64, 12)


def test_metro_has_delays_and_lengths():
    graph = load_topology("metro")
    assert graph.edges["NU", "StarLight"] == {"length_km": 20.0, "classical_delay_ms": 0.3975}
    assert graph.edges["Argonne_1", "Argonne_2"]["length_km"] == 41.8


@pytest.mark.parametrize("kind", ["json", "yaml", "node-link"])
def test_three_forms_of_one_graph(tmp_path, kind):
    document = {"nodes": NODES, "links": LINKS}
    if kind == "json":
        path = written(tmp_path, document)
    elif kind == "yaml":
        path = written(tmp_path, yaml.safe_dump(document), "net.yaml")
    else:
        plain = nx.Graph()
        plain.add_nodes_from((n["name"], {k: v for k, v in n.items() if k != "name"}) for n in NODES)
        plain.add_edges_from((k["a"], k["b"], {x: v for x, v in k.items() if x not in "ab"}) for k in LINKS)
        path = written(tmp_path, nx.node_link_data(plain, edges="links"))
    graph = load_topology(path)
    assert graph.nodes["a"]["role"] == "end"
    assert dict(graph.edges["a", "b"]) == {"length_km": 3.0, "loss": 0.2}
    assert graph.edges["b", "c"]["length_km"] == 4.5
    assert isinstance(graph.edges["a", "b"]["length_km"], float)


def test_nodes_may_be_names_and_links_have_source_and_target(tmp_path):
    links = [{"source": "a", "target": "b", "length_km": 2, "loss": 0.2}, {"a": "b", "b": "c", "length_km": 3}]
    graph = load_topology(written(tmp_path, {"nodes": ["a", "b", {"name": "c", "role": "end"}], "links": links}))
    assert dict(graph.edges["a", "b"]) == {"length_km": 2.0, "loss": 0.2}
    assert (sorted(graph), graph.nodes["c"]) == (["a", "b", "c"], {"role": "end"})


def zoo(folder, parallel=False, edge_length=None, name="zoo.graphml"):
    graph = nx.MultiGraph() if parallel else nx.Graph()
    graph.add_node("0", label="London", Latitude=51.50853, Longitude=-0.12574)
    graph.add_node("1", label="Paris", Latitude=48.85341, Longitude=2.3488)
    graph.add_edge("0", "1", LinkLabel="one")
    if edge_length:
        graph.add_edge("0", "1", length_km=edge_length)
    nx.write_graphml(graph, folder / name)
    return folder / name


def test_graphml_lengths_are_great_circles(tmp_path):
    graph = load_topology(zoo(tmp_path))
    (a, b) = ((math.radians(x), math.radians(y)) for x, y in ((51.50853, -0.12574), (48.85341, 2.3488)))
    cosine = math.sin(a[0]) * math.sin(b[0]) + math.cos(a[0]) * math.cos(b[0]) * math.cos(a[1] - b[1])
    assert graph.edges["London", "Paris"]["length_km"] == pytest.approx(6371.0088 * math.acos(cosine), rel=1e-9)
    assert graph.edges["London", "Paris"]["LinkLabel"] == "one"
    assert graph.nodes["Paris"]["id"] == "1"


def test_graphml_given_length_wins_and_parallel_links_keep_the_shortest(tmp_path):
    graph = load_topology(zoo(tmp_path, parallel=True, edge_length=500.0))
    assert graph.edges["London", "Paris"]["length_km"] == 500.0


def test_topohub():
    graph = load_topology("topohub:topozoo/Abilene")
    assert (len(graph), graph.number_of_edges()) == (11, 14)
    assert graph.edges["New York", "Chicago"]["length_km"] == 1146.16
    germany = load_topology("topohub:sndlib/germany50")
    assert (len(germany), germany.number_of_edges()) == (50, 88)
    with pytest.raises(InvalidInput, match=r"'KDDI Otemachi' - 'NTT Otemachi': its length is 0"):
        load_topology("topohub:topozoo/WideJpn")
    near = load_topology("topohub:topozoo/WideJpn", same_place_km=0.5)
    assert near.edges["KDDI Otemachi", "NTT Otemachi"]["length_km"] == 0.5


def link(**changes):
    return {"nodes": NODES, "links": [LINKS[0], LINKS[1] | changes]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (link(b="d"), r"link 'b' - 'd': there is no node 'd'"),
        (link(length_km=-1), r"its length is -1; a positive number"),
        (link(length_km=0), r"its length is 0; a positive number"),
        (link(length_km="far"), r"its length is 'far'; a positive number"),
        (link(length_km=math.inf), r"Infinity is not a finite number"),
        (link(length_km=True), r"its length is True; a positive number"),
        (link(length_km=None), r"no length_km, and its nodes not both Latitude"),
        (link(b="b"), r"joins two different nodes"),
        (link(b="a"), r"link 'b' - 'a': it is there twice"),
        ({"nodes": [*NODES, {"name": "a"}], "links": LINKS}, r"two nodes are named 'a'"),
        ({"nodes": [*NODES, {"name": ""}], "links": LINKS}, r"empty name"),
        ({"nodes": NODES}, r"not a topology: links: Field required"),
        ({"nodes": 3, "links": []}, r"not a topology: nodes"),
        ({"nodes": [{"name": "a"}, 7], "links": []}, r"not a topology: nodes\.1"),
        ([1, 2], r"not a topology: an object"),
        ("{", r"not JSON"),
        ({"nodes": [{"id": 1}, {"id": 1}], "links": []}, r"two nodes have the id '1'"),
        ({"directed": True, "nodes": [{"id": 1}], "links": []}, r"directed"),
    ],
)
def test_files_that_are_wrong(tmp_path, document, message):
    path = written(tmp_path, document)
    with pytest.raises(InvalidInput, match=message) as caught:
        load_topology(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sttar", r"topology 'sttar': .* did you mean 'star'\?"),
        ("net.toml", r"a \.json, \.yaml or \.graphml file"),
        ("nowhere.json", r"nowhere\.json: there is no such file"),
        ("topohub:topozoo/Abilen", r"did you mean 'topozoo/Abilene'\?"),
        ("topohub:../../x", r"TopoHub has no such topology"),
    ],
)
def test_sources_that_are_wrong(source, message):
    with pytest.raises(InvalidInput, match=message):
        load_topology(source)


@pytest.mark.parametrize(
    ("name", "text"), [("a.graphml", "<graphml"), ("a.yaml", "nodes: [\n- b: }"), ("b.graphml", "<a/>")]
)
def test_broken_files(tmp_path, name, text):
    with pytest.raises(InvalidInput, match=r"not YAML|cannot be read as GraphML") as caught:
        load_topology(written(tmp_path, text, name))
    assert "\n" not in str(caught.value)


def test_disconnected(tmp_path):
    graph = load_topology(written(tmp_path, {"nodes": NODES, "links": LINKS[:1]}))
    with pytest.raises(InvalidInput, match=r"mine: not connected; 1 nodes, such as 'c'"):
        require_connected(graph, "mine")
    with pytest.raises(InvalidInput, match="there is no node"):
        require_connected(nx.Graph())


def test_presets_are_not_shared():
    first = load_topology("line")
    first.remove_node("0")
    assert len(load_topology("line")) == 6
    assert set(PRESETS) == {"line", "star", "h", "symmetric", "surfnet", "metro"}
