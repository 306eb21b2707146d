"""DARE-GRAM against NumPy, rotations and scalings by hand, and ranks that run out."""

import math

import numpy as np
import pytest
import torch
from latents import make_pair, samples

from dagnn.losses import DareGram
from dagnn.losses.gram import TruncatedInverse, components, dare_gram

# Four points on the axes: no mean, covariances diag(2, ½).
CROSS = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64)


def rotated(degrees: float) -> torch.Tensor:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return CROSS @ torch.tensor([[c, s], [-s, c]], dtype=torch.float64)


def reference(source: np.ndarray, target: np.ndarray, kept: int) -> float:
    """Angles and eigenvalues of NumPy's pseudo-inverse, for a known number of components."""
    sides = []
    for points in (source, target):
        features = np.hstack([np.ones((len(points), 1)), points])
        matrix = features.T @ features / len(points)
        values = np.linalg.eigvalsh(matrix)[::-1]
        cut = values[kept] / values[0] if kept < len(values) else 1e-12
        sides.append((np.linalg.pinv(matrix, rcond=cut * 1.0001, hermitian=True), values))
    (first, above), (second, below) = sides
    norms = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    angles = np.mean(1 - (first * second).sum(0) / norms)
    return angles + 0.1 * np.linalg.norm((above - below)[:kept]) / kept


@pytest.mark.parametrize(("threshold", "kept"), [(1.0, 5), (0.97, 3)])
def test_agrees_with_numpy(threshold, kept):
    widths = torch.tensor([3.0, 2.0, 0.4, 0.3])
    source, target = (widths * sample.double() for sample in samples(0.2, 60, 40))
    result = dare_gram(source, target, threshold=threshold, normalize=False)
    expected = reference(source.numpy(), target.numpy(), kept)
    assert float(result) == pytest.approx(expected, rel=1e-6)


def test_a_rotation_turns_the_columns_and_keeps_the_scale():
    angle = dare_gram(CROSS, rotated(30), scale=0.0)
    assert float(angle) > 0.05
    assert float(dare_gram(CROSS, rotated(30), angle=0.0, scale=1.0)) < 1e-12
    assert float(dare_gram(CROSS, rotated(5))) < float(angle)
    assert float(dare_gram(CROSS, rotated(180))) < 1e-12


def test_a_quarter_turn_by_hand():
    # Inverse Gram matrices diag(1, ½, 2) and diag(1, 2, ½): every column keeps its direction.
    assert float(dare_gram(CROSS, rotated(90), threshold=1.0, normalize=False)) < 1e-12
    # Half a quarter turn: columns of [[5, −3], [−3, 5]] / 4 against those of diag(½, 2).
    expected = 2 * (1 - 5 / math.sqrt(34)) / 3
    half = dare_gram(CROSS, rotated(45), threshold=1.0, scale=0.0, normalize=False)
    assert float(half) == pytest.approx(expected)


def test_a_stretch_changes_the_scale_alone():
    assert float(dare_gram(CROSS, 2 * CROSS, scale=0.0)) < 1e-12
    # Eigenvalues 2, 1, ½ and 8, 2, 1.
    stretch = dare_gram(CROSS, 2 * CROSS, threshold=1.0, angle=0.0, scale=1.0, normalize=False)
    assert float(stretch) == pytest.approx(math.sqrt(36 + 1 + 0.25) / 3)


@pytest.mark.parametrize("kept", [1, 3, 4])
def test_gradient_of_the_truncated_inverse_agrees_with_finite_differences(kept):
    factor = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = (factor @ factor.T + torch.diag(torch.tensor([9.0, 5.0, 2.0, 0.5]))).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda m: TruncatedInverse.apply((m + m.T) / 2, kept), matrix, rtol=1e-3
    )


def test_equal_eigenvalues_have_a_finite_gradient():
    matrix = torch.eye(4, dtype=torch.float64).requires_grad_()
    TruncatedInverse.apply(matrix, 2).sum().backward()
    assert torch.isfinite(matrix.grad).all()


@pytest.mark.parametrize("items", [1, 2, 3, 6])
def test_batches_smaller_than_the_latent_have_finite_gradients(items):
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(items, 16, generator=generator).requires_grad_()
    target = torch.randn(items + 1, 16, generator=generator).requires_grad_()
    result = DareGram(threshold=1.0)(make_pair(source, target))
    result.backward()
    assert torch.isfinite(result)
    assert torch.isfinite(source.grad).all()
    assert torch.isfinite(target.grad).all()
    assert source.grad.abs().max() < 1e3


def test_components_are_those_that_both_have():
    full, thin = torch.tensor([4.0, 2.0, 1.0, 1.0]), torch.tensor([7.0, 1.0, 0.0, 0.0])
    assert components((full, full), 0.5) == 1
    assert components((full, full), 0.7) == 2
    assert components((full, full), 1.0) == 4
    assert components((full, thin), 1.0) == 2


@pytest.mark.parametrize(
    "options",
    [{"threshold": 0.0}, {"threshold": 1.1}, {"angle": -1.0}, {"angle": 0.0, "scale": 0.0}],
)
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=r"threshold|factors"):
        DareGram(**options)


def test_repr_tells_the_choices():
    expected = "DareGram(threshold=0.9, angle=1, scale=0.1, normalize=True)"
    assert repr(DareGram(threshold=0.9)) == expected
