"""Normalisation of latents and of image channels."""

import pytest
import torch

from dagnn.models.normalize import ChannelNorm, ChannelStandardize, RunningNorm


def test_training_and_evaluation_apply_the_same_map():
    norm = RunningNorm(4)
    for _ in range(20):
        norm(2 * torch.randn(64, 4) + 5)
    values = torch.randn(64, 4) - 3  # another domain: its shift must stay visible
    trained = norm(values)
    norm.eval()
    torch.testing.assert_close(trained, norm(values), rtol=1e-4, atol=1e-4)
    assert (trained.mean(0) < -1).all()


def test_gradient_is_that_of_batch_norm_when_statistics_agree():
    values = torch.randn(32, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(32, 3, dtype=torch.float64)
    ours = RunningNorm(3).double()  # the first batch becomes the statistics
    theirs = torch.nn.BatchNorm1d(3).double()
    (one,) = torch.autograd.grad((ours(values) * weights).sum(), values)
    (other,) = torch.autograd.grad((theirs(values) * weights).sum(), values)
    # torch divides by the variance of the batch, the running one is that of the population.
    ratio = (31 / 32) ** 0.5
    torch.testing.assert_close(one, ratio * other, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(ours(values), ratio * theirs(values), rtol=1e-5, atol=1e-5)


def test_running_variance_is_that_of_the_population_in_small_batches():
    norm = RunningNorm(2, momentum=0.002)
    for _ in range(4000):
        norm(torch.randn(4, 2) * 3 + 1)
    torch.testing.assert_close(norm.variance[0], torch.full((2,), 9.0), rtol=0.1, atol=0)


def test_domains_have_statistics_of_their_own():
    norm = RunningNorm(2, domains=2)
    source, target = torch.randn(256, 2), torch.randn(256, 2) + 7
    for _ in range(5):
        one, other = norm(source, 0), norm(target, 1)
    torch.testing.assert_close(one.mean(0), other.mean(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(norm.mean[1], target.mean(0))


def test_single_item_and_evaluation_do_not_change_statistics():
    norm = RunningNorm(2)
    norm(torch.ones(1, 2))
    norm.eval()
    norm(torch.randn(8, 2))
    assert norm.batches.tolist() == [0]
    assert torch.isfinite(norm(torch.ones(1, 2))).all()


def test_a_domain_that_shares_the_statistics_of_another_one_does_not_change_them():
    norm = RunningNorm(2, domains=2)
    norm.share(1, 0)
    source, target = torch.randn(64, 2), torch.randn(64, 2) + 5
    for _ in range(5):
        norm(source, 0)
        shifted = norm(target, 1)
    torch.testing.assert_close(norm.mean[0], source.mean(0))
    assert norm.batches.tolist() == [5, 0]
    assert (shifted.mean(0) > 3).all()


def maps(shift: float = 0.0, scale: float = 1.0, count: int = 16) -> torch.Tensor:
    return scale * torch.randn(count, 3, 5, 4) + shift


@pytest.mark.parametrize("domains", [1, 2])
def test_first_batch_is_normalised_as_torch_does_it(domains):
    x = maps(2.0, 3.0).double().requires_grad_()
    weights = torch.randn_like(x)
    ours, theirs = ChannelNorm(3, domains).double(), torch.nn.BatchNorm2d(3).double()
    (one,) = torch.autograd.grad((ours(x, 0) * weights).sum(), x)
    (other,) = torch.autograd.grad((theirs(x) * weights).sum(), x)
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(ours(x, 0), theirs(x))


def test_running_statistics_follow_the_batches():
    norm = ChannelNorm(3)
    batches = [maps(5.0, 2.0) for _ in range(3)]
    for x in batches:
        norm(x)
    # The first batches count equally, so the statistics are theirs and not those of the start.
    together = torch.cat(batches)
    torch.testing.assert_close(norm.running_mean, together.mean((0, 2, 3)))
    within = torch.stack([x.var((0, 2, 3), correction=0) for x in batches]).mean(0)
    torch.testing.assert_close(norm.running_var, within)
    for _ in range(200):
        norm(maps(-1.0, 0.5))
    torch.testing.assert_close(norm.running_mean, torch.full((3,), -1.0), atol=0.1, rtol=0)
    torch.testing.assert_close(norm.running_var, torch.full((3,), 0.25), atol=0.1, rtol=0)


def test_evaluation_in_the_statistics_of_one_batch_repeats_training():
    norm, x = ChannelNorm(3), maps(3.0, count=2)
    trained = norm(x)
    torch.testing.assert_close(norm.eval()(x), trained)


def test_domains_have_statistics_of_their_own_and_one_scale():
    norm = ChannelNorm(3, domains=2)
    source, target = maps(), maps(7.0, 4.0)
    for _ in range(40):
        one, other = norm(source, 0), norm(target, 1)
    for normalised in (one, other):
        torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(norm.running_mean[1], target.mean((0, 2, 3)))
    norm.eval()
    torch.testing.assert_close(norm(target, 1), other, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(norm(target, 0), other, atol=0.1)
    assert [p.shape for p in norm.parameters()] == [(3,), (3,)]


def test_state_has_the_names_and_shapes_of_torch():
    ours, theirs = ChannelNorm(3).state_dict(), torch.nn.BatchNorm2d(3).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_one_number_per_channel_and_evaluation_change_no_statistics():
    norm = ChannelNorm(3)
    assert torch.isfinite(norm(torch.ones(1, 3, 1, 1))).all()
    norm.eval()
    norm(maps())
    assert norm.num_batches_tracked.item() == 0
    assert repr(ChannelNorm(3, 2)) == "ChannelNorm(3, domains=2, momentum=0.1)"


def test_channels_are_standardised_over_items_and_pixels():
    layer = ChannelStandardize(3, domains=2)
    x = maps(4.0, 2.0) * torch.tensor([1.0, 5.0, 0.0])[:, None, None]
    layer.fit(x, 1)
    done = layer(x, 1)
    torch.testing.assert_close(done.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    expected = torch.tensor([1.0, 1.0, 0.0])
    torch.testing.assert_close(done.std((0, 2, 3), correction=0), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        layer.std[1, :2], x.transpose(0, 1).flatten(1).std(1)[:2], rtol=1e-2, atol=0
    )
    assert torch.equal(layer(x, 0), x)
