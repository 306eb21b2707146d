"""Fisher losses against scikit-learn's discriminant analysis and by hand."""

import pytest
import torch
from latents import make_class_pair, samples
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from dagnn.errors import UsageError
from dagnn.losses import Fisher
from dagnn.losses.classes import membership
from dagnn.losses.fisher import scatters, trace_ratio


@pytest.fixture
def latent():
    return torch.randn(60, 4, dtype=torch.float64) * torch.tensor([1.0, 2.0, 0.5, 1.0])


@pytest.fixture
def labels():
    return torch.randint(3, (60,))


def test_scatters_agree_with_discriminant_analysis(latent, labels):
    analysis = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3, store_covariance=True)
    analysis.fit(latent.numpy(), labels.numpy())
    within, between = scatters(latent, membership(labels, 3))
    assert float(within) == pytest.approx(3 * analysis.covariance_.trace())
    assert float(between) == pytest.approx(3 * analysis.means_.var(0).sum())


def test_value_by_hand():
    latent = torch.tensor([[0.0], [2.0], [9.0], [11.0], [10.0]])
    labels = torch.tensor([0, 0, 1, 1, 1])
    # within: (1 + 1) / 2 and (1 + 1 + 0) / 3; centres 1 and 10 about 5.5
    within, between = scatters(latent, membership(labels, 2))
    assert float(within) == pytest.approx(1 + 2 / 3)
    assert float(between) == pytest.approx(2 * 4.5**2)


def test_one_class_alone_has_nothing_to_separate(latent):
    for labels in (torch.zeros(60, dtype=torch.long), torch.full((60,), -1)):
        points = latent.clone().requires_grad_()
        value = trace_ratio(*scatters(points, membership(labels, 3)))
        assert float(value.detach()) == 0
        value.backward()
        assert torch.isfinite(points.grad).all()


def test_absent_classes_and_unlabelled_items_do_not_count(latent, labels):
    labels[:20] = -1
    labels[20:25] = 3
    kept = (labels >= 0) & (labels < 3)
    few = scatters(latent[kept], membership(labels[kept], 3))
    torch.testing.assert_close(scatters(latent, membership(labels, 3)), few)
    torch.testing.assert_close(scatters(latent, membership(labels, 9)[:, :3]), few)


def test_the_size_of_the_latent_does_not_matter():
    term = Fisher(4, 3)
    source, target = (sample.double() for sample in samples(0.5, 30, 5))
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    value = term(make_class_pair(source, target))
    scaled = term(make_class_pair(scale * source + 7.0, target))
    other = trace_ratio(*scatters(100 * source, membership(source[:, :3].argmax(1), 3)))
    torch.testing.assert_close(other, value)
    slope, *_ = torch.autograd.grad(scaled, scale)
    assert abs(slope) < 1e-8


def test_coinciding_centres_give_a_bounded_ratio():
    latent = torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
    within, between = scatters(latent, membership(torch.tensor([0, 0, 1, 1]), 2))
    assert float(trace_ratio(within, between)) == pytest.approx(1e6)


def test_learned_centres_go_where_the_classes_are():
    source, target = samples(0.0, 90, 5)
    source = 0.3 * source + 3 * torch.eye(4)[torch.arange(90) % 3]
    pair = make_class_pair(source, target)
    term = Fisher(4, 3, centres="learned")
    optimizer = torch.optim.Adam(term.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        term(pair).backward()
        optimizer.step()
    means = torch.stack([source[pair.labels == k].mean(0) for k in range(3)])
    nearest = torch.cdist(term.learned.detach(), means).argmin(1)
    assert nearest.tolist() == [0, 1, 2]


def test_wrong_options_are_named():
    with pytest.raises(UsageError, match="Did you mean 'learned'"):
        Fisher(4, 3, centres="learnt")


def test_repr_tells_the_choices():
    assert repr(Fisher(4, 3, "learned")) == "Fisher(centres=learned)"
