"""The fused kernels against the plain reference, in values and in every gradient."""

import copy
from typing import Any

import pytest
import torch
from tiny_batches import graph_batch
from torch import Tensor
from torch_geometric.data import Batch, Data

from dagnn.models import Ensemble, GraphEncoder, MomentsHead, Network
from dagnn.models.kernels import block, message_passing, pieces, reductions, reference

SIZES = {"node": 4, "edge": 3, "global": 1}
ALL = ("sum", "max", "mean", "min")


def linked_batch(linked: str) -> Batch:
    """Return graphs with all edges, none among the last galaxies, none at all, or no galaxies."""
    edge_index = torch.zeros(2, 0, dtype=torch.long)
    empty = Data(torch.zeros(0, 4), edge_index, torch.zeros(0, 3), u=torch.ones(1, 1))
    if linked == "no galaxies":
        return Batch.from_data_list([empty, empty])
    graphs = [
        Data(graph.x, graph.edge_index, graph.edge_attr, u=graph.u)
        for graph in graph_batch([0, 1, 2, 3, 4]).to_data_list()
    ]
    batch = Batch.from_data_list([*graphs[:2], empty, *graphs[2:], empty])
    last = {"all": len(batch.x), "few": len(batch.x) // 3, "none": 0}[linked]
    edges = (batch.edge_index < last).all(0)
    batch.edge_index, batch.edge_attr = batch.edge_index[:, edges], batch.edge_attr[edges]
    return batch


def double_batch(linked: str = "all") -> Batch:
    batch = linked_batch(linked)
    return batch.apply(lambda value: value.double() if value.is_floating_point() else value)


def plain_latent(encoder: GraphEncoder, batch: Batch) -> Tensor:
    """Return the latent by the reference."""
    plain = copy.copy(encoder)  # the same parameters
    plain.kernel = "reference"
    return plain(batch)


def gradients(latent: Tensor, of: list[Tensor]) -> list[Tensor]:
    weight = torch.linspace(-1, 2, latent.numel()).to(latent).view_as(latent)
    return list(torch.autograd.grad((latent * weight).sum(), of))


@pytest.fixture
def unwritten_is_nan():
    """Fill what is allocated with NaN, so that whatever nobody writes is seen."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize("blocks", [1, 3])
# Wide nodes are projected before they are gathered, narrow ones are gathered as they are.
@pytest.mark.parametrize("hidden", [6, 16])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("linked", ["all", "few", "none", "no galaxies"])
def test_value_and_every_gradient_equal_those_of_the_reference(
    piece, blocks, hidden, threads, linked, torch_threads, unwritten_is_nan, monkeypatch
):
    torch_threads(threads)
    monkeypatch.setattr(pieces, "PIECE", piece)
    torch.manual_seed(0)
    options = {"aggregation": ALL, "pooling": ALL, "standardize": False, "batch_norm": False}
    encoder = GraphEncoder(SIZES, hidden, blocks, **options).double()
    encoder.sum_scale.copy_(torch.tensor([20.0, 3.0]))
    batch = double_batch(linked)
    for name in ("x", "edge_attr", "u"):
        batch[name].requires_grad_()
    inputs = [*encoder.parameters(), batch.x, batch.edge_attr, batch.u]
    ours, plain = encoder(batch), plain_latent(encoder, batch)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    pairs = zip(gradients(ours, inputs), gradients(plain, inputs), strict=True)
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("hidden", [6, 16])
def test_edges_in_any_order_give_the_same_latent(hidden):
    encoder = GraphEncoder(SIZES, hidden, standardize=False, batch_norm=False).double()
    batch = double_batch()
    expected = encoder(batch)
    order = torch.randperm(batch.edge_index.shape[1])
    batch.edge_index, batch.edge_attr = batch.edge_index[:, order], batch.edge_attr[order]
    torch.testing.assert_close(encoder(batch), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("linked", ["all", "few", "none", "no galaxies"])
@pytest.mark.parametrize("hidden", [6, 64])
def test_single_precision_agrees_to_1e_5(hidden, linked):
    encoder = GraphEncoder(SIZES, hidden).eval()
    batch, inputs = linked_batch(linked), list(encoder.parameters())
    ours, plain = encoder(batch), plain_latent(encoder, batch)
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5)
    for found, expected in zip(gradients(ours, inputs), gradients(plain, inputs), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * len(batch.x))


@pytest.mark.parametrize("hidden", [6, 16])
@pytest.mark.parametrize("threads", [1, 3])
def test_autocast_keeps_near_single_precision(hidden, threads, torch_threads, monkeypatch):
    torch_threads(threads)
    monkeypatch.setattr(pieces, "PIECE", 20)
    torch.manual_seed(0)
    encoder = GraphEncoder(SIZES, hidden, standardize=False, batch_norm=False)
    batch, inputs = graph_batch([0, 1, 2, 3, 4]), list(encoder.parameters())
    expected = encoder(batch)
    with torch.autocast("cpu", torch.bfloat16):
        found, plain = encoder(batch), plain_latent(encoder, batch)
    assert found.dtype == plain.dtype == torch.float32
    error = (found - expected).norm() / expected.norm()
    # Eight bits of mantissa: never exact, and no worse than what autocast makes of plain layers.
    assert 1e-5 < error < 0.01
    assert error < 1.5 * (plain - expected).norm() / expected.norm()
    for ours, theirs in zip(gradients(found, inputs), gradients(expected, inputs), strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() < 0.15 * theirs.norm()


def test_autocast_does_not_sum_in_lower_precision(monkeypatch):
    # Some kernels add in the type of the sum: in bfloat16 it stops growing after 256 ones.
    sums = []

    def total_by(values: Tensor, index: Tensor, out: Tensor) -> Tensor:
        sums.append(out.dtype)
        return reductions.total_by(values, index, out)

    for module in (block, message_passing):
        monkeypatch.setattr(module, "total_by", total_by)
    encoder = GraphEncoder(SIZES, 8, standardize=False, batch_norm=False)
    with torch.autocast("cpu", torch.bfloat16):
        latent = encoder(graph_batch([0, 1]))  # two blocks
    latent.sum().backward()
    assert len(sums) == 4 and set(sums) == {torch.float32}


@pytest.mark.parametrize(("kernel", "times"), [("fused", 1), ("reference", 3)])
def test_reductions_under_autocast_are_in_single_precision(kernel, times, monkeypatch):
    module = reductions if kernel == "fused" else reference
    reduced, reduce_by = [], module.reduce_by

    def reduce(values: Tensor, *rest: Any) -> list[Tensor]:
        reduced.append(values.dtype)
        return reduce_by(values, *rest)

    monkeypatch.setattr(module, "reduce_by", reduce)
    with torch.autocast("cpu", torch.bfloat16):
        GraphEncoder(SIZES, 8, kernel=kernel)(graph_batch([0, 1]))
    assert reduced == [torch.float32] * times  # the reference reduces in two blocks as well


def test_the_same_threads_give_the_same_bits(torch_threads, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 7)
    torch_threads(2)
    encoder, batch = GraphEncoder(SIZES, 16), graph_batch([0, 1, 2, 3, 4])
    first, again = (gradients(encoder(batch), list(encoder.parameters())) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("threads", [1, 3])
def test_inference_mode_gives_the_same_latent(threads, torch_threads, monkeypatch):
    torch_threads(threads)
    monkeypatch.setattr(pieces, "PIECE", 20)
    encoder, batch = GraphEncoder(SIZES, 16), graph_batch([0, 1, 2, 3, 4])
    with torch.inference_mode():
        found = encoder(batch)
    assert torch.equal(found, encoder(batch))


def test_members_of_an_ensemble_are_the_same_in_threads(torch_threads, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 20)
    members = [
        Network(GraphEncoder(SIZES, 16), MomentsHead(3 * 16 + 1, 1, hidden=[8])) for _ in range(2)
    ]
    together, batch = Ensemble(members), graph_batch([0, 1, 2, 3, 4])
    latents = []
    for count in (1, 3):
        torch_threads(count)
        latents.append(together(batch).latent)
    torch.testing.assert_close(*latents)
