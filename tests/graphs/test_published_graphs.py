"""The published convention against the first graphs stored by the published program."""

import h5py
import numpy as np
import pytest

from dagnn.graphs import build_graph

STORED = [("tng_noda", 0.015), ("simba_mmd", 0.0148)]


@pytest.mark.parametrize("suite", ["IllustrisTNG", "SIMBA"])
@pytest.mark.parametrize(("name", "radius"), STORED)
def test_first_graph_is_the_stored_one(shared, suite, name, radius):
    stored = np.load(shared / f"reference/expected_{name}.npz")
    path = shared / f"reference/catalogs/{suite}_LH_0_fof_subhalo_tab_033.hdf5"
    with h5py.File(path) as file:
        table = file["Subhalo"]
        chosen = table["SubhaloLenType"][:, 4] > 20
        positions = table["SubhaloPos"][chosen].astype(float) / file["Header"].attrs["BoxSize"]
        columns = {
            "stellar_mass": table["SubhaloMassType"][:, 4][chosen],
            "stellar_radius": table["SubhaloHalfmassRadType"][:, 4][chosen],
            "stellar_metallicity": table["SubhaloStarMetallicity"][chosen],
            "vmax": table["SubhaloVmax"][chosen],
        }
    graph = build_graph(positions, columns, radius, convention="published")
    edges = stored[f"{suite}/graph0_edge_index"]
    order = np.lexsort(edges)  # the stored order is that of the tree
    assert np.array_equal(edges[:, order], graph.edge_index)
    np.testing.assert_allclose(
        graph.edge_attr, stored[f"{suite}/graph0_edge_attr"][order], rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(graph.x, stored[f"{suite}/graph0_x"], rtol=1e-5)
    np.testing.assert_allclose(graph.u, stored[f"{suite}/graph0_u"], rtol=1e-6)
