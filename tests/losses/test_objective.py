"""The objective: weights that act, ramps, and terms that own parameters."""

import math

import pytest
import torch
from latents import CLASS_TERMS, make_pair, make_term, pair_for, samples
from torch import nn

from dagnn.errors import UsageError
from dagnn.losses import (
    MMD,
    OBJECTIVES,
    RAMPS,
    TASKS,
    TERMS,
    DomainTerm,
    LogSumObjective,
    MomentsLoss,
    NoAdaptation,
    Objective,
    TaskLoss,
    Weighted,
)


class NoTask(TaskLoss):
    """Zero, so that the total is the domain term alone."""

    def forward(self, prediction, y):
        return y.new_zeros(())


class Critic(DomainTerm):
    """A term with parameters: a linear critic of the two latents."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Linear(4, 1)

    def forward(self, pair):
        return (self.score(pair.source.latent).mean() - self.score(pair.target.latent).mean()) ** 2


def gradient(kind: type[Objective], weight: float) -> torch.Tensor:
    source, target = samples(1.0, 20, 20)
    source.requires_grad_()
    objective = kind(NoTask(), {"mmd": Weighted(MMD("biased"), weight)})
    objective(make_pair(source, target)).total.backward()
    return source.grad


def test_doubling_a_weight_doubles_the_gradient_of_the_weighted_sum():
    torch.testing.assert_close(gradient(Objective, 2.0), 2 * gradient(Objective, 1.0))
    assert gradient(Objective, 1.0).abs().sum() > 0


def test_doubling_a_weight_changes_nothing_in_the_log_sum():
    torch.testing.assert_close(gradient(LogSumObjective, 2.0), gradient(LogSumObjective, 1.0))
    assert gradient(LogSumObjective, 1.0).abs().sum() > 0


def test_log_sum_total_and_gradient_are_those_of_the_logarithm():
    pair = make_pair(*samples(1.0, 20, 20))
    term = MMD("biased")
    terms = LogSumObjective(MomentsLoss(), {"mmd": (term, 0.3, "constant")})(pair)
    expected = MomentsLoss()(pair.source.prediction, pair.labels) + torch.log(0.3 * term(pair))
    torch.testing.assert_close(terms.total, expected)
    relative = gradient(Objective, 1.0) / term(make_pair(*samples(1.0, 20, 20)))
    torch.testing.assert_close(gradient(LogSumObjective, 1.0), relative)


def test_total_is_task_plus_weight_times_ramp_times_term():
    pair = make_pair(*samples(1.0), progress=0.3)
    objective = Objective(MomentsLoss(), {"mmd": (MMD(), 0.7, "linear")})
    terms = objective(pair)
    torch.testing.assert_close(terms.task, MomentsLoss()(pair.source.prediction, pair.labels))
    torch.testing.assert_close(terms.domain["mmd"], MMD()(pair))
    torch.testing.assert_close(terms.total, terms.task + 0.7 * 0.3 * terms.domain["mmd"])


@pytest.mark.parametrize("kind", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_impossible_weights_are_refused(kind, weight):
    with pytest.raises(ValueError, match="weight of domain term 'mmd'"):
        kind(MomentsLoss(), {"mmd": (MMD(), weight, "constant")})


def test_log_sum_refuses_weights_and_ramps_that_would_do_nothing():
    with pytest.raises(ValueError, match="log 0"):
        LogSumObjective(MomentsLoss(), {"mmd": (MMD(), 0.0, "constant")})
    with pytest.raises(ValueError, match="ramp has no effect"):
        LogSumObjective(MomentsLoss(), {"mmd": (MMD(), 1.0, "ganin")})


def test_unknown_ramp_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'linear'"):
        Objective(MomentsLoss(), {"mmd": (MMD(), 1.0, "linaer")})


@pytest.mark.parametrize("kind", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("name", TERMS)
def test_every_term_works_in_every_objective(kind, name):
    task = TASKS["cross_entropy" if name in CLASS_TERMS else "moments"]()
    objective = kind(task, {name: (make_term(name), 1.0, "constant")})
    assert torch.isfinite(objective(pair_for(name, *samples(1.0))).total)


def test_needs_target_follows_the_terms_that_have_a_weight():
    assert not Objective(MomentsLoss()).needs_target
    assert not Objective(MomentsLoss(), {"none": (NoAdaptation(), 1.0, "constant")}).needs_target
    assert not Objective(MomentsLoss(), {"mmd": (MMD(), 0.0, "constant")}).needs_target
    assert Objective(MomentsLoss(), {"mmd": (MMD(), 0.1, "constant")}).needs_target


LEARNED = {"fisher": {"centres": "learned"}, "fisher_difference": {"centres": "learned"}}


@pytest.mark.parametrize("name", ["critic", *TERMS])
def test_parameters_of_terms_belong_to_the_objective_and_move(name):
    term = Critic() if name == "critic" else make_term(name, **LEARNED.get(name, {}))
    objective = Objective(
        TASKS["cross_entropy" if name in CLASS_TERMS else "moments"](),
        {"term": (term, 1.0, "constant")},
    )
    before = {name: value.detach().clone() for name, value in objective.named_parameters()}
    assert len(before) == len(list(term.parameters()))
    if before:
        optimizer = torch.optim.SGD(objective.parameters(), lr=0.1)
        objective(pair_for(name, *samples(1.0))).total.backward()
        optimizer.step()
    assert name not in LEARNED or before
    moved = [not torch.equal(value, before[name]) for name, value in objective.named_parameters()]
    assert any(moved) or not before


@pytest.mark.parametrize("name", RAMPS)
def test_ramps_rise_within_zero_and_one(name):
    values = [RAMPS[name](step / 50) for step in range(51)]
    assert values == sorted(values)
    assert 0 <= values[0] <= 1
    assert values[-1] == pytest.approx(1, abs=1e-4)


def test_ramp_values():
    assert RAMPS["ganin"](0.0) == 0
    assert RAMPS["ganin"](0.1) == pytest.approx(2 / (1 + math.exp(-1)) - 1)
    assert RAMPS["warmup"](0.1) == pytest.approx(0.5)
    assert [RAMPS["step"](p) for p in (0.0, 0.19, 0.2, 1.0)] == [0, 0, 1, 1]


def test_repr_tells_the_weights():
    objective = Objective(MomentsLoss(), {"mmd": (MMD(), 0.5, "ganin")})
    assert "mmd: weight=0.5 ramp=ganin" in repr(objective)
