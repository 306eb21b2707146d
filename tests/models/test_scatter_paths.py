"""PyG's scatter with and without torch-scatter: one set of numbers."""

import pytest
import torch
import torch_geometric.typing
from torch_geometric.utils import scatter

pytest.importorskip("torch_scatter", reason="torch-scatter is an option and not installed")


@pytest.mark.parametrize("reduction", ["sum", "mean", "max"])
def test_both_paths_agree_in_value_and_gradient(reduction, monkeypatch):
    index = torch.tensor([0, 0, 2, 2, 2, 3])
    weights = torch.randn(5, 3)
    found = []
    for active in (True, False):
        monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", active)
        values = torch.arange(18.0).reshape(6, 3).cos().requires_grad_()
        reduced = scatter(values, index, 0, 5, reduction)
        (reduced * weights).sum().backward()
        found.append((reduced.detach(), values.grad))
    torch.testing.assert_close(found[0], found[1])
