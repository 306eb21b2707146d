"""Cross-entropy against torch and by hand; class weights from counts."""

import math

import pytest
import torch
from latents import make_class_pair, make_pair, samples
from torch.nn import functional

from dagnn.errors import UsageError
from dagnn.losses import CrossEntropy, SelfTunedObjective, Sinkhorn
from dagnn.losses.classes import balanced_weights, cross_entropy, membership
from dagnn.records import Logits


@pytest.fixture
def logits():
    return torch.randn(20, 4, dtype=torch.float64)


@pytest.fixture
def labels():
    return torch.arange(20) % 4


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 0.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_agrees_with_torch(logits, labels, weights, smoothing):
    weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    ours = cross_entropy(logits, labels, weights, smoothing=smoothing)
    theirs = functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs)


def test_value_by_hand():
    logits = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])  # probabilities 3/4, 1/4
    weights = torch.tensor([1.0, 3.0])
    loss = cross_entropy(logits, torch.tensor([0, 1]), weights)
    expected = (1 * math.log(4 / 3) + 3 * math.log(4)) / 4
    assert float(loss) == pytest.approx(expected)


def test_items_of_no_known_class_are_left_out(logits, labels):
    with_others = torch.cat([labels, torch.tensor([-1, 4])])
    more = torch.cat([logits, torch.randn(2, 4, dtype=torch.float64)])
    torch.testing.assert_close(cross_entropy(more, with_others), cross_entropy(logits, labels))
    none = logits.clone().requires_grad_()
    loss = cross_entropy(none, torch.full((20,), -1))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(none.grad).all()


def test_gradients_agree_with_finite_differences(logits, labels):
    loss = CrossEntropy(weights=[1.0, 2.0, 3.0, 4.0], smoothing=0.1)
    scores = logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(Logits(x), labels), (scores,))


def test_extreme_scores_have_finite_values_and_gradients():
    logits = torch.tensor([[1e4, -1e4], [1e4, -1e4]], requires_grad=True)
    loss = CrossEntropy()(Logits(logits), torch.tensor([0, 1]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_balanced_weights_make_every_class_count_the_same():
    counts = [60, 30, 10]
    weights = balanced_weights(counts)
    assert [w * n for w, n in zip(weights, counts, strict=True)] == pytest.approx([100 / 3] * 3)
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    logits = torch.randn(100, 3)
    each = torch.stack([cross_entropy(logits[labels == k], labels[labels == k]) for k in range(3)])
    balanced = CrossEntropy(counts=counts, weights="balanced")(Logits(logits), labels)
    torch.testing.assert_close(balanced, each.mean())


def test_weights_follow_the_loss_to_device_and_checkpoint():
    loss = CrossEntropy(counts=[3, 1], weights="balanced")
    assert list(loss.state_dict()) == ["weights"]
    assert not list(loss.parameters())
    assert list(CrossEntropy().state_dict()) == []


def test_membership_of_no_class_is_nowhere():
    assert membership(torch.tensor([0, 2, -1, 3]), 3).sum(1).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": "balanced"}, UsageError, "no class has any"),
        ({"weights": "blanced"}, UsageError, "'blanced'"),
        ({"weights": [1.0, -1.0]}, ValueError, "not negative"),
        ({"weights": [0.0, 0.0]}, ValueError, "not negative"),
        ({"smoothing": 1.0}, ValueError, "smoothing"),
    ],
)
def test_wrong_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        CrossEntropy(**options)


def test_wrong_predictions_and_numbers_of_classes_are_named(logits, labels):
    with pytest.raises(UsageError, match="2 class weights and 4 classes"):
        CrossEntropy(weights=[1.0, 2.0])(Logits(logits), labels)
    pair = make_pair(*samples(0.5, 6, 5))
    with pytest.raises(TypeError, match=r"got Moments.*class head"):
        CrossEntropy()(pair.source.prediction, labels[:6])


def test_self_tuned_total_is_that_of_sidda():
    """CE / 2η₁² + S / 2η₂² + log η₁η₂, with η² = η_min² + e^{2s}."""
    objective = SelfTunedObjective(CrossEntropy(), {"sinkhorn": (Sinkhorn(), 1.0, "constant")})
    objective.log_eta_task.data.fill_(0.2)
    objective.log_eta["sinkhorn"].data.fill_(-0.4)
    pair = make_class_pair(*samples(0.7, 20, 15))
    terms = objective(pair)
    task, domain = (math.sqrt(0.25 + math.exp(2 * s)) for s in (0.2, -0.4))
    expected = (
        terms.task / (2 * task**2)
        + terms.domain["sinkhorn"] / (2 * domain**2)
        + math.log(task * domain)
    )
    torch.testing.assert_close(terms.total, expected)
    terms.total.backward()
    assert all(parameter.grad != 0 for parameter in objective.parameters())


def test_repr_tells_the_choices():
    loss = CrossEntropy(counts=[3, 1], weights="balanced", smoothing=0.1)
    assert repr(loss) == "CrossEntropy(weights=balanced, smoothing=0.1)"
