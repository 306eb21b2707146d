"""Self-tuned weights: where they settle, how far they go, and what may be tuned."""

import math

import pytest
import torch
from latents import make_pair, samples

from dagnn.losses import (
    MMD,
    DomainTerm,
    GaussianNLL,
    MomentsLoss,
    SelfTunedObjective,
    TaskLoss,
    Weighted,
)

PAIR = make_pair(*samples(1.0, 20, 20))


class Constant(DomainTerm):
    """A term of fixed value."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, pair):
        return torch.tensor(self.value)


class Entropy(TaskLoss):
    """Stands for a loss that is never negative."""

    nonnegative = True

    def forward(self, prediction, y):
        return torch.tensor(0.9)


def settled(value: float, task: TaskLoss | None = None, weight: float = 1.0) -> SelfTunedObjective:
    objective = SelfTunedObjective(
        task or GaussianNLL(), {"term": Weighted(Constant(value), weight)}
    )
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        objective(PAIR).total.backward()
        optimizer.step()
    return objective


def test_total_by_hand():
    term = Weighted(MMD("biased"), 0.7, "ganin")
    objective = SelfTunedObjective(MomentsLoss(), {"mmd": term})
    objective.log_eta["mmd"].data.fill_(0.3)
    terms = objective(PAIR)
    square = 0.25 + math.exp(0.6)
    bracket = terms.domain["mmd"] / (2 * square) + math.log(square) / 2
    torch.testing.assert_close(terms.total, terms.task + 0.7 * math.tanh(2.5) * bracket)
    torch.testing.assert_close(terms.domain["mmd"], MMD("biased")(PAIR))


def test_the_square_of_eta_settles_at_the_value_of_the_term():
    assert settled(0.8).factors()["term"] == pytest.approx(1 / (2 * 0.8), rel=1e-2)
    assert settled(0.8, weight=5.0).factors()["term"] == pytest.approx(1 / (2 * 0.8), rel=1e-2)


@pytest.mark.parametrize("value", [0.0, 1e-6, -0.5])
def test_a_vanishing_or_negative_term_stays_within_the_floor(value):
    objective = settled(value)
    assert 1.9 < objective.factors()["term"] <= 2.0
    assert math.isfinite(float(objective(PAIR).total.detach()))


def test_eta_can_come_back_from_the_floor():
    objective = SelfTunedObjective(GaussianNLL(), {"term": (Constant(3.0), 1.0, "constant")})
    objective.log_eta["term"].data.fill_(-3.0)
    objective(PAIR).total.backward()
    assert objective.log_eta["term"].grad < 0


def test_only_a_task_that_is_never_negative_is_tuned():
    fixed = SelfTunedObjective(GaussianNLL(), {"term": (Constant(1.0), 1.0, "constant")})
    assert set(fixed.factors()) == {"term"}
    tuned = settled(0.8, Entropy())
    assert tuned.factors()["task"] == pytest.approx(1 / (2 * 0.9), rel=1e-2)
    terms = tuned(PAIR)
    bracket = 0.5 + math.log(0.9) / 2 + 0.5 + math.log(0.8) / 2
    assert float(terms.total.detach()) == pytest.approx(bracket, abs=1e-4)
    assert float(terms.task) == pytest.approx(0.9)


def test_doubling_a_weight_doubles_the_gradient():
    def gradient(weight: float) -> torch.Tensor:
        source, target = samples(1.0, 20, 20)
        source.requires_grad_()
        objective = SelfTunedObjective(Entropy(), {"mmd": Weighted(MMD("biased"), weight)})
        objective(make_pair(source, target)).total.backward()
        return source.grad

    torch.testing.assert_close(gradient(2.0), 2 * gradient(1.0))
    assert gradient(1.0).abs().sum() > 0


def test_a_term_without_weight_has_nothing_to_tune_and_scalars_are_not_decayed():
    objective = SelfTunedObjective(GaussianNLL(), {"term": (Constant(1.0), 0.0, "constant")})
    assert list(objective.parameters()) == []
    assert all(parameter.ndim == 0 for parameter in settled(0.5).parameters())


@pytest.mark.parametrize("floor", [0.0, -1.0, math.nan])
def test_a_floor_that_bounds_nothing_is_refused(floor):
    with pytest.raises(ValueError, match="floor"):
        SelfTunedObjective(GaussianNLL(), floor=floor)


def test_repr_tells_weights_and_floor():
    objective = SelfTunedObjective(GaussianNLL(), {"mmd": (MMD(), 0.5, "ganin")})
    assert "mmd: weight=0.5 ramp=ganin, floor=0.5" in repr(objective)
