"""Every batch of a dataset carries its domain, whatever loader makes it."""

import numpy as np
import pytest
import torch
from torch.utils.data import Subset
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from dagnn.data.galaxies import GalaxyGraphs
from dagnn.data.images import Images
from dagnn.data.spectra import Spectra
from dagnn.errors import UsageError
from dagnn.graphs import build_graph
from dagnn.models import GraphEncoder, MomentsHead, Network, SpectrumEncoder
from dagnn.models.image import SurveyEncoder
from dagnn.parameters import Scaling

NAMES = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
IDS = [f"LH_{n}" for n in range(6)]
OMEGA = np.linspace(0.1, 0.5, 6)[:, None]


def graphs() -> GalaxyGraphs:
    rng = np.random.default_rng(0)
    boxes = [
        build_graph(rng.random((n, 3)), {name: rng.lognormal(size=n) for name in NAMES}, 0.2)
        for n in rng.integers(2, 30, 6)
    ]
    return GalaxyGraphs(boxes, IDS, OMEGA, Scaling.of(["Omega_m"]))


def spectra() -> Spectra:
    return Spectra(np.random.default_rng(0).random((6, 8)), IDS, OMEGA, Scaling.of(["Omega_m"]))


def images() -> Images:
    pixels = np.random.default_rng(0).random((6, 3, 16, 16)).astype(np.float32)
    return Images(pixels, IDS, [0, 1, 0, 1, 0, 1], ["spiral", "merger"])


ENCODERS = {
    "graphs": lambda n: GraphEncoder(graphs().sizes, 8, domains=n),
    "spectra": lambda n: SpectrumEncoder({"features": 8}, [8], 6, domains=n),
    "images": lambda n: SurveyEncoder(
        {"channels": 3, "height": 16, "width": 16}, (4,), width=6, augment=False, domains=n
    ),
}
DATASETS = {"graphs": graphs, "spectra": spectra, "images": images}
EVERY = torch.arange(6)


def network_of(name: str, domains: int) -> Network:
    """Return a network whose domains standardise inputs differently."""
    torch.manual_seed(0)
    encoder = ENCODERS[name](domains)
    network = Network(encoder, MomentsHead(encoder.width, 1, hidden=[4])).eval()
    dataset = DATASETS[name]()
    for domain in range(domains):
        network.fit_inputs(dataset.in_domain(domain).batch(EVERY[: 6 - domain]))
    return network


def test_loaders_of_pytorch_geometric_give_the_predictions_of_our_own_batches():
    network, dataset = network_of("graphs", 2), graphs().in_domain(1)
    expected = network(dataset.batch(EVERY)).prediction.mean
    for items in (dataset, Subset(dataset, range(6)), dataset.copy(), dataset[range(6)]):
        batches = list(DataLoader(items, batch_size=4))
        found = torch.cat([network(batch).prediction.mean for batch in batches])
        torch.testing.assert_close(found, expected)
    assert not torch.allclose(network(graphs().in_domain(0).batch(EVERY)).prediction.mean, expected)


@pytest.mark.parametrize("name", DATASETS)
def test_networks_with_several_statistics_refuse_batches_of_no_known_domain(name):
    dataset, network = DATASETS[name](), network_of(name, 2)
    with pytest.raises(UsageError, match=r"does not carry the number of its domain.*in_domain"):
        network(dataset.batch(EVERY))
    with pytest.raises(UsageError, match=r"2 domains.*domain=2"):
        network(dataset.in_domain(2).batch(EVERY))
    assert len(network(dataset.in_domain(1).batch(EVERY)).latent) == 6
    assert len(network_of(name, 1)(dataset.batch(EVERY)).latent) == 6


@pytest.mark.parametrize("name", DATASETS)
def test_the_domain_stays_with_the_dataset(name):
    dataset = DATASETS[name]()
    placed = dataset.in_domain(3)
    assert dataset.domain is None and placed.to("cpu").domain == 3
    assert placed.to("cpu").batch(EVERY).domain == 3


def test_single_graphs_and_mixed_domains():
    network, dataset = network_of("graphs", 2), graphs()
    (alone,) = DataLoader([dataset.in_domain(1)[0]], batch_size=1)
    torch.testing.assert_close(
        network(alone).latent, network(dataset.in_domain(1).batch(EVERY[:1])).latent
    )
    mixed = [dataset.in_domain(0)[0], dataset.in_domain(1)[1]]
    with pytest.raises(UsageError, match="A batch is of one domain"):
        network(Batch.from_data_list(mixed))
