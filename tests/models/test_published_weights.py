"""Published weights: stored outputs, every variant of the family, broken files."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from tiny_batches import as_data, random_graph
from torch_geometric.data import Batch

from dagnn.errors import CheckpointError
from dagnn.graphs import Graph, build_graph
from dagnn.models import (
    GraphEncoder,
    Network,
    SignedMomentsHead,
    load_published,
    published_linking_radius,
)

FILES = [("tng", "NoDA"), ("tng", "MMD"), ("simba", "NoDA"), ("simba", "MMD")]
NEW_NAME = r"layers.\1.\2_model.\2_mlp"
FULL_NAME = {"tng": "IllustrisTNG", "simba": "SIMBA"}


def stored_graph(path: Path, radius: float) -> Graph:
    with h5py.File(path) as file:
        table = file["Subhalo"]
        chosen = table["SubhaloLenType"][:, 4] > 20
        columns = {
            "stellar_mass": table["SubhaloMassType"][:, 4][chosen],
            "stellar_radius": table["SubhaloHalfmassRadType"][:, 4][chosen],
            "stellar_metallicity": table["SubhaloStarMetallicity"][chosen],
            "vmax": table["SubhaloVmax"][chosen],
        }
        positions = table["SubhaloPos"][chosen].astype(float) / file["Header"].attrs["BoxSize"]
    return build_graph(positions, columns, radius, convention="published")


@pytest.mark.parametrize("boxes", ["IllustrisTNG", "SIMBA"])
@pytest.mark.parametrize(("trained", "method"), FILES)
def test_stored_outputs_are_reproduced(shared, trained, method, boxes):
    folder = shared / "reference"
    stored = np.load(folder / f"expected_{trained}_{method.lower()}.npz")
    (weights,) = folder.glob(f"weights/{FULL_NAME[trained]}_LH_{method}_*")
    radius = published_linking_radius(weights)
    assert radius == stored["r_link"]
    network = load_published(weights)
    assert len(network.encoder.blocks) == stored["n_layers"]
    paths = [folder / f"catalogs/{boxes}_LH_{i}_fof_subhalo_tab_033.hdf5" for i in stored["ids"]]
    graphs = [stored_graph(path, radius) for path in paths]
    edges = [graph.edge_index.shape[1] for graph in graphs]
    assert edges == stored[f"{boxes}/n_edges"].tolist()
    with torch.no_grad():
        latent, (mean, std) = network(Batch.from_data_list([as_data(g) for g in graphs]))
    np.testing.assert_allclose(mean[:, 0], stored[f"{boxes}/mean"], rtol=1e-4)
    np.testing.assert_allclose(std[:, 0], stored[f"{boxes}/std_signed"], rtol=1e-4)
    # A latent number that cancels to near zero carries the rounding of its box's
    # largest; the stored single-precision numbers themselves do.
    expected = stored[f"{boxes}/latent"]
    scale = np.abs(expected).max(1, keepdims=True)
    np.testing.assert_allclose(latent.numpy() / scale, expected / scale, rtol=1e-4, atol=1e-6)


def published_names(state: dict[str, torch.Tensor], prefix: str = "") -> dict[str, torch.Tensor]:
    """Give our state dict the names under which the public programs save theirs."""
    renamed = {}
    for ours, value in state.items():
        name = ours
        if name.startswith("encoder.blocks"):
            name = re.sub(
                r"encoder\.blocks\.(\d+)\.(edge|node)_mlp", r"layers.\1.\2_model.\2_mlp", name
            )
        elif name.startswith("head.layers"):
            name = name.replace("head.layers", "outlayer")
        else:
            continue  # buffers of ours that the published networks do not have
        renamed[prefix + name] = value
    return renamed


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("features", ["all", "vmax", "positions"])
@pytest.mark.parametrize(("hidden", "blocks", "parameters"), [(64, 2, 1), (24, 1, 2), (32, 5, 6)])
def test_every_member_of_the_family_loads(tmp_path, features, hidden, blocks, parameters, prefix):
    graph = random_graph(20, seed=1, features=features)
    sizes = {"node": graph.x.shape[1], "edge": 3, "global": 1}
    encoder = GraphEncoder(sizes, hidden, blocks, standardize=False, batch_norm=False)
    network = Network(encoder, SignedMomentsHead(encoder.width, parameters, [hidden] * 3))
    path = tmp_path / "cosmo_TNG_rlink_1.50e-02"
    torch.save(published_names(network.state_dict(), prefix), path)
    loaded = load_published(path)
    batch = Batch.from_data_list([as_data(graph)])
    torch.testing.assert_close(loaded(batch).prediction.mean, network(batch).prediction.mean)
    assert not loaded.training


def test_linking_radius_comes_from_the_file_name():
    name = "/rlink_9/cosmo_IllustrisTNG_LH_onlypos_0_layers_2_rlink_1.50e-02_channels_64"
    assert published_linking_radius(name) == 0.015
    assert published_linking_radius(Path("weights.pt")) is None


def broken_files() -> dict[str, object]:
    encoder = GraphEncoder({"node": 4, "edge": 3, "global": 1}, 8, 2, batch_norm=False)
    network = Network(encoder, SignedMomentsHead(encoder.width, 1, [8] * 3))
    state = published_names(network.state_dict())
    without = {k: v for k, v in state.items() if k != "layers.1.node_model.node_mlp.2.bias"}
    reshaped = {**state, "layers.1.edge_model.edge_mlp.0.weight": torch.zeros(8, 5)}
    odd = {**state, "outlayer.6.weight": torch.zeros(3, 8), "outlayer.6.bias": torch.zeros(3)}
    return {
        "unknown entry": {**state, "conv.weight": torch.zeros(1)},
        "not a complete": without,
        "do not fit together": reshaped,
        "3 outputs": odd,
        "plain state dict": {"epoch": 3, "state": state},
        "layers do not": {"outlayer.0.weight": torch.zeros(2, 2)},
    }


@pytest.mark.parametrize("message", broken_files())
def test_other_contents_are_refused_by_name(tmp_path, message):
    path = tmp_path / "weights"
    torch.save(broken_files()[message], path)
    with pytest.raises(CheckpointError, match=f"weights: .*{message}"):
        load_published(path)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>404</html>", b"PK\x03\x04broken"])
def test_what_torch_cannot_read_is_refused(tmp_path, content):
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as a weight file"):
        load_published(path)


def test_absent_file_and_pickled_code_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such weight file"):
        load_published(tmp_path / "nothing")
    torch.save(Path("x"), tmp_path / "module")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_published(tmp_path / "module")
