"""Entropy terms against scipy and by hand."""

import math

import pytest
import torch
from latents import make_class_pair, samples
from scipy.stats import entropy

from dagnn.errors import UsageError
from dagnn.losses import EntropySeparation, TargetEntropy
from dagnn.losses.entropy import entropies


def test_entropies_agree_with_scipy():
    logits = 3 * torch.randn(10, 5, dtype=torch.float64)
    expected = entropy(logits.softmax(1).numpy(), axis=1)
    assert entropies(logits).tolist() == pytest.approx(expected)


def test_target_entropy_is_the_mean_over_targets_and_blind_to_the_source():
    source, target = samples(0.5, 7, 6)
    value = TargetEntropy()(make_class_pair(source, target))
    torch.testing.assert_close(value, entropies(2 * target[:, :3]).mean())
    torch.testing.assert_close(TargetEntropy()(make_class_pair(source + 1, target)), value)


def test_separation_by_hand():
    # Entropies log 3 (undecided) and 0 (decided); half-way ρ = log(3) / 2.
    scores = torch.tensor([[0.0, 0, 0, 0], [99.0, 0, 0, 0]])
    pair = make_class_pair(scores, scores)
    assert float(EntropySeparation()(pair)) == pytest.approx(-math.log(3) / 2)


def test_nothing_moves_within_the_margin_and_both_sides_move_apart_beyond():
    # Probabilities that give entropies below, at, and above the middle.
    shares = torch.tensor([[0.98, 0.01, 0.01], [0.84, 0.12, 0.04], [0.4, 0.35, 0.25]])
    target = torch.cat([shares.log() / 2, torch.zeros(3, 1)], 1).requires_grad_()
    EntropySeparation(margin=0.2)(make_class_pair(target, target)).backward()
    moved = target.grad.abs().sum(1)
    assert moved[1] == 0
    assert moved[0] > 0
    assert moved[2] > 0
    stepped = entropies(2 * (target - 0.1 * target.grad)[:, :3])
    before = entropies(2 * target[:, :3])
    assert stepped[0] < before[0]
    assert stepped[2] > before[2]


def test_a_margin_that_leaves_nothing_to_separate_is_refused():
    with pytest.raises(UsageError, match=r"3 classes lie within 0\.549.*margin of 0\.6"):
        EntropySeparation(margin=0.6)(make_class_pair(*samples(0.5, 5, 5)))
    with pytest.raises(ValueError, match="margin"):
        EntropySeparation(margin=-0.1)


@pytest.mark.parametrize(("classes", "margin"), [(2, math.log(2) / 4), (3, 0.5)])
def test_the_margin_of_few_classes_leaves_something_to_separate(classes, margin):
    source, target = samples(0.5, 12, 5)
    pair = make_class_pair(source[:, :classes], target[:, :classes])
    assert torch.equal(EntropySeparation()(pair), EntropySeparation(margin)(pair))
    undecided = make_class_pair(torch.zeros(3, classes), torch.zeros(3, classes))
    assert float(EntropySeparation()(undecided)) == pytest.approx(-math.log(classes) / 2)
