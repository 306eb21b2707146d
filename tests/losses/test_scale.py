"""The common scale of two latents."""

import torch
from latents import samples

from dagnn.losses.samples import safe_denominator, standardised


def test_standardised_samples_have_no_common_mean_and_unit_spread():
    source, target = standardised(*samples(0.7, 30, 20))
    torch.testing.assert_close(source.mean(0), -target.mean(0))
    spread = (source.square().sum(1).mean() + target.square().sum(1).mean()) / 2
    torch.testing.assert_close(spread, torch.ones_like(spread))


def test_position_and_unit_drop_out():
    source, target = (sample.double() for sample in samples(0.7, 30, 20))
    moved = standardised(3 + 50 * source, 3 + 50 * target)
    torch.testing.assert_close(moved, standardised(source, target))


def test_the_scale_carries_its_gradient():
    source, target = (sample.double().requires_grad_() for sample in samples(0.7, 4, 3))
    assert torch.autograd.gradcheck(standardised, (source, target))


def test_rounding_is_no_spread():
    source, target = torch.full((5, 2), 0.1), torch.full((7, 2), 0.1)
    assert torch.cat(standardised(source, target)).abs().max() < 1e-6
    assert safe_denominator(torch.zeros(()), torch.zeros(())) == 1
