"""Objectives: weights that act, ramps, windows, learned weights, and terms that own parameters."""

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
    GaussianNLL,
    LogSumObjective,
    MomentAlignment,
    MomentsLoss,
    NoAdaptation,
    Objective,
    PerMember,
    SelfTunedObjective,
    TaskLoss,
    Weighted,
)
from dagnn.losses.objective import FEWEST, Window
from dagnn.records import Moments, Output


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


def pair_of(labels: list[float]):
    """Pair source items of given truth with a few targets."""
    source = torch.tensor([[value, 1.0] for value in labels], requires_grad=True)
    return make_pair(source, torch.randn(6, 2, generator=torch.manual_seed(0)))


def test_keeps_what_lies_within():
    seen = Window([0.4], [0.8])(pair_of([0.1, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95]))
    assert sorted(seen.labels.flatten().tolist()) == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8])
    assert torch.equal(seen.source.latent[:, :1], seen.labels)
    assert torch.equal(seen.source.prediction.mean, seen.labels)
    assert len(seen.source_domain) == len(seen.labels) == 5


def test_keeps_the_nearest_where_nothing_lies_within():
    seen = Window([0.8], [0.9])(pair_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert len(seen.labels) == FEWEST
    assert seen.labels.min() == pytest.approx(0.3)


def test_the_task_sees_every_item_and_terms_only_those_within():
    terms = {"moments": (MomentAlignment(), 1.0, "constant")}
    pair = pair_of([0.1, 0.5, 0.6, 0.7, 0.8, 0.2])
    whole, narrow = Objective(GaussianNLL(), terms), Objective(GaussianNLL(), terms)
    narrow.look_through(Window([0.5], [0.8]))
    assert torch.equal(whole(pair).task, narrow(pair).task)
    inside = Objective(GaussianNLL(), terms)(pair_of([0.5, 0.6, 0.7, 0.8]))
    assert torch.allclose(narrow(pair).domain["moments"], inside.domain["moments"])
    assert not torch.allclose(narrow(pair).domain["moments"], whole(pair).domain["moments"])


def test_every_member_looks_through_the_window():
    def objective() -> Objective:
        made = Objective(GaussianNLL(), {"mmd": (MMD(), 1.0, "constant")})
        made.look_through(Window([0.5], [0.8]))
        return made

    pair = pair_of([0.1, 0.5, 0.6, 0.7, 0.8, 0.2])
    pairs = [pair, replace(pair, source=times(pair.source, 2), target=times(pair.target, 3))]
    both = replace(
        pair,
        source=stacked([each.source for each in pairs]),
        target=stacked([each.target for each in pairs]),
    )
    made = PerMember([objective(), objective()])
    made.look_through(Window([0.5], [0.8]))
    alone = torch.stack([objective()(each).domain["mmd"] for each in pairs])
    assert torch.allclose(made(both).domain["mmd"], alone.mean(), atol=1e-6)


def times(output: Output, factor: float) -> Output:
    """Scale a latent."""
    return Output(factor * output.latent, output.prediction)


def stacked(outputs: list[Output]) -> Output:
    """Give outputs of several members as one with a member axis."""
    columns = zip(*(output.prediction for output in outputs), strict=True)
    return Output(
        torch.stack([output.latent for output in outputs]), Moments(*map(torch.stack, columns))
    )


def test_narrow_targets_beside_a_wide_one_are_left_out():
    pair = pair_of([0.1, 0.5, 0.9, 0.4])
    pair = replace(pair, target_domain=torch.tensor([1, 2, 1, 2, 2, 1]))
    seen = Window([0.0], [1.0], without=[2])(pair)
    assert len(seen.labels) == 4
    assert seen.target_domain.tolist() == [1, 1, 1]
    assert torch.equal(seen.target.latent, pair.target.latent[[0, 2, 5]])
    assert seen.target_index.tolist() == [0, 2, 5]


def test_validation_items_have_no_number():
    pair = replace(pair_of([0.1, 0.5, 0.9]), target_index=torch.zeros(0, dtype=torch.int64))
    assert len(Window([0.0], [1.0])(pair).target.latent) == 6
