"""Scores of a trained network, without target labels; and the sealed ones."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from tiny_runs import load

from dagnn.models import Network
from dagnn.records import Logits, Moments, Output
from dagnn.run.data import prepare
from dagnn.run.prepared import Prepared
from dagnn.run.selection import (
    Relabelled,
    _excess_auc,
    label_free_scores,
    negative_log_likelihood,
    outputs,
    reverse_error,
    swap,
    target_items,
    target_scores,
    train_prepared,
)
from dagnn.training import Callback

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def prepared(universe: Path) -> Prepared:
    """Give the tiny suites, with validation parts large enough for five folds."""
    experiment = load(universe, "data.split=[0.4, 0.3, 0.3]")
    return prepare(experiment, universe, QUIET)


@pytest.fixture(scope="module")
def network(universe: Path, prepared: Prepared, tmp_path_factory) -> Network:
    """Give a network that has seen two epochs."""
    experiment = load(universe, "data.split=[0.4, 0.3, 0.3]")
    return train_prepared(experiment, prepared, tmp_path_factory.mktemp("trial")).network


def without_target_truth(prepared: Prepared) -> Prepared:
    """Return the data with the target's truth gone."""
    hidden = []
    for suite in prepared.suites:
        if suite.role == "target":
            unknown = torch.full((len(suite.loaded.dataset), 1), float("nan"))
            dataset = Relabelled(suite.loaded.dataset, unknown)
            suite = replace(suite, loaded=replace(suite.loaded, dataset=dataset))
        hidden.append(suite)
    return replace(prepared, suites=tuple(hidden))


def test_label_free_scores_need_no_target_truth(network, prepared):
    scores = label_free_scores(network, prepared)
    assert set(scores) == {"source_error", "source_nll", "domain_auc"}
    assert 0 <= scores["domain_auc"] <= 0.5
    assert scores == label_free_scores(network, without_target_truth(prepared))


def test_the_source_error_is_that_of_the_network_that_is_stored(universe, prepared, tmp_path):
    class Last(Callback):
        record = None

        def on_epoch(self, record):
            self.record = record

    last = Last()
    experiment = load(universe, "data.split=[0.4, 0.3, 0.3]")
    trained = train_prepared(experiment, prepared, tmp_path / "a", callbacks=[last])
    output, y = outputs(trained.network, prepared.of_role("source")[0], "valid")
    error = float((output.prediction.mean - y).square().mean().sqrt())
    assert trained.scores["source_error"] == pytest.approx(error, rel=1e-5)
    # Epochs are judged by running statistics, the stored network by those of the training items.
    assert last.record.valid["source_error"] == pytest.approx(error, rel=0.3)


def test_target_scores_read_the_test_part_and_need_truth(network, prepared):
    suite = prepared.of_role("target")[0]
    output, y = outputs(network, suite, "test")
    error = (output.prediction.mean - y).square().mean().sqrt()
    scores = target_scores(network, prepared)
    assert scores["error"] == pytest.approx(float(error), rel=1e-5)
    variance = (y - y.mean()).square().mean()
    assert scores["r2"] == pytest.approx(float(1 - error**2 / variance), rel=1e-4)
    assert target_scores(network, without_target_truth(prepared)) == {}


def test_the_likelihood_is_that_of_a_gaussian_and_of_classes():
    mean, std, y = torch.zeros(3, 2), torch.full((3, 2), 2.0), torch.ones(3, 2)
    expected = -2 * torch.distributions.Normal(0.0, 2.0).log_prob(torch.tensor(1.0))
    assert negative_log_likelihood(Moments(mean, std), y).item() == pytest.approx(expected.item())
    even = negative_log_likelihood(Logits(torch.zeros(3, 4)), torch.tensor([0, 1, 3]))
    assert even.item() == pytest.approx(np.log(4))


def test_swapped_roles_carry_pseudo_labels_and_hide_the_rest(network, prepared):
    swapped = swap(network, prepared)
    assert [(s.name, s.role, s.domain) for s in swapped.suites] == [
        ("simba", "source", 0),
        ("tng", "target", 1),
    ]
    before = prepared.of_role("target")[0]
    after = swapped.of_role("source")[0]
    for part in ("train", "valid"):
        said = outputs(network, before, part)[0].prediction.mean
        seen = after.loaded.dataset.batch(after.parts()[part]).y
        assert torch.equal(seen, said)
    assert after.loaded.dataset.y[after.parts()["test"]].isnan().all()
    # The dataset itself is as it was.
    own = before.loaded.dataset.batch(before.parts()["valid"])
    assert not torch.equal(own.y, seen)


def test_reverse_validation_reads_no_target_label_and_trains_the_recipe(
    universe, network, prepared
):
    experiment = load(universe, "data.split=[0.4, 0.3, 0.3]")
    epochs = []

    class Counting(Callback):
        def on_epoch(self, record):
            epochs.append(record.epoch)

    error = reverse_error(network, experiment, prepared, callbacks=[Counting()])
    hidden = reverse_error(network, experiment, without_target_truth(prepared))
    assert epochs == [1, 2]
    assert error == hidden and 0 < error < 2


def test_nonsense_pseudo_labels_have_a_larger_reverse_error(universe, network, prepared):
    """What a network says about the target is replaced by a constant far away."""
    experiment = load(universe, "data.split=[0.4, 0.3, 0.3]", "training.epochs=20")

    class Nonsense(torch.nn.Module):
        def forward(self, batch):
            output = network(batch)
            mean, std = output.prediction
            return output._replace(prediction=Moments(torch.full_like(mean, 3.0), std))

        def parameters(self, recurse=True):
            return network.parameters(recurse)

    honest = reverse_error(network, experiment, prepared)
    assert reverse_error(Nonsense(), experiment, prepared) > honest + 0.5


def test_target_items_add_up_to_the_target_error(network, prepared):
    kept = target_items(network, prepared)
    scores = target_scores(network, prepared)
    roots = [np.sqrt(np.mean(items["squared"])) for items in kept.values()]
    assert np.mean(roots) == pytest.approx(scores["error"], rel=1e-5)
    for suite in prepared.of_role("target"):
        rows = suite.parts()["test"].tolist()
        groups = [str(suite.loaded.dataset.groups[row]) for row in rows]
        assert kept[suite.name]["groups"] == groups
    assert target_items(network, without_target_truth(prepared)) == {}


def test_targets_on_both_sides_of_the_source_are_told_apart_each() -> None:
    draw = torch.Generator().manual_seed(0)

    def measured(name: str, shift: float) -> Any:
        latent = torch.randn(150, 1, generator=draw) + shift
        dataset = SimpleNamespace(groups=[str(row) for row in range(150)])
        rows = {"valid": torch.arange(150)}
        suite = SimpleNamespace(
            name=name, loaded=SimpleNamespace(dataset=dataset), parts=lambda: rows
        )
        return suite, (Output(latent, Moments(latent, latent)), latent)

    source, below, above = (measured(n, s) for n, s in (("s", 0), ("b", -2), ("a", 2)))
    apart = [_excess_auc([source], [target]) for target in (below, above)]
    assert _excess_auc([source], [below, above]) == pytest.approx(np.mean(apart))
    assert min(apart) > 0.4
