"""Joint alignment against scikit-learn's kernel, and what the marginals do not see."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from latents import make_class_pair, make_pair, samples
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

from dagnn.errors import UsageError
from dagnn.losses import JointAlignment
from dagnn.losses.joint import joint_mmd
from dagnn.losses.mmd import mmd
from dagnn.records import Logits, Output


def kernel_of(points: np.ndarray) -> np.ndarray:
    """Mean of three Gaussian kernels around the (lower) median squared distance."""
    square = np.sort(euclidean_distances(points, squared=True)[np.triu_indices(len(points), 1)])
    scales = square[(len(square) - 1) // 2] * np.array([0.5, 1.0, 2.0])
    return np.mean([rbf_kernel(points, gamma=1 / (2 * scale)) for scale in scales], 0)


def test_agrees_with_scikit_learn():
    source, target = (sample.double() for sample in samples(0.7, 13, 8))
    labels = source[:, :1] ** 2, target[:, 1:2]
    product = kernel_of(np.concatenate([source, target])) * kernel_of(np.concatenate(labels))
    expected = product[:13, :13].mean() + product[13:, 13:].mean() - 2 * product[:13, 13:].mean()
    result = joint_mmd(source, target, *labels, widths=3, estimator="biased")
    assert float(result) == pytest.approx(expected, rel=1e-9)


def test_a_swapped_meaning_costs_although_both_marginals_agree():
    source, target = samples(0.0)
    faithful = joint_mmd(source, target, source[:, :1], target[:, :1])
    swapped = joint_mmd(source, target, source[:, :1], -target[:, :1])
    assert abs(float(mmd(source, target))) < 0.01
    assert abs(float(faithful)) < 0.01
    assert float(swapped) > 0.03


def linear_pair(head: torch.Tensor):
    source, target = samples(0.5, 12, 9)
    pair = make_pair(source, target)
    moments = [
        output.prediction._replace(mean=output.latent @ head)
        for output in (pair.source, pair.target)
    ]
    return replace(pair, source=Output(source, moments[0]), target=Output(target, moments[1]))


@pytest.mark.parametrize("source_labels", ["truth", "prediction"])
def test_predicted_labels_move_the_head_only_if_asked(source_labels):
    head = torch.ones(4, 1, requires_grad=True)
    fixed = JointAlignment(source_labels=source_labels)(linear_pair(head))
    assert not fixed.requires_grad
    JointAlignment(detach=False, source_labels=source_labels)(linear_pair(head)).backward()
    assert head.grad.abs().sum() > 0


def test_labels_of_the_source_are_its_truth_or_what_is_predicted():
    head = torch.tensor([[0.0], [1.0], [0.0], [0.0]])
    pair = linear_pair(head)
    latents, target = (pair.source.latent, pair.target.latent), pair.target.latent @ head
    torch.testing.assert_close(
        JointAlignment()(pair), joint_mmd(*latents, pair.labels, target).float()
    )
    torch.testing.assert_close(
        JointAlignment(source_labels="prediction")(pair),
        joint_mmd(*latents, pair.source.latent @ head, target).float(),
    )


def test_classes_stand_as_ones_and_as_probabilities():
    source, target = samples(0.5, 12, 9)
    pair = make_class_pair(source, target)
    pair = replace(pair, labels=pair.labels.index_fill(0, torch.tensor([0]), -1))
    truth = torch.zeros(12, 3)
    truth[torch.arange(1, 12), pair.labels[1:]] = 1.0  # the first item has no label
    said = [(2 * latent[:, :3]).softmax(1) for latent in (source, target)]
    torch.testing.assert_close(
        JointAlignment()(pair), joint_mmd(source, target, truth, said[1]).float()
    )
    torch.testing.assert_close(
        JointAlignment(source_labels="prediction")(pair), joint_mmd(source, target, *said).float()
    )


def test_a_swapped_class_costs_although_both_latents_agree():
    source, target = samples(0.0)
    pair = make_class_pair(source, target)
    swapped = Output(target, Logits(pair.target.prediction.logits.flip(1)))
    term = JointAlignment(source_labels="prediction")
    assert abs(float(term(pair))) < 0.01
    assert float(term(replace(pair, target=swapped))) > 0.03


def test_one_item_is_too_few():
    with pytest.raises(UsageError, match=r"at least 2 source and 2 target.*got 6 and 1"):
        JointAlignment()(make_pair(*samples(0.5, 6, 1)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"estimator": "unbaised"}, UsageError, "Did you mean 'unbiased'"),
        ({"source_labels": "truht"}, UsageError, "Did you mean 'truth'"),
        ({"widths": 0}, ValueError, "at least one width"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        JointAlignment(**options)


def test_repr_tells_the_choices():
    expected = "JointAlignment(estimator=unbiased, widths=5, detach=True, source_labels=truth)"
    assert repr(JointAlignment()) == expected
