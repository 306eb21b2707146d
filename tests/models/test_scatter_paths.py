"""Our reductions against PyG's scatter, with and without torch-scatter behind it."""

from importlib.util import find_spec

import pytest
import torch
import torch_geometric.typing
from torch_geometric.utils import scatter

from dagnn.models.reductions import reduce_by

with_torch_scatter = pytest.param(
    True,
    marks=pytest.mark.skipif(
        find_spec("torch_scatter") is None, reason="torch-scatter is an option and not installed"
    ),
)


@pytest.mark.parametrize("active", [False, with_torch_scatter])
@pytest.mark.parametrize("reduction", ["sum", "mean", "max", "min"])
def test_value_and_gradient_equal_those_of_pyg(reduction, active, monkeypatch):
    monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", active)
    index = torch.tensor([0, 0, 2, 2, 2, 3])
    weights = torch.randn(5, 3)
    found = []
    for reduce in (
        lambda values: scatter(values, index, 0, 5, reduction),
        lambda values: reduce_by(values, index, 5, [reduction], torch.tensor(1.0))[0],
    ):
        values = torch.arange(18.0).reshape(6, 3).cos().requires_grad_()
        reduced = reduce(values)
        (reduced * weights).sum().backward()
        found.append((reduced.detach(), values.grad))
    torch.testing.assert_close(found[0], found[1])
