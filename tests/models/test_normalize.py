"""Running normalisation: values, gradient, statistics."""

import torch

from dagnn.models.normalize import RunningNorm


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
