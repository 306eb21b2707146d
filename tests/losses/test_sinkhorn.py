"""The Sinkhorn divergence against geomloss, the plain algorithm, and its limits."""

import math

import numpy as np
import pytest
import torch
from latents import make_pair, samples
from scipy.optimize import linear_sum_assignment

from dagnn.errors import UsageError
from dagnn.losses import Sinkhorn
from dagnn.losses.samples import standardised
from dagnn.losses.sinkhorn import sinkhorn_divergence


def plain_transport(first: np.ndarray, second: np.ndarray, blur: float) -> float:
    """Entropic transport by Sinkhorn's own updates until nothing moves."""
    cost = ((first[:, None] - second[None]) ** 2).sum(2) / 2
    kernel = np.exp(-cost / blur**2) / len(first) / len(second)
    u, v = np.ones(len(first)), np.ones(len(second))
    for _ in range(3000):
        u = 1 / len(first) / (kernel @ v)
        v = 1 / len(second) / (kernel.T @ u)
    return blur**2 * (np.log(u).mean() + np.log(v).mean())


@pytest.mark.parametrize("blur", [0.5, 1.0])
def test_agrees_with_the_plain_algorithm(blur):
    source, target = (sample.double() for sample in samples(0.7, 13, 8))
    s, t = source.numpy(), target.numpy()
    expected = plain_transport(s, t, blur)
    expected -= (plain_transport(s, s, blur) + plain_transport(t, t, blur)) / 2
    result = sinkhorn_divergence(source, target, blur=blur, iterations=200, normalize=False)
    assert float(result) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("blur", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("shift", [0.3, 1.0])
def test_agrees_with_geomloss(blur, shift):
    geomloss = pytest.importorskip("geomloss")
    source, target = (sample.double().requires_grad_() for sample in samples(shift, 40, 30))
    reference = geomloss.SamplesLoss(
        "sinkhorn", p=2, blur=blur, scaling=0.995, debias=True, backend="tensorized"
    )(*standardised(source, target))
    result = Sinkhorn(blur, iterations=100)(make_pair(source, target))
    torch.testing.assert_close(result, reference, rtol=1e-3, atol=0)
    ours, theirs = (torch.autograd.grad(value, source)[0] for value in (result, reference))
    assert (ours - theirs).norm() < 0.02 * theirs.norm()


def test_the_default_number_of_iterations_is_enough_for_the_default_blur():
    source, target = samples(0.5)
    values = [sinkhorn_divergence(source, target, iterations=n) for n in (20, 200)]
    torch.testing.assert_close(*values, rtol=1e-3, atol=0)


def test_small_blur_is_optimal_assignment():
    source, target = (sample.double() for sample in samples(0.7, 8, 8))
    cost = torch.cdist(source, target).square().numpy() / 2
    expected = cost[linear_sum_assignment(cost)].mean()
    result = sinkhorn_divergence(source, target, blur=0.02, iterations=5000, normalize=False)
    assert float(result) == pytest.approx(expected, rel=1e-2)


def test_large_blur_is_the_distance_of_the_means():
    source, target = (sample.double() for sample in samples(0.7, 13, 8))
    expected = (source.mean(0) - target.mean(0)).square().sum() / 2
    result = sinkhorn_divergence(source, target, blur=1e3, normalize=False)
    torch.testing.assert_close(result, expected, rtol=1e-3, atol=0)


def test_one_sample_has_no_distance_from_itself():
    source, _ = samples(0.0, 20, 20)
    assert abs(float(sinkhorn_divergence(source, source))) < 1e-12


def test_gradient_agrees_with_finite_differences():
    both = tuple(sample.double().requires_grad_() for sample in samples(0.5, 4, 3))
    assert torch.autograd.gradcheck(
        lambda s, t: sinkhorn_divergence(s, t, iterations=200), both, atol=1e-4
    )


@pytest.mark.parametrize("options", [{"blur": 0.0}, {"blur": math.inf}, {"iterations": 0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=r"blur|iteration"):
        Sinkhorn(**options)


def test_an_empty_batch_is_refused():
    with pytest.raises(UsageError, match="got 3 and 0"):
        Sinkhorn()(make_pair(*samples(0.5, 3, 0)))


def test_repr_tells_the_choices():
    assert repr(Sinkhorn(blur=0.1)) == "Sinkhorn(blur=0.1, iterations=20, normalize=True)"
