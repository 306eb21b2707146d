"""GalaxyGraphs: gathered batches, PyG's own loaders, truth in two units."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from dagnn.data.galaxies import GalaxyGraphs, load_galaxies
from dagnn.errors import EmptyCatalogError, MismatchError
from dagnn.graphs import Graph, build_graph
from dagnn.models import ENCODERS
from dagnn.parameters import Scaling
from dagnn.records import Batch as BatchRecord

SCALING = Scaling.of(["Omega_m", "sigma_8"])
COUNTS = (12, 1, 40, 25, 7)
TRUTH = np.array([[0.1, 0.6], [0.5, 1.0], [0.3, 0.8], [0.3, 0.8], [np.nan, np.nan]])
FIELDS = ("x", "pos", "edge_index", "edge_attr", "u", "y", "batch", "ptr")


def box(galaxies: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(galaxies)
    names = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
    return rng.random((galaxies, 3)), {name: rng.lognormal(size=galaxies) for name in names}


def graphs() -> list[Graph]:
    return [build_graph(*box(n), 0.2) for n in COUNTS]


@pytest.fixture
def dataset() -> GalaxyGraphs:
    return GalaxyGraphs(graphs(), [f"LH_{i}" for i in range(5)], TRUTH, SCALING)


@pytest.mark.parametrize("index", [[0, 1, 2, 3, 4], [3, 0], [1], [2, 2, 4]])
def test_batch_equals_pyg_collation(dataset, index):
    ours = dataset.batch(torch.tensor(index))
    theirs = Batch.from_data_list([dataset[i] for i in index])
    assert set(ours.keys()) - {"domain"} == set(theirs.keys())
    for name in FIELDS:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=0, equal_nan=True)
    assert ours.num_graphs == len(index)
    assert (ours.edge_index[1].diff() >= 0).all()


def test_batch_is_the_record_that_the_trainer_knows(dataset):
    batch = dataset.in_domain(3).batch(torch.tensor([0, 2]))
    assert isinstance(batch, BatchRecord)
    assert batch.domain == 3


def test_truth_is_physical_in_the_dataset_and_scaled_in_batches(dataset):
    assert dataset.y.dtype == torch.float64
    np.testing.assert_array_equal(dataset.y, TRUTH)
    scaled = dataset.batch(torch.tensor([0, 1, 2])).y
    torch.testing.assert_close(scaled, torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]]))
    assert dataset.batch(torch.tensor([4])).y.isnan().all()


def test_items_are_the_graphs_that_came_in(dataset):
    for i, graph in enumerate(graphs()):
        item = dataset[i]
        assert isinstance(item, Data)
        np.testing.assert_array_equal(item.edge_index, graph.edge_index)
        np.testing.assert_array_equal(item.x, graph.x)
        assert item.y.shape == (1, 2)


def test_equal_truth_shares_a_group_and_unknown_truth_stands_alone(dataset):
    assert dataset.groups == ("LH_0", "LH_1", "LH_2", "LH_2", "LH_4")


def test_sizes_and_repr(dataset):
    assert dataset.sizes == {"node": 4, "edge": 3, "global": 1}
    assert repr(dataset) == "GalaxyGraphs(5 graphs of 17 galaxies; Omega_m, sigma_8)"


def test_pyg_loader_gives_the_encoder_the_same_numbers(dataset):
    encoder = ENCODERS["graph"](dataset.sizes, hidden=8).eval()
    loaded = next(iter(DataLoader(dataset, batch_size=5)))
    torch.testing.assert_close(encoder(loaded), encoder(dataset.batch(torch.arange(5))))


def test_a_slice_keeps_ids_truth_and_batches_together(dataset):
    part = dataset[2:4]
    assert part.ids == ("LH_2", "LH_3")
    np.testing.assert_array_equal(part.y, TRUTH[2:4])
    assert torch.equal(part.batch(torch.tensor([1])).x, dataset[3].x)
    assert len(part) == 2


@pytest.mark.parametrize("chosen", [None, [2, 0], slice(1, None)])
def test_a_copy_keeps_ids_truth_and_batches_together(dataset, chosen):
    expected = dataset if chosen is None else dataset[chosen]
    for made in (dataset.copy(chosen), expected.copy()):
        assert (made.ids, made.groups) == (expected.ids, expected.groups)
        np.testing.assert_array_equal(made.y, expected.y)
        every = torch.arange(len(expected))
        one, other = made.batch(every), expected.batch(every)
        assert torch.equal(one.x, other.x) and torch.equal(one.edge_index, other.edge_index)
        np.testing.assert_array_equal(one.y, other.y)


def test_moving_returns_another_dataset_with_equal_contents(dataset):
    moved = dataset.to("cpu")
    assert moved is not dataset
    assert torch.equal(moved.batch(torch.tensor([2])).x, dataset.batch(torch.tensor([2])).x)
    assert moved.ids == dataset.ids


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_on_cuda_equal_those_on_the_cpu(dataset):
    index = torch.tensor([3, 0, 2])
    there, here = dataset.to("cuda").batch(index.cuda()), dataset.batch(index)
    for name in FIELDS:
        assert there[name].is_cuda
        torch.testing.assert_close(there[name].cpu(), here[name])
    encoder = ENCODERS["graph"](dataset.sizes, hidden=8).eval()
    expected = encoder(here)
    torch.testing.assert_close(encoder.cuda()(there).cpu(), expected, rtol=1e-4, atol=1e-4)


class Box:
    """What building a graph reads of a catalogue."""

    def __init__(self, galaxies: int) -> None:
        self.positions, self.columns = box(galaxies)


@pytest.mark.parametrize("workers", [1, 2])
def test_loading_keeps_the_order_and_reports_progress(dataset, workers):
    seen = []
    loaded = load_galaxies(
        [Box(n) for n in COUNTS],
        dataset.ids,
        TRUTH,
        SCALING,
        linking_radius=0.2,
        workers=workers,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(i, 5) for i in range(1, 6)]
    every = torch.arange(5)
    assert torch.equal(loaded.batch(every).edge_attr, dataset.batch(every).edge_attr)


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(EmptyCatalogError):
        GalaxyGraphs([], [], np.zeros((0, 2)), SCALING)
    with pytest.raises(MismatchError, match=r"5 items.*\[5, 2\].*Omega_m, sigma_8.*\[5, 1\]"):
        GalaxyGraphs(graphs(), list("abcde"), TRUTH[:, :1], SCALING)
    with pytest.raises(MismatchError, match="4 ids"):
        GalaxyGraphs(graphs(), list("abcd"), TRUTH, SCALING)
