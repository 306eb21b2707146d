"""CORAL by hand and against NumPy."""

import numpy as np
import pytest
import torch
from latents import make_pair, samples

from dagnn.errors import UsageError
from dagnn.losses import CORAL
from dagnn.losses.coral import coral


@pytest.mark.parametrize("normalize", [True, False])
def test_agrees_with_numpy(normalize):
    source, target = (sample.double() for sample in samples(0.7, 13, 8))
    first, second = (np.cov(points.numpy(), rowvar=False) for points in (source, target))
    pooled = (first + second) / 2
    unit = np.linalg.norm(pooled) ** 2 if normalize else 4**2
    expected = np.linalg.norm(first - second) ** 2 / (4 * unit)
    result = CORAL(normalize)(make_pair(source, target))
    assert float(result) == pytest.approx(expected, rel=1e-9)


def test_normalised_value_by_hand():
    points = torch.tensor([[-1.0], [0.0], [1.0]])
    # covariances 1 and 9: (1 − 9)² / (1 + 9)²
    assert float(coral(points, 3 * points)) == pytest.approx(0.64)


def test_means_are_not_seen():
    source, target = samples(0.7, 30, 20)
    torch.testing.assert_close(coral(source, target + 5.0), coral(source, target))


def test_the_published_form_is_lowered_by_a_smaller_latent():
    source, target = samples(0.7, 30, 20)
    small = coral(0.1 * source, 0.1 * target, normalize=False)
    torch.testing.assert_close(small, 1e-4 * coral(source, target, normalize=False))


@pytest.mark.parametrize("normalize", [True, False])
def test_gradient_agrees_with_finite_differences(normalize):
    source, target = (sample.double().requires_grad_() for sample in samples(0.5, 4, 3))
    both = (source, target)
    assert torch.autograd.gradcheck(lambda s, t: coral(s, t, normalize=normalize), both)


def test_one_item_has_no_covariance():
    with pytest.raises(UsageError, match=r"at least 2 source and 2 target.*got 1 and 6"):
        CORAL()(make_pair(*samples(0.5, 1, 6)))


def test_repr_tells_the_form():
    assert repr(CORAL(normalize=False)) == "CORAL(normalize=False)"
