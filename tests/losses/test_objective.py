"""The objective: weights that act, ramps, and terms that own parameters."""

import math
from dataclasses import replace

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
    pair = make_pair(*samples(1.0), progress=0.1)
    objective = Objective(MomentsLoss(), {"mmd": (MMD(), 0.7, "warmup")})
    terms = objective(pair)
    torch.testing.assert_close(terms.task, MomentsLoss()(pair.source.prediction, pair.labels))
    torch.testing.assert_close(terms.domain["mmd"], MMD()(pair))
    torch.testing.assert_close(terms.total, terms.task + 0.7 * 0.5 * terms.domain["mmd"])


@pytest.mark.parametrize("kind", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_impossible_weights_are_refused(kind, weight):
    with pytest.raises(ValueError, match="weight of domain term 'mmd'"):
        kind(MomentsLoss(), {"mmd": (MMD(), weight, "constant")})


def test_log_sum_refuses_weights_and_ramps_that_would_do_nothing():
    with pytest.raises(ValueError, match="log 0"):
        LogSumObjective(MomentsLoss(), {"mmd": (MMD("biased"), 0.0, "constant")})
    with pytest.raises(ValueError, match="ramp has no effect"):
        LogSumObjective(MomentsLoss(), {"mmd": (MMD("biased"), 1.0, "ganin")})


def test_unknown_ramp_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'warmup'"):
        Objective(MomentsLoss(), {"mmd": (MMD(), 1.0, "warmpu")})


@pytest.mark.parametrize("kind", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("name", TERMS)
def test_every_term_works_in_every_objective(kind, name):
    task = TASKS["cross_entropy" if name in CLASS_TERMS else "moments"]()
    options = {"estimator": "biased"} if name in ("mmd", "joint") else {}
    term = make_term(name, **options)
    if kind is LogSumObjective and not term.positive:
        with pytest.raises(ValueError, match=r"zero or negative.*weighted_sum"):
            kind(task, {name: (term, 1.0, "constant")})
        return
    objective = kind(task, {name: (term, 1.0, "constant")})
    assert torch.isfinite(objective(pair_for(name, *samples(1.0))).total)


@pytest.mark.parametrize("name", TERMS)
def test_terms_that_may_enter_a_logarithm_are_positive_on_samples_of_one_distribution(name):
    options = {"estimator": "biased"} if name in ("mmd", "joint") else {}
    term = make_term(name, **options).eval()
    torch.manual_seed(0)
    values = [float(term(pair_for(name, *torch.randn(2, 31, 4)))) for _ in range(12)]
    if term.positive:
        assert min(values) > 0
    elif name in ("none", "statistics", "entropy_separation"):
        assert min(values) <= 0, "it could enter a logarithm"


@pytest.mark.parametrize("name", ["mmd", "joint"])
def test_unbiased_estimators_do_not_enter_a_logarithm(name):
    assert make_term(name, estimator="biased").positive
    assert not make_term(name, estimator="unbiased").positive


def of_domains(pair, source, target):
    return replace(pair, source_domain=torch.tensor(source), target_domain=torch.tensor(target))


@pytest.mark.parametrize("name", TERMS)
def test_a_term_is_the_mean_over_pairs_of_domains(name):
    pair = of_domains(pair_for(name, *samples(1.0, 30, 36)), [0] * 18 + [1] * 12, [2, 3, 3] * 12)
    term = make_term(name).eval()
    task = TASKS["cross_entropy" if name in CLASS_TERMS else "moments"]()
    objective = Objective(task, {name: (term, 1.0, "constant")})
    found = objective(pair).domain[name]
    if not term.pairwise:
        torch.testing.assert_close(found, term(pair))
        return
    expected = []
    for source in (0, 1):
        for target in (2, 3):
            rows = torch.nonzero(pair.source_domain == source).flatten()
            others = torch.nonzero(pair.target_domain == target).flatten()
            expected.append(term(pair.take(rows, others)))
    torch.testing.assert_close(found, torch.stack(expected).mean())
    torch.testing.assert_close(objective(pair).task, task(pair.source.prediction, pair.labels))


@pytest.mark.parametrize("name", ["mmd", "coral", "moments", "sinkhorn", "joint", "dare_gram"])
def test_targets_displaced_by_opposite_shifts_are_not_taken_for_aligned(name):
    source, target = samples(0.0, 64, 64)
    with torch.no_grad():
        shift = torch.where(torch.arange(64) < 32, 1.0, -1.0)[:, None]
        target = (target + shift) if name != "coral" else target * (2.0**shift)
    pair = pair_for(name, source, target)
    term = make_term(name)
    objective = Objective(TASKS["moments"](), {name: (term, 1.0, "constant")})
    split = objective(of_domains(pair, [0] * 64, [1] * 32 + [2] * 32)).domain[name]
    halves = [term(pair.take(torch.arange(64), rows)) for rows in torch.arange(64).chunk(2)]
    torch.testing.assert_close(split, torch.stack(halves).mean())
    assert split > term(pair) * 1.05


def test_needs_target_follows_the_terms_that_have_a_weight():
    assert not Objective(MomentsLoss()).needs_target
    assert not Objective(MomentsLoss(), {"none": (NoAdaptation(), 1.0, "constant")}).needs_target
    assert not Objective(MomentsLoss(), {"mmd": (MMD(), 0.0, "constant")}).needs_target
    assert Objective(MomentsLoss(), {"mmd": (MMD(), 0.1, "constant")}).needs_target


LEARNED = {"fisher": {"centres": "learned"}}


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


def test_repr_tells_the_weights():
    objective = Objective(MomentsLoss(), {"mmd": (MMD(), 0.5, "ganin")})
    assert "mmd: weight=0.5 ramp=ganin" in repr(objective)
