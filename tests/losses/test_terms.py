"""Laws that every domain term obeys, by its name in the table."""

import pytest
import torch
from elsewhere import elsewhere, moved
from latents import (
    ADVERSARIAL,
    CLASS_TERMS,
    SEPARATING,
    SILENT,
    displaced,
    make_class_pair,
    make_pair,
    make_term,
    pair_for,
    samples,
)

from dagnn.losses import TERMS

ADAPTING = sorted(TERMS.keys() - {*SILENT, *ADVERSARIAL, *CLASS_TERMS})
# Unchanged by a common scale, and without a gradient along it.
SCALE_FREE = ["coral", "dare_gram", "joint", "mmd", "moments", "sinkhorn"]


def value(name: str, shift: float) -> float:
    source, target = samples(0.0, 600, 600)
    return float(make_term(name)(make_pair(source, displaced(name, target, shift))))


@pytest.mark.parametrize("name", ADAPTING)
def test_near_zero_for_one_distribution_and_grows_with_shift(name):
    values = [value(name, shift) for shift in (0.0, 0.5, 1.0, 2.0)]
    assert values == sorted(values)
    assert abs(values[0]) < 0.05 * values[-1]


@pytest.mark.parametrize("name", ADAPTING)
def test_gradient_is_finite_and_reaches_both_domains(name):
    source, target = samples(0.0)
    source.requires_grad_()
    target = displaced(name, target, 1.0).requires_grad_()
    make_term(name)(make_pair(source, target)).backward()
    for sample in (source, target):
        assert torch.isfinite(sample.grad).all()
        assert sample.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ADAPTING)
def test_following_the_gradient_brings_the_domains_together(name):
    source, target = samples(0.0)
    shift = torch.ones(4, requires_grad=True)
    term = make_term(name)
    optimizer = torch.optim.Adam([shift], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        term(make_pair(source, displaced(name, target, shift))).backward()
        optimizer.step()
    assert shift[shift.grad != 0].abs().max() < 0.3


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize(("sources", "targets"), [(5, 17), (17, 5), (2, 2)])
def test_batches_may_differ_in_size(name, sources, targets):
    result = make_term(name)(pair_for(name, *samples(0.3, sources, targets)))
    assert result.shape == ()
    assert torch.isfinite(result)


@pytest.mark.parametrize("name", TERMS)
def test_order_of_items_does_not_matter(name):
    source, target = samples(0.5, 12, 9)
    term = make_term(name).eval()
    shuffled = pair_for(name, source[torch.randperm(12)], target[torch.randperm(9)])
    torch.testing.assert_close(term(shuffled), term(pair_for(name, source, target)))


@pytest.mark.parametrize("name", TERMS)
def test_coinciding_latents_give_finite_value_and_gradient(name):
    source = torch.ones(4, 4, requires_grad=True)
    target = torch.ones(5, 4, requires_grad=True)
    result = make_term(name)(pair_for(name, source, target)) + 0 * (source.sum() + target.sum())
    result.backward()
    assert torch.isfinite(result)
    assert torch.isfinite(source.grad).all()
    assert torch.isfinite(target.grad).all()


@pytest.mark.parametrize("name", ADAPTING)
def test_single_precision_agrees_with_double_far_from_the_origin(name):
    source, target = (sample + 1000.0 for sample in samples(1.0, 30, 20))
    term = make_term(name)
    single = term(make_pair(source, target))
    double = term(make_pair(source.double(), target.double()))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", SCALE_FREE)
def test_the_latent_cannot_be_collapsed_for_a_smaller_value(name):
    source, target = (sample.double().requires_grad_() for sample in samples(0.5, 30, 20))
    term = make_term(name)
    value = term(make_pair(source, displaced(name, target, 0.5)))
    torch.testing.assert_close(
        term(make_pair(1e-3 * source, 1e-3 * displaced(name, target, 0.5))), value
    )
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    scaled = make_pair(scale * source.detach(), scale * displaced(name, target, 0.5).detach())
    slope, *_ = torch.autograd.grad(term(scaled), scale)
    steepest, *_ = torch.autograd.grad(value, source)
    assert abs(slope) < 1e-8 * steepest.norm() * source.norm()


@pytest.mark.parametrize("name", [*ADAPTING, *CLASS_TERMS])
def test_a_dead_feature_changes_nothing_that_is_not_finite(name):
    samples_ = [x.index_fill(1, torch.tensor([3]), 0.1) for x in samples(0.5, 12, 9)]
    source, target = (sample.requires_grad_() for sample in samples_)
    make_term(name)(pair_for(name, source, target)).backward()
    for sample in (source, target):
        assert sample.grad is None or torch.isfinite(sample.grad).all()


def test_statistics_asks_for_a_target_and_pulls_on_nothing():
    term = TERMS["statistics"]()
    assert term.needs_target
    source, target = (sample.requires_grad_() for sample in samples(5.0))
    result = term(make_pair(source, target))
    assert float(result) == 0.0
    assert not result.requires_grad


def test_no_adaptation_is_zero_and_asks_for_no_target():
    term = TERMS["none"]()
    assert not term.needs_target
    assert float(term(make_pair(*samples(5.0)))) == 0.0


@pytest.mark.parametrize("name", TERMS)
def test_every_term_takes_class_scores_and_integer_labels(name):
    source, target = (sample.requires_grad_() for sample in samples(1.0, 12, 9))
    result = make_term(name)(make_class_pair(source, target))
    assert result.shape == ()
    assert torch.isfinite(result)
    (result + 0 * (source.sum() + target.sum())).backward()
    assert torch.isfinite(source.grad).all()
    assert torch.isfinite(target.grad).all()


@pytest.mark.parametrize("name", ADAPTING)
def test_domains_are_compared_alike_whatever_is_predicted(name):
    """Only joint alignment reads predictions; soft ones do not equal the truth they stand for."""
    options = {"source_labels": "prediction"} if name == "joint" else {}
    source, target = samples(0.0, 300, 300)
    values = [
        float(make_term(name, **options)(make_class_pair(source, displaced(name, target, shift))))
        for shift in (0.0, 1.0, 2.0)
    ]
    assert values == sorted(values)
    assert abs(values[0]) < 0.1 * values[-1]


def clouds(gap: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents of three classes, ``gap`` from the origin each, in both domains."""
    source, target = samples(0.0, 60, 60)
    corners = gap * torch.eye(4)[torch.arange(60) % 3]
    return 0.3 * source + corners, 0.3 * target + corners


@pytest.mark.parametrize("name", SEPARATING)
def test_decided_and_separate_classes_score_lower(name):
    term = make_term(name)
    values = [float(term(pair_for(name, *clouds(gap)))) for gap in (0.3, 1.0, 3.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0] - 0.01


@pytest.mark.parametrize(("name", "reads"), CLASS_TERMS.items())
def test_class_terms_move_what_they_read_and_nothing_else(name, reads):
    source, target = (sample.requires_grad_() for sample in clouds(1.0))
    term, pair = make_term(name), pair_for(name, source, target)
    assert term.needs_target == (reads != "source")
    term(pair)
    gradients = torch.autograd.grad(term(pair), (source, target), allow_unused=True)
    for side, gradient in zip(("source", "target"), gradients, strict=True):
        if reads in (side, "both"):
            assert torch.isfinite(gradient).all()
            assert gradient.abs().sum() > 0
        else:
            assert gradient is None


@pytest.mark.parametrize("name", CLASS_TERMS)
def test_following_the_gradient_lowers_a_class_term(name):
    source, target = (sample.requires_grad_() for sample in clouds(1.0))
    term = make_term(name)
    optimizer = torch.optim.Adam([source, target], lr=0.03)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        value = term(pair_for(name, source, target))
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[1] - 0.01 * abs(values[1])


@pytest.mark.parametrize("name", CLASS_TERMS)
def test_class_terms_refuse_moments_with_a_reason(name):
    with pytest.raises(TypeError, match=r"got Moments.*class head"):
        make_term(name)(make_pair(*samples(0.5, 6, 5)))


@pytest.mark.parametrize("name", sorted(TERMS))
def test_another_device_gives_the_numbers_of_the_cpu(name):
    source, target = samples(1.0, sources=60, targets=50)
    start = pair_for(name, source.requires_grad_(), target.requires_grad_())
    found = []
    with elsewhere() as away:
        for device in (torch.device("cpu"), away):
            pair, term = moved(start, device), make_term(name).to(device)
            value = sum(term(pair) for _ in range(2))  # twice: some terms remember
            leaves = [pair.source.latent, pair.target.latent]
            leaves += [pair.source.prediction[0], pair.target.prediction[0]]
            if value.requires_grad:
                value.backward()
            grads = [leaf.grad for leaf in leaves if leaf.grad is not None]
            assert {value.device, *(grad.device for grad in grads)} == {device}
            found.append([value.detach().cpu(), *(grad.cpu() for grad in grads)])
    assert len(found[0]) == len(found[1]) and all(map(torch.equal, *found))
