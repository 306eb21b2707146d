"""Predictions come in physical units, whatever the batch size, and leave the network as it was."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from in_domain import InDomain
from torch import nn

from dagnn.evaluation.predict import predict
from dagnn.parameters import Scaling
from dagnn.records import Logits, Moments, Output


@dataclass(frozen=True)
class Vectors(InDomain):
    """A dataset of plain vectors, as small as a dataset can be."""

    x: torch.Tensor
    y: torch.Tensor
    ids: tuple[str, ...]
    domains: list

    @property
    def groups(self):
        return tuple(f"group {name}" for name in self.ids)

    def to(self, where):
        return replace(self, x=self.x.to(where), y=self.y.to(where)).in_domain(self.domain)

    def batch(self, index):
        self.domains.append(self.domain)
        return SimpleNamespace(x=self.x[index], y=self.y[index], domain=self.domain)


class Tiny(nn.Module):
    """Batch norm and dropout betray a network that is not in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(3), nn.Dropout(0.5)
        self.linear = nn.Linear(3, 4)
        self.grad_seen = []

    def forward(self, batch):
        self.grad_seen.append(torch.is_grad_enabled())
        latent = self.drop(self.norm(batch.x))
        mean, std = self.linear(latent).chunk(2, dim=1)
        return Output(latent, Moments(mean, std))


@pytest.fixture
def dataset():
    y = torch.rand(11, 2) * 0.4 + torch.tensor([0.1, 0.6])
    y[3] = float("nan")
    return Vectors(torch.randn(11, 3), y, tuple(f"LH_{i}" for i in range(11)), [])


SCALING = Scaling.of(["Omega_m", "sigma_8"])


def run(network, dataset, index=None, **options):
    index = torch.tensor([7, 2, 3, 10]) if index is None else index
    where = {"suite": "simba", "role": "target", "split": "test"}
    return predict(network, dataset, index, SCALING, **where, **options)


def test_numbers_are_those_of_the_network_in_physical_units(dataset):
    network = Tiny()
    found = run(network, dataset.in_domain(1), model="source-only")
    network.eval()
    with torch.no_grad():
        output = network(dataset.batch(torch.tensor([7, 2, 3, 10])))
    mean, std = (value.double().numpy() for value in output.prediction)
    np.testing.assert_allclose(found.mean, [0.1, 0.6] + 0.4 * mean, rtol=1e-6)
    np.testing.assert_allclose(found.std, 0.4 * np.abs(std), rtol=1e-6)
    assert (std < 0).any(), "the example must contain a negative std"
    np.testing.assert_allclose(found.latent, output.latent.double().numpy(), rtol=1e-6)
    np.testing.assert_array_equal(found.truth, dataset.y[[7, 2, 3, 10]].double().numpy())
    assert found.ids == ("LH_7", "LH_2", "LH_3", "LH_10")
    assert found.groups == ("group LH_7", "group LH_2", "group LH_3", "group LH_10")
    assert (found.suite, found.role, found.split) == ("simba", "target", "test")
    assert (found.model, found.parameters) == ("source-only", ("Omega_m", "sigma_8"))
    assert dataset.domains[0] == 1


def test_batch_size_does_not_matter(dataset):
    network, everything = Tiny(), torch.arange(11)
    whole = run(network, dataset, everything)
    parts = run(network, dataset, everything, batch_size=3)
    np.testing.assert_allclose(whole.mean, parts.mean, rtol=1e-6)
    assert len(dataset.domains) == 1 + 4


def test_modes_are_restored_and_gradients_are_off(dataset):
    network = Tiny().train()
    network.norm.eval()
    run(network, dataset)
    assert (network.training, network.drop.training, network.norm.training) == (True, True, False)
    assert network.grad_seen == [False]


def test_modes_are_restored_after_a_failure(dataset):
    network = Tiny().train()
    with pytest.raises(IndexError):
        run(network, dataset, torch.tensor([99]))
    assert network.training


def test_class_scores_and_empty_splits_are_refused(dataset):
    class Classes(nn.Module):
        def forward(self, batch):
            return Output(batch.x, Logits(batch.x))

    with pytest.raises(TypeError, match="moments"):
        run(Classes(), dataset)
    with pytest.raises(ValueError, match="test split of simba is empty"):
        run(Tiny(), dataset, torch.empty(0, dtype=torch.long))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_network_on_cuda_gives_the_same_numbers(dataset):
    network = Tiny()
    here = run(network, dataset)
    there = run(network.cuda(), dataset)
    np.testing.assert_allclose(here.mean, there.mean, rtol=1e-4)
