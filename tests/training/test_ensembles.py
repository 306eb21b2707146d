"""Members trained together end where they end when trained alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from toy import FEATURES, Points, Secret, toy_domains

from dagnn.errors import Interrupted
from dagnn.losses import (
    DANN,
    MMD,
    GaussianNLL,
    NoAdaptation,
    Objective,
    PerMember,
    SelfTunedObjective,
)
from dagnn.models import Ensemble, MomentsHead, Network, SpectrumEncoder
from dagnn.nn import mixture
from dagnn.records import Moments
from dagnn.training import Callback, Checkpoints, TrainSettings, fit, validation_metrics
from dagnn.training.forward import join, make_pair, nothing_like
from dagnn.training.optimizers import OPTIMIZERS, Gradients, parameter_groups

WIDTH, MEMBERS = 4, 3
# Clipping acts in some steps, and decay is strong: either would show if members mixed.
SETTINGS = TrainSettings(
    epochs=2,
    optimizer="adam",
    learning_rate=0.005,
    weight_decay=0.1,
    clip_norm=25.0,
    schedule="constant",
)
WAYS = pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])


@pytest.fixture(autouse=True)
def _plain_steps(monkeypatch):
    # Adam divides by the gradient, which blows rounding up; plain steps do not.
    monkeypatch.setitem(OPTIMIZERS, "adam", torch.optim.SGD)


def make_network(seed: int, dropout: float = 0.0) -> Network:
    torch.manual_seed(seed)
    encoder = SpectrumEncoder(
        {"features": FEATURES}, hidden=[8], width=WIDTH, batch_norm=True, dropout=dropout
    )
    return Network(encoder, MomentsHead(WIDTH, 1, hidden=[8]))


def source_only() -> Objective:
    return Objective(GaussianNLL(), {"none": (NoAdaptation(), 1.0, "constant")})


def with_mmd() -> Objective:
    return Objective(GaussianNLL(), {"mmd": (MMD(), 0.5, "ganin")})


def adversarial() -> Objective:
    return Objective(GaussianNLL(), {"dann": (DANN(WIDTH, dropout=0.0), 0.5, "constant")})


def self_tuned() -> Objective:
    return SelfTunedObjective(GaussianNLL(), {"mmd": (MMD("biased"), 0.5, "constant")})


def make_objective(kind: Callable[[], Objective], seed: int) -> Objective:
    torch.manual_seed(100 + seed)
    return kind()


@WAYS
@pytest.mark.parametrize("kind", [source_only, with_mmd, adversarial, self_tuned])
def test_an_ensemble_trains_its_members_as_if_alone(kind, together):
    ensemble = Ensemble([make_network(i) for i in range(MEMBERS)], together)
    joint = PerMember([make_objective(kind, i) for i in range(MEMBERS)])
    result = fit(ensemble, joint, toy_domains(), settings=SETTINGS)
    totals = []
    for number in range(MEMBERS):
        network, objective = make_network(number), make_objective(kind, number)
        alone = fit(network, objective, toy_domains(), settings=SETTINGS)
        totals.append(alone.history[-1].train)
        torch.testing.assert_close(
            dict(ensemble.member(number).state_dict()),
            dict(network.state_dict()),
            rtol=1e-3,
            atol=1e-4,
        )
        torch.testing.assert_close(
            dict(joint.members[number].state_dict()),
            dict(objective.state_dict()),
            rtol=1e-3,
            atol=1e-4,
        )
    for name, value in result.history[-1].train.items():
        mean = sum(each[name] for each in totals) / MEMBERS
        assert value == pytest.approx(mean, rel=1e-3, abs=1e-4), name


def test_each_member_is_clipped_by_its_own_norm():
    ensemble = Ensemble([make_network(i) for i in range(2)])
    objective = PerMember([make_objective(adversarial, i) for i in range(2)])
    for parameter in ensemble.parameters():
        parameter.grad = torch.zeros_like(parameter)
    ensemble.head.layers[0].bias.grad[0, 0] = 3.0
    for member, value in zip(objective.members, (4.0, 0.5), strict=True):
        weight = member.terms["dann"].discriminator[0].bias
        weight.grad = torch.zeros_like(weight)
        weight.grad[0] = value
    gradients = Gradients(ensemble, objective)
    norms = gradients.norms()
    assert norms.tolist() == pytest.approx([5.0, 0.5])
    gradients.clip(norms, 1.0)
    assert gradients.norms().tolist() == pytest.approx([1.0, 0.5], rel=1e-4)
    assert float(ensemble.head.layers[0].bias.grad[0, 0]) == pytest.approx(0.6, rel=1e-4)


def test_an_ensemble_needs_an_objective_for_each_member():
    ensemble = Ensemble([make_network(i) for i in range(2)])
    with pytest.raises(ValueError, match="objective for each member"):
        fit(ensemble, with_mmd(), toy_domains(), settings=SETTINGS)


def test_weight_decay_spares_the_biases_of_members():
    single, ensemble = make_network(0), Ensemble([make_network(i) for i in range(2)])
    for network in (single, ensemble, nn.Sequential(ensemble)):
        decayed, plain = parameter_groups([network], 0.1)
        assert len(decayed["params"]) == 4 and len(plain["params"]) == 6


def test_validation_is_that_of_the_mixture_and_terms_are_means():
    ensemble = Ensemble([make_network(i) for i in range(MEMBERS)]).eval()
    objective = PerMember([with_mmd() for _ in range(MEMBERS)])
    rows = torch.arange(30)
    sources = [Points(30, 1).batch(rows)]
    targets = [Secret(30, 2, 2.0).in_domain(2).batch(rows)]
    found = validation_metrics(ensemble, objective, sources, targets)
    alone = [
        validation_metrics(ensemble.member(i), with_mmd(), sources, targets) for i in range(MEMBERS)
    ]
    for name in ("latent_distance", "mmd"):
        assert found[name] == pytest.approx(sum(a[name] for a in alone) / MEMBERS, rel=1e-4)
    with torch.no_grad():
        mean, std = mixture(ensemble(sources[0])).prediction
    labels = sources[0].y
    assert found["source_error"] == pytest.approx(float((mean - labels).square().mean().sqrt()))
    assert found["source_loss"] == pytest.approx(float(GaussianNLL()(Moments(mean, std), labels)))


def test_terms_of_members_see_a_bounded_number_of_items(monkeypatch):
    monkeypatch.setattr("dagnn.training.validation.ITEMS_FOR_TERMS", 10)
    ensemble = Ensemble([make_network(i) for i in range(2)]).eval()
    objective = PerMember([make_objective(adversarial, i) for i in range(2)])
    seen = []
    objective.members[1].terms["dann"].register_forward_pre_hook(
        lambda term, inputs: seen.append(inputs[0])
    )
    rows = torch.arange(40)
    sources, targets = [Points(40, 1).batch(rows)], [Secret(40, 2).in_domain(2).batch(rows)]
    validation_metrics(ensemble, objective, sources, targets)
    [pair] = seen
    assert pair.source.latent.shape == pair.target.latent.shape == (10, WIDTH)
    assert len(pair.labels) == len(pair.source_domain) == 10


def test_items_are_joined_behind_the_member_axis():
    ensemble = Ensemble([make_network(i) for i in range(2)]).eval()
    points = Points(12, 0)
    whole = ensemble(points.batch(torch.arange(12)))
    parts = join([ensemble(points.batch(rows)) for rows in torch.arange(12).split(5)])
    torch.testing.assert_close(parts, whole)
    nothing = nothing_like(whole)
    assert nothing.latent.shape == (2, 0, WIDTH) and nothing.prediction.mean.shape == (2, 0, 1)
    pair = make_pair(
        ensemble, [points.in_domain(3).batch(torch.arange(12))], [], torch.zeros(0), 0.5
    )
    assert pair.source_domain.tolist() == [3] * 12


@WAYS
def test_an_interrupted_ensemble_resumes_exactly(tmp_path, together):
    def run(folder: str, stop_after: int | None = None) -> dict[str, Tensor]:
        ensemble = Ensemble([make_network(i, dropout=0.3) for i in range(2)], together)
        objective = PerMember([make_objective(adversarial, i) for i in range(2)])
        checkpoints = Checkpoints(tmp_path / folder / "checkpoints")
        fit(
            ensemble,
            objective,
            toy_domains(),
            settings=replace(SETTINGS, optimizer="adamw", epochs=3),
            callbacks=[StopAfter(stop_after)],
            checkpoints=checkpoints,
            resume=checkpoints.last if checkpoints.last.is_file() else None,
        )
        return ensemble.state_dict()

    whole = run("whole")
    with pytest.raises(Interrupted):
        run("broken", stop_after=2)
    resumed = run("broken")
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


class StopAfter(Callback):
    """Interrupt training in the first step after an epoch."""

    def __init__(self, epochs: int | None) -> None:
        self.epochs = epochs
        self.done = 0

    def on_epoch(self, record) -> None:
        self.done += 1

    def on_step(self, step: int) -> None:
        if self.done == self.epochs:
            raise KeyboardInterrupt
