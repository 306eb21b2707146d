"""Samples that a loss refuses, and the common scale of two latents."""

import pytest
import torch
from latents import make_term, pair_for, samples

from dagnn.errors import UsageError
from dagnn.losses import TERMS
from dagnn.losses.classes import cross_entropy
from dagnn.losses.coral import coral
from dagnn.losses.gram import dare_gram
from dagnn.losses.joint import joint_mmd
from dagnn.losses.mmd import mmd
from dagnn.losses.moments import moment_distance
from dagnn.losses.samples import safe_denominator, standardised
from dagnn.losses.sinkhorn import sinkhorn_divergence
from dagnn.losses.task import gaussian_nll, moments_loss


def joint(source, target, **options):
    return joint_mmd(source, target, source[:, :1], target[:, :1], **options)


# Each with the number of items of a domain that it takes at least.
DISTANCES = {
    mmd: 2,
    joint: 2,
    coral: 2,
    moment_distance: 1,
    sinkhorn_divergence: 1,
    dare_gram: 1,
}
# These read the source alone, or nothing.
WITHOUT_TARGET = {"none", "statistics", "fisher"}


@pytest.mark.parametrize("distance", DISTANCES)
def test_samples_of_too_few_items_are_refused(distance):
    least, enough = DISTANCES[distance], torch.randn(4, 3)
    few, empty = torch.randn(least, 3), torch.randn(least - 1, 3)
    assert torch.isfinite(distance(enough, few)) and torch.isfinite(distance(few, enough))
    for pair in ((enough, empty), (empty, enough)):
        with pytest.raises(UsageError, match=rf"at least {least} source and {least} target"):
            distance(*pair)


@pytest.mark.parametrize("distance", DISTANCES)
def test_samples_of_unlike_width_are_refused(distance):
    with pytest.raises(UsageError, match=r"one width, got source \[5, 3\] and target \[4, 1\]"):
        distance(torch.randn(5, 3), torch.randn(4, 1))


@pytest.mark.parametrize("name", sorted(TERMS.keys() - WITHOUT_TARGET))
def test_terms_refuse_a_batch_without_targets(name):
    pair = pair_for(name, torch.randn(4, 4), torch.randn(0, 4))
    with pytest.raises(UsageError, match="Use larger batches"):
        make_term(name)(pair)


@pytest.mark.parametrize(
    ("distance", "options"),
    [
        (mmd, {"estimator": "biassed"}),
        (mmd, {"combine": "summ"}),
        (mmd, {"widths": 0}),
        (sinkhorn_divergence, {"blur": 0.0}),
        (sinkhorn_divergence, {"iterations": 0}),
        (dare_gram, {"threshold": 2.0}),
        (dare_gram, {"angle": -1.0}),
    ],
)
def test_functions_refuse_the_options_that_modules_refuse(distance, options):
    with pytest.raises((UsageError, ValueError), match=r"[Mm]ust|least|Did you mean"):
        distance(torch.randn(4, 3), torch.randn(5, 3), **options)


@pytest.mark.parametrize("loss", [moments_loss, gaussian_nll])
@pytest.mark.parametrize("shape", [(8,), (1, 8), (8, 2), (7, 1)])
def test_a_truth_of_another_shape_is_refused(loss, shape):
    mean, std = torch.rand(8, 1), torch.rand(8, 1)
    with pytest.raises(UsageError, match=r"predictions \[8, 1\] and truth"):
        loss(mean, std, torch.rand(shape))
    with pytest.raises(UsageError, match="predictions"):
        loss(mean, std.expand(8, 2), torch.rand(8, 1))


@pytest.mark.parametrize("labels", [torch.zeros(8, 1).long(), torch.eye(8)[:, :3].long()])
def test_labels_that_are_no_class_numbers_are_refused(labels):
    with pytest.raises(UsageError, match=r"Labels are \[B\]"):
        cross_entropy(torch.rand(8, 3), labels)


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
