"""Task losses: laws over the table, values from independent formulas."""

import math

import pytest
import torch

from dagnn.losses import TASKS, GaussianNLL, MomentsLoss
from dagnn.losses.task import gaussian_nll, moments_loss
from dagnn.records import Logits, Moments

REGRESSION = ["moments", "gaussian_nll"]
CLASSIFICATION = ["cross_entropy"]


def test_every_task_is_under_one_of_the_laws():
    assert {*REGRESSION, *CLASSIFICATION} == set(TASKS)


@pytest.fixture
def y():
    return torch.rand(40, 2, dtype=torch.float64)


@pytest.mark.parametrize("name", REGRESSION)
def test_a_better_mean_scores_better(name, y):
    losses = []
    for offset in (0.01, 0.05, 0.2):
        std = torch.full_like(y, offset)
        losses.append(float(TASKS[name]()(Moments(y + offset, std), y)))
    assert losses == sorted(losses)


@pytest.mark.parametrize("name", REGRESSION)
def test_the_best_constant_std_is_the_true_scatter(name):
    error = 0.1 * torch.randn(20000, 1, dtype=torch.float64)
    y = torch.zeros_like(error)
    stds = [0.05, 0.08, 0.1, 0.125, 0.2]
    losses = [float(TASKS[name]()(Moments(error, torch.full_like(y, std)), y)) for std in stds]
    assert losses.index(min(losses)) == 2


@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perfect_prediction_has_finite_value_and_gradient(name, y, dtype):
    truth = y.to(dtype)
    mean = truth.clone().requires_grad_()
    std = torch.zeros_like(truth).requires_grad_()
    loss = TASKS[name]()(Moments(mean, std), truth)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(mean.grad).all()
    assert torch.isfinite(std.grad).all()


@pytest.mark.parametrize("name", REGRESSION)
def test_gradients_agree_with_finite_differences(name, y):
    mean = (y[:6] + 0.1).requires_grad_()
    std = torch.full_like(mean, 0.2).requires_grad_()
    loss = TASKS[name]()
    assert torch.autograd.gradcheck(lambda m, s: loss(Moments(m, s), y[:6]), (mean, std))


@pytest.mark.parametrize("name", REGRESSION)
def test_parameters_add_up(name, y):
    mean, std = y + 0.1 * torch.randn_like(y), torch.full_like(y, 0.3)
    loss = TASKS[name]()
    both = loss(Moments(mean, std), y)
    each = [loss(Moments(mean[:, [p]], std[:, [p]]), y[:, [p]]) for p in range(2)]
    torch.testing.assert_close(both, each[0] + each[1])


@pytest.mark.parametrize("name", REGRESSION)
def test_class_scores_are_refused_with_a_reason(name, y):
    with pytest.raises(TypeError, match=r"got Logits.*moments head"):
        TASKS[name]()(Logits(y), y)


def test_moments_by_hand():
    y = torch.tensor([[0.0], [0.0]])
    mean, std = torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [-1.0]])
    # squares 1, 9: mean 5; (1 − 1)², (9 − 1)²: mean 32
    assert float(moments_loss(mean, std, y)) == pytest.approx(math.log(5) + math.log(32))


def test_pooled_moments_sum_over_parameters_before_the_logarithm(y):
    mean, std = y + 0.1 * torch.randn_like(y), torch.full_like(y, 0.3)
    square = (mean - y) ** 2
    first = torch.mean(torch.sum(square, 1)).log()
    second = torch.mean(torch.sum((square - std**2) ** 2, 1)).log()
    pooled = MomentsLoss(pooled=True)(Moments(mean, std), y)
    torch.testing.assert_close(pooled, first + second)
    one = moments_loss(mean[:, :1], std[:, :1], y[:, :1])
    torch.testing.assert_close(moments_loss(mean[:, :1], std[:, :1], y[:, :1], pooled=True), one)


def test_nll_agrees_with_torch_distributions(y):
    mean, std = y + 0.1 * torch.randn_like(y), 0.1 + torch.rand_like(y)
    floor = 0.05
    normal = torch.distributions.Normal(mean, (std**2 + floor**2).sqrt())
    expected = -normal.log_prob(y).sum(1).mean()
    torch.testing.assert_close(gaussian_nll(mean, std, y, minimum_std=floor), expected)


def test_nll_pushes_a_std_below_the_floor_upwards():
    std = torch.tensor([[1e-5]], requires_grad=True)
    gaussian_nll(torch.tensor([[0.5]]), std, torch.tensor([[0.0]])).backward()
    assert std.grad.item() < 0


@pytest.mark.parametrize("floor", [0.0, -1.0, math.nan, math.inf])
def test_nll_refuses_a_floor_that_bounds_nothing(floor):
    with pytest.raises(ValueError, match="minimum_std"):
        GaussianNLL(minimum_std=floor)
