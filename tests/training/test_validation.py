"""Validation numbers: values by hand, no target labels, many items."""

import pytest
import torch
from toy import Points, Secret, toy_network, toy_objective

from dagnn.errors import UsageError
from dagnn.losses import GaussianNLL, Objective
from dagnn.records import Logits, Moments
from dagnn.training import validation_metrics
from dagnn.training.forward import make_pair
from dagnn.training.validation import latent_distance, prediction_error


@pytest.fixture
def network():
    return toy_network().eval()


def batches(kind, count: int, parts: int, shift: float = 0.0):
    points = kind(count, count, shift)
    return [points.in_domain(1).batch(rows) for rows in torch.arange(count).chunk(parts)]


def test_numbers_agree_with_their_definitions(network):
    objective = toy_objective()
    sources, targets = batches(Points, 50, 1), batches(Secret, 30, 1, 2.0)
    values = validation_metrics(network, objective, sources, targets)
    with torch.no_grad():
        pair = make_pair(network, sources, targets, torch.zeros(0), 1.0)
        mean, std = pair.source.prediction
    assert values["source_loss"] == pytest.approx(
        float(GaussianNLL()(Moments(mean, std), pair.labels))
    )
    assert values["source_error"] == pytest.approx(float(((mean - pair.labels) ** 2).mean() ** 0.5))
    with torch.no_grad():
        assert values["mmd"] == pytest.approx(float(objective(pair).domain["mmd"]))


def test_how_items_are_cut_into_batches_does_not_matter(network):
    results = [
        validation_metrics(network, toy_objective(), batches(Points, 50, n), batches(Secret, 30, n))
        for n in (1, 4)
    ]
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_without_targets_only_the_source_is_measured(network):
    values = validation_metrics(network, toy_objective(), batches(Points, 50, 2))
    assert set(values) == {"source_loss", "source_error"}


def test_source_only_measures_the_distance_but_no_term(network):
    objective = Objective(GaussianNLL())
    values = validation_metrics(network, objective, batches(Points, 9, 1), batches(Secret, 9, 1))
    assert set(values) == {"source_loss", "source_error", "latent_distance"}


def test_terms_see_a_bounded_number_of_items(network, monkeypatch):
    monkeypatch.setattr("dagnn.training.validation.ITEMS_FOR_TERMS", 10)
    objective = toy_objective()
    seen = []
    objective.terms["mmd"].register_forward_pre_hook(lambda term, inputs: seen.append(inputs[0]))
    values = validation_metrics(
        network, objective, batches(Points, 55, 3), batches(Secret, 31, 2, 2.0)
    )
    [pair] = seen
    assert len(pair.source.latent) == len(pair.target.latent) == len(pair.labels) == 10
    assert len({row.tobytes() for row in pair.source.latent.numpy()}) == 10
    assert values["mmd"] > 0


def test_error_of_classes_is_the_fraction_that_is_wrong():
    scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [0.0, 1.0]])
    assert prediction_error(Logits(scores), torch.tensor([0, 1, 1, 0])) == 0.5


def test_latent_distance_is_in_units_of_the_spread():
    cloud = torch.randn(4000, 3)
    shifted = cloud + torch.tensor([2.0, 0.0, 0.0])
    assert latent_distance(cloud, cloud) == 0
    expected = 2 / 3**0.5
    assert float(latent_distance(cloud, shifted)) == pytest.approx(expected, rel=0.03)
    torch.testing.assert_close(
        latent_distance(10 * cloud, 10 * shifted), latent_distance(cloud, shifted)
    )


def test_a_small_domain_beside_a_large_one_is_still_compared(network, monkeypatch):
    monkeypatch.setattr("dagnn.training.validation.ITEMS_FOR_TERMS", 10)
    objective = toy_objective()
    seen = []
    objective.terms["mmd"].register_forward_pre_hook(lambda term, inputs: seen.append(inputs[0]))
    rows = torch.arange(300)
    targets = [Secret(n, n).in_domain(d).batch(rows[:n]) for d, n in ((2, 300), (3, 3))]
    validation_metrics(network, objective, [Points(300, 1).batch(rows)], targets)
    assert [len(pair.target_domain) for pair in seen] == [10, 3]


def test_several_batches_of_unknown_domains_are_not_taken_for_one(network):
    rows = torch.arange(40)
    source = Points(40, 0).batch(rows)
    shifts = torch.tensor([1.0, 0, 0]), torch.tensor([-1.0, 0, 0])
    targets = [Secret(40, 1, shift) for shift in shifts]

    def distance(*domains: int | None) -> float:
        placed = [t.in_domain(d).batch(rows) for t, d in zip(targets, domains, strict=True)]
        return validation_metrics(network, toy_objective(), [source], placed)["latent_distance"]

    alone = [
        validation_metrics(network, toy_objective(), [source], [target.batch(rows)])
        for target in targets
    ]
    expected = sum(values["latent_distance"] for values in alone) / 2
    assert distance(1, 2) == pytest.approx(expected, rel=1e-5)
    assert distance(1, 1) < 0.9 * expected, "a pool would not be noticed"
    for domains in ((None, None), (1, None)):
        with pytest.raises(UsageError, match=r"Of 2 target batches, .*in_domain\(number\)"):
            distance(*domains)
    unknown = [Points(20, seed).in_domain(None).batch(rows[:20]) for seed in (0, 1)]
    with pytest.raises(UsageError, match="Of 2 source batches, 2 do not carry"):
        validation_metrics(network, toy_objective(), unknown, [targets[0].batch(rows)])
    assert "source_error" in validation_metrics(network, toy_objective(), unknown)
