"""MMD against scikit-learn's kernel, hand values, and finite differences."""

import math

import numpy as np
import pytest
import torch
from latents import make_pair, samples
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

from dagnn.errors import UsageError
from dagnn.losses import MMD
from dagnn.losses.mmd import PUBLISHED_BANDWIDTHS, median_bandwidths, squared_distances
from dagnn.losses.samples import standardised


def reference(source, target, bandwidths, estimator: str) -> float:
    """Plain MMD² from scikit-learn kernels, summed over bandwidths."""

    def mean(kernel: np.ndarray) -> float:
        if estimator == "biased":
            return kernel.mean()
        count = len(kernel)
        return kernel[~np.eye(count, dtype=bool)].sum() / (count * (count - 1))

    total = 0.0
    for bandwidth in bandwidths:
        gamma = 1 / (2 * bandwidth)
        total += mean(rbf_kernel(source, gamma=gamma)) + mean(rbf_kernel(target, gamma=gamma))
        total -= 2 * rbf_kernel(source, target, gamma=gamma).mean()
    return total


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
@pytest.mark.parametrize("bandwidth", [[0.5], [0.5, 2.0, 8.0], "published"])
def test_fixed_bandwidths_agree_with_scikit_learn(estimator, bandwidth):
    source, target = (sample.double() for sample in samples(0.7, 13, 8))
    values = PUBLISHED_BANDWIDTHS if bandwidth == "published" else bandwidth
    result = MMD(estimator, bandwidth)(make_pair(source, target))
    assert float(result) == pytest.approx(reference(source, target, values, estimator), rel=1e-9)


def test_median_heuristic_agrees_with_scikit_learn():
    source, target = (sample.double() for sample in samples(0.7, 13, 8))
    pooled = np.concatenate([source, target])
    square = np.sort(euclidean_distances(pooled, squared=True)[np.triu_indices(21, 1)])
    scales = square[(len(square) - 1) // 2] * 2.0 ** np.arange(-2, 3)
    expected = reference(source, target, scales, "unbiased") / 5
    assert float(MMD()(make_pair(source, target))) == pytest.approx(expected, rel=1e-9)


def test_value_by_hand():
    pair = make_pair(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0]]))
    near, far, farther = math.exp(-1 / 2), math.exp(-4 / 2), math.exp(-9 / 2)
    expected = (2 + 2 * near) / 4 + 1 - 2 * (farther + far) / 2
    assert float(MMD("biased", [1.0])(pair)) == pytest.approx(expected, rel=1e-6)


def test_published_preset_is_the_nineteen_values_summed():
    assert len(PUBLISHED_BANDWIDTHS) == 19
    assert sorted(PUBLISHED_BANDWIDTHS) == list(PUBLISHED_BANDWIDTHS)
    assert PUBLISHED_BANDWIDTHS[0] == 1e-6
    assert PUBLISHED_BANDWIDTHS[-1] == 1e6
    assert MMD(bandwidth="published").combine == "sum"


@pytest.mark.parametrize("bandwidth", [[0.7], [1.0, 3.0]])
@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_gradient_agrees_with_finite_differences(bandwidth, estimator):
    source, target = (sample.double().requires_grad_() for sample in samples(0.5, 4, 3))
    term = MMD(estimator, bandwidth)
    assert torch.autograd.gradcheck(lambda a, b: term(make_pair(a, b)), (source, target))


def test_gradient_survives_where_the_unbiased_value_is_negative():
    source, target = samples(0.0, 30, 30)
    # The first seeds of equal distributions give both signs; take a negative one.
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        source = torch.randn(30, 4, generator=generator).requires_grad_()
        target = torch.randn(30, 4, generator=generator)
        value = MMD()(make_pair(source, target))
        if value < 0:
            break
    assert value < 0
    value.backward()
    assert source.grad.abs().sum() > 0


def test_median_heuristic_follows_the_scale_of_the_latent():
    source, target = (sample.double() for sample in samples(0.7, 20, 20))
    term = MMD()
    small, large = make_pair(source, target), make_pair(100 * source, 100 * target)
    torch.testing.assert_close(term(large), term(small))


def test_the_median_is_a_number_and_not_a_road_for_gradients():
    source, target = (sample.double().requires_grad_() for sample in samples(0.7, 9, 8))
    scales = median_bandwidths(squared_distances(torch.cat([source, target])), 5)
    assert not scales.requires_grad
    # In units of the common spread, whose gradient counts, the median is a fixed bandwidth.
    units = standardised(source, target)
    fixed = median_bandwidths(squared_distances(torch.cat(units)), 5).tolist()
    values = (
        MMD()(make_pair(source, target)),
        MMD("unbiased", fixed, combine="mean")(make_pair(*units)),
    )
    torch.testing.assert_close(*(torch.autograd.grad(value, source)[0] for value in values))


def test_tight_clusters_far_apart_keep_their_digits_in_single_precision():
    source, target = samples(0.0, 20, 20)
    source, target = 0.1 * source - 1000, 0.1 * target + 1000
    term = MMD("unbiased", [0.01])
    single, double = make_pair(source, target), make_pair(source.double(), target.double())
    torch.testing.assert_close(term(single).double(), term(double), rtol=1e-5, atol=0)


def test_median_bandwidths_stay_positive_where_most_points_coincide():
    points = torch.zeros(9, 2)
    assert median_bandwidths(squared_distances(points), 3).tolist() == [0.5, 1.0, 2.0]
    points[0] = 3.0
    assert (median_bandwidths(squared_distances(points), 3) > 0).all()


def test_mean_over_kernels_keeps_the_value_below_two():
    pair = make_pair(torch.zeros(6, 2), torch.full((6, 2), 50.0))
    for widths in (1, 5, 9):
        assert float(MMD("biased", widths=widths)(pair)) <= 2.0


def test_memory_does_not_grow_with_items_times_items_times_width():
    sizes: list[int] = []

    def remember(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel())
        return tensor

    source = torch.randn(64, 500, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        MMD()(make_pair(source, torch.randn(64, 500)))
    assert max(sizes) <= 128 * 500


def test_one_item_has_a_biased_value_and_no_unbiased_one():
    pair = make_pair(*samples(0.5, 1, 6))
    assert torch.isfinite(MMD("biased")(pair))
    with pytest.raises(UsageError, match=r"at least 2 source and 2 target.*got 1 and 6"):
        MMD("unbiased")(pair)
    with pytest.raises(UsageError, match="at least 1"):
        MMD("biased")(make_pair(*samples(0.5, 3, 0)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"estimator": "unbaised"}, UsageError, "Did you mean 'unbiased'"),
        ({"bandwidth": "publishd"}, UsageError, "Did you mean 'published'"),
        ({"combine": "product"}, UsageError, "mean, sum"),
        ({"bandwidth": [1.0, -2.0]}, ValueError, "positive"),
        ({"bandwidth": []}, ValueError, "positive"),
        ({"widths": 0}, ValueError, "at least one width"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        MMD(**options)


def test_repr_tells_the_choices():
    assert repr(MMD()) == "MMD(estimator=unbiased, bandwidth=median, widths=5, combine=mean)"
