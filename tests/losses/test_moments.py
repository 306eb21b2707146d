"""Moment alignment by hand and against NumPy."""

import numpy as np
import pytest
import torch
from latents import make_pair, samples

from dagnn.losses import MomentAlignment
from dagnn.losses.moments import moment_distance


def test_agrees_with_numpy():
    source, target = (sample.double() for sample in samples(0.7, 13, 8))
    target = target * torch.tensor([1.0, 2.0, 0.5, 3.0])
    s, t = source.numpy(), target.numpy()
    shift, stretch = (s.mean(0) - t.mean(0)) ** 2, (s.std(0) - t.std(0)) ** 2
    pooled = (s.var(0) + t.var(0)) / 2 + shift / 4
    expected = np.mean((shift + stretch) / pooled)
    assert float(moment_distance(source, target)) == pytest.approx(expected, rel=1e-9)


def test_stretch_by_hand():
    points = torch.tensor([[-1.0], [1.0]])
    # std 1 and 3: (3 − 1)² / ((1 + 9) / 2)
    assert float(MomentAlignment()(make_pair(points, 3 * points))) == pytest.approx(0.8)


def test_each_feature_has_its_own_unit():
    source, target = (sample.double() for sample in samples(0.7, 13, 8))
    units = torch.tensor([1e-3, 1.0, 50.0, 1e4])
    torch.testing.assert_close(
        moment_distance(units * source, units * target), moment_distance(source, target)
    )


def test_bounded_for_points_far_apart():
    assert float(moment_distance(torch.zeros(5, 2), torch.full((3, 2), 9.0))) == pytest.approx(4.0)


def test_a_constant_feature_adds_nothing_for_any_number_of_items():
    source, target = torch.full((5, 1), 0.1), torch.full((17, 1), 0.1)
    assert float(moment_distance(source, target)) < 1e-12


def test_gradient_agrees_with_finite_differences():
    source, target = (sample.double().requires_grad_() for sample in samples(0.5, 4, 3))
    assert torch.autograd.gradcheck(moment_distance, (source, target))


def test_repr():
    assert repr(MomentAlignment()) == "MomentAlignment()"
