"""Reductions by hand, by finite differences, and against PyG's scatter."""

from importlib.util import find_spec

import pytest
import torch
import torch_geometric.typing

from dagnn.models.kernels import reference
from dagnn.models.kernels.reductions import REDUCTIONS, reduce_by

with_torch_scatter = pytest.param(
    True,
    marks=pytest.mark.skipif(
        find_spec("torch_scatter") is None, reason="torch-scatter is an option and not installed"
    ),
)


@pytest.mark.parametrize("active", [False, with_torch_scatter])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_value_and_gradient_equal_those_of_pyg(reduction, active, monkeypatch):
    monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", active)
    index = torch.tensor([0, 0, 2, 2, 2, 3])
    weights = torch.randn(5, 3)
    found = []
    for reduce in (reference.reduce_by, reduce_by):
        values = torch.arange(18.0).reshape(6, 3).cos().requires_grad_()
        (reduced,) = reduce(values, index, 5, [reduction], torch.tensor(2.0))
        (reduced * weights).sum().backward()
        found.append((reduced.detach(), values.grad))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("reduce", [reduce_by, reference.reduce_by])
def test_reductions_by_hand_with_an_empty_group_and_ties_that_share_the_gradient(reduce):
    values = torch.tensor([[1.0], [3.0], [3.0], [-2.0]], requires_grad=True)
    index = torch.tensor([0, 0, 0, 2])
    found = reduce(values, index, 3, REDUCTIONS, torch.tensor(2.0))
    expected = {"sum": [3.5, 0, -1], "max": [3, 0, -2], "mean": [7 / 3, 0, -2], "min": [1, 0, -2]}
    for name, reduced in zip(REDUCTIONS, found, strict=True):
        torch.testing.assert_close(reduced[:, 0], torch.tensor(expected[name]).float())
    (gradient,) = torch.autograd.grad(found[2].sum(), values)
    assert gradient[:, 0].tolist() == [0, 0.5, 0.5, 1]


@pytest.mark.parametrize("reductions", [("max",), ("mean", "min"), ("sum",)])
def test_gradient_of_some_reductions_equals_finite_differences(reductions):
    values = torch.randn(9, 2, dtype=torch.float64, requires_grad=True)
    index, scale = torch.tensor([2, 0, 0, 2, 1, 1, 2, 0, 4]), torch.tensor(1.7).double()
    torch.autograd.gradcheck(lambda v: reduce_by(v, index, 5, reductions, scale), values)
