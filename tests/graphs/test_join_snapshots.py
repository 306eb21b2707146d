"""Several snapshots of one box: a disjoint union that says which galaxy is of which."""

import numpy as np
import pytest

from dagnn.graphs import Graph, build_graph, join_snapshots

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
