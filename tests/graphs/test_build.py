"""Graphs of boxes: contents, feature sets, errors."""

import numpy as np
import pytest

from dagnn.errors import ConfigError, DataError, EmptyCatalogError, MissingFieldError
from dagnn.graphs import (
    CONVENTIONS,
    NODE_FEATURES,
    Graph,
    build_graph,
    join_snapshots,
    periodic_pairs,
)


def galaxies(n: int = 80, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    names = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
    return rng.random((n, 3)), {name: rng.lognormal(size=n) for name in names}


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("features", NODE_FEATURES)
def test_graph_has_the_promised_shapes(features, convention):
    positions, columns = galaxies()
    graph = build_graph(positions, columns, 0.1, features, convention)
    edges = graph.edge_index.shape[1]
    assert graph.x.shape == (80, len(NODE_FEATURES[features]))
    assert graph.edge_attr.shape == (edges, 3)
    assert graph.pos.shape == (80, 3)
    assert graph.u == pytest.approx(np.log10(80))
    assert {graph.x.dtype, graph.pos.dtype, graph.edge_attr.dtype, graph.u.dtype} == {
        np.dtype(np.float32)
    }
    loops = graph.edge_index[0] == graph.edge_index[1]
    assert loops.sum() == (0 if features == "positions" else 80)
    assert (graph.edge_attr[loops] == (0, 1, 0)).all()
    assert (np.diff(graph.edge_index[1]) >= 0).all()


def test_node_features_are_the_logarithm_of_one_plus_the_column():
    positions, columns = galaxies()
    graph = build_graph(positions, columns, 0.1, "all")
    expected = np.log10(1 + np.stack(list(columns.values()), 1))
    assert graph.x == pytest.approx(expected, rel=1e-6)


def test_relabelling_galaxies_relabels_the_graph():
    positions, columns = galaxies()
    order = np.random.default_rng(3).permutation(len(positions))
    one = build_graph(positions, columns, 0.15)
    other = build_graph(positions[order], {k: v[order] for k, v in columns.items()}, 0.15)
    back = order[other.edge_index]
    sort = np.lexsort(back)
    assert np.array_equal(back[:, sort], one.edge_index)
    assert other.edge_attr[sort] == pytest.approx(one.edge_attr, abs=1e-6)


def test_single_galaxy_is_a_graph_with_one_self_loop():
    positions, columns = galaxies(1)
    graph = build_graph(positions, columns, 0.1)
    assert graph.edge_index.tolist() == [[0], [0]]
    assert graph.edge_attr.tolist() == [[0, 1, 0]]
    assert graph.u.tolist() == [[0]]


def test_unknown_names_are_refused_with_the_nearest():
    positions, columns = galaxies()
    with pytest.raises(ConfigError, match="Did you mean 'positions'"):
        build_graph(positions, columns, 0.1, "position")
    with pytest.raises(ConfigError, match="Did you mean 'published'"):
        build_graph(positions, columns, 0.1, "all", "publishd")


def test_broken_catalogues_are_refused():
    positions, columns = galaxies()
    with pytest.raises(EmptyCatalogError):
        build_graph(positions[:0], columns, 0.1)
    with pytest.raises(MissingFieldError, match=r"vmax.*has stellar_mass"):
        build_graph(positions, {"stellar_mass": columns["stellar_mass"]}, 0.1, "mass_vmax")
    columns["vmax"][4] = np.inf
    with pytest.raises(DataError, match=r"1 galaxies.*vmax"):
        build_graph(positions, columns, 0.1)


@pytest.mark.parametrize("column", [np.ones(20), np.ones(41), np.ones((40, 1)), 3.0])
def test_columns_that_are_not_one_number_per_galaxy_are_refused(column):
    columns = dict.fromkeys(("stellar_mass", "stellar_radius", "stellar_metallicity"), np.ones(40))
    with pytest.raises(DataError, match=r"column vmax has the shape .* there are 40 positions"):
        build_graph(np.random.default_rng(0).random((40, 3)), columns | {"vmax": column}, 0.2)


@pytest.mark.parametrize("shape", [(40, 2), (3, 40), (40,), (0,)])
def test_positions_of_another_shape_are_refused(shape):
    positions = np.random.default_rng(0).random(shape)
    with pytest.raises((ValueError, EmptyCatalogError), match=r"\[n, 3\]|at least one galaxy"):
        build_graph(positions, {}, 0.2, "positions")
    if shape != (40, 2):
        with pytest.raises(ValueError, match=r"Positions are \[n, 3\]"):
            periodic_pairs(positions, 0.2)


COUNTS = (30, 12, 1)


def snapshots(features: str = "all") -> list[Graph]:
    rng = np.random.default_rng(5)
    names = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
    return [
        build_graph(rng.random((n, 3)), {k: rng.lognormal(size=n) for k in names}, 0.2, features)
        for n in COUNTS
    ]


def test_one_snapshot_is_the_graph_itself():
    graph = snapshots()[0]
    assert join_snapshots([graph]) is graph


@pytest.mark.parametrize(("features", "width"), [("all", 4), ("positions", 0)])
def test_each_snapshot_is_its_own_graph_unchanged(features, width):
    graphs = snapshots(features)
    joint = join_snapshots(graphs)
    assert joint.x.shape == (sum(COUNTS), width + 3) and joint.x.dtype == np.float32
    assert joint.u.tolist() == [[graph.u[0, 0] for graph in graphs]]
    own = joint.x[:, width:].argmax(1)
    assert own.tolist() == np.repeat(range(3), COUNTS).tolist()
    assert (joint.x[:, width:].sum(1) == 1).all()
    sender, receiver = joint.edge_index
    assert (own[sender] == own[receiver]).all()
    first = 0
    for number, graph in enumerate(graphs):
        rows, edges = own == number, own[receiver] == number
        np.testing.assert_array_equal(joint.x[rows, :width], graph.x)
        np.testing.assert_array_equal(joint.pos[rows], graph.pos)
        np.testing.assert_array_equal(joint.edge_index[:, edges] - first, graph.edge_index)
        np.testing.assert_array_equal(joint.edge_attr[edges], graph.edge_attr)
        first += len(graph.x)


def test_edges_stay_sorted_by_receiver_then_sender():
    sender, receiver = join_snapshots(snapshots()).edge_index
    assert (np.diff(receiver * sum(COUNTS) + sender) > 0).all()
