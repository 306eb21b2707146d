"""The written-out gradient of message passing against autograd and finite differences."""

import os
import signal
import threading
import time
from typing import Any

import pytest
import torch
from tiny_batches import graph_batch
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.utils import scatter

from dagnn.models import (
    Ensemble,
    GraphEncoder,
    MomentsHead,
    Network,
    graph,
    links,
    message_backward,
    message_forward,
    reductions,
    threads,
)
from dagnn.models.reductions import reduce_by

SIZES = {"node": 4, "edge": 3, "global": 1}
ALL = ("sum", "max", "mean", "min")


def plain_latent(encoder: GraphEncoder, batch: Batch) -> Tensor:
    """Evaluate the formula by gathers, concatenations and PyG's scatter."""
    galaxies, degree = encoder.sum_scale
    x, edge, (row, col) = batch.x, batch.edge_attr, batch.edge_index
    for block in encoder.blocks:
        message = block.edge_mlp(torch.cat([x[row], x[col], edge], 1))
        edge = message + edge if block.residual else message
        parts = [scatter(edge, col, 0, len(x), name) for name in block.aggregation]
        parts[block.aggregation.index("sum")] /= degree
        nodes = block.node_mlp(torch.cat([x, *parts, batch.u[batch.batch]], 1))
        x = nodes + x if block.residual else nodes
    pooled = [scatter(x, batch.batch, 0, len(batch.u), name) for name in encoder.pooling]
    pooled[encoder.pooling.index("sum")] /= galaxies
    return torch.cat([*pooled, batch.u], 1)


def double_batch(linked: str = "all") -> Batch:
    """Return five graphs; links may be absent, or absent among the last galaxies."""
    batch = graph_batch([0, 1, 2, 3, 4])
    kept = {"all": len(batch.x), "few": len(batch.x) // 3, "none": 0}[linked]
    edges = (batch.edge_index < kept).all(0)
    batch.edge_index, batch.edge_attr = batch.edge_index[:, edges], batch.edge_attr[edges]
    return batch.apply(lambda value: value.double() if value.is_floating_point() else value)


def gradients(latent: Tensor, of: list[Tensor]) -> list[Tensor]:
    weight = torch.linspace(-1, 2, latent.numel()).to(latent).view_as(latent)
    return list(torch.autograd.grad((latent * weight).sum(), of))


@pytest.fixture
def torch_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


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
@pytest.mark.parametrize("linked", ["all", "few", "none"])
def test_value_and_every_gradient_equal_those_of_autograd(
    piece, blocks, hidden, threads, linked, torch_threads, unwritten_is_nan, monkeypatch
):
    torch_threads(threads)
    monkeypatch.setattr(links, "PIECE", piece)
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


def test_single_precision_agrees_to_1e_5():
    encoder = GraphEncoder(SIZES, standardize=False, batch_norm=False)
    batch = graph_batch([0, 1, 2, 3, 4])
    torch.testing.assert_close(encoder(batch), plain_latent(encoder, batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", [6, 16])
@pytest.mark.parametrize("threads", [1, 3])
def test_autocast_keeps_near_single_precision(hidden, threads, torch_threads, monkeypatch):
    torch_threads(threads)
    monkeypatch.setattr(links, "PIECE", 20)
    torch.manual_seed(0)
    encoder = GraphEncoder(SIZES, hidden, standardize=False, batch_norm=False)
    batch, inputs = graph_batch([0, 1, 2, 3, 4]), list(encoder.parameters())
    expected = encoder(batch)
    with torch.autocast("cpu", torch.bfloat16):
        found, plain = encoder(batch), plain_latent(encoder, batch)
    assert found.dtype == torch.float32
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

    for room in (message_forward, message_backward):
        monkeypatch.setattr(room, "total_by", total_by)
    encoder = GraphEncoder(SIZES, 8, standardize=False, batch_norm=False)
    with torch.autocast("cpu", torch.bfloat16):
        latent = encoder(graph_batch([0, 1]))  # two blocks
    latent.sum().backward()
    assert len(sums) == 4 and set(sums) == {torch.float32}


def test_pooling_under_autocast_is_in_single_precision(monkeypatch):
    pooled = []

    def reduce(values: Tensor, *rest: Any) -> list[Tensor]:
        pooled.append(values.dtype)
        return reduce_by(values, *rest)

    monkeypatch.setattr(graph, "reduce_by", reduce)
    with torch.autocast("cpu", torch.bfloat16):
        GraphEncoder(SIZES, 8)(graph_batch([0, 1]))
    assert pooled == [torch.float32]


def test_pieces_cover_every_node_and_edge_once(monkeypatch):
    monkeypatch.setattr(links, "PIECE", 20)
    batch = graph_batch([0, 1, 2, 3, 4])
    found = links.link(batch.edge_index, len(batch.x))
    assert len(found.pieces) > 10
    nodes, edges = torch.arange(len(batch.x)), torch.arange(batch.edge_index.shape[1])
    assert torch.equal(torch.cat([nodes[piece.nodes] for piece in found.pieces]), nodes)
    assert torch.equal(torch.cat([edges[piece.edges] for piece in found.pieces]), edges)
    for piece in found.pieces:
        local = found.local[piece.edges] + piece.nodes.start
        assert torch.equal(local, batch.edge_index[1][piece.edges])


def test_reductions_by_hand_with_an_empty_group_and_ties_that_share_the_gradient():
    values = torch.tensor([[1.0], [3.0], [3.0], [-2.0]], requires_grad=True)
    index = torch.tensor([0, 0, 0, 2])
    found = reduce_by(values, index, 3, ALL, torch.tensor(2.0))
    expected = {"sum": [3.5, 0, -1], "max": [3, 0, -2], "mean": [7 / 3, 0, -2], "min": [1, 0, -2]}
    for name, reduced in zip(ALL, found, strict=True):
        torch.testing.assert_close(reduced[:, 0], torch.tensor(expected[name]).float())
    (gradient,) = torch.autograd.grad(found[1].sum(), values)
    assert gradient[:, 0].tolist() == [0, 0.5, 0.5, 1]


@pytest.mark.parametrize("reductions", [("max",), ("mean", "min"), ("sum",)])
def test_gradient_of_some_reductions_equals_finite_differences(reductions):
    values = torch.randn(9, 2, dtype=torch.float64, requires_grad=True)
    index, scale = torch.tensor([2, 0, 0, 2, 1, 1, 2, 0, 4]), torch.tensor(1.7).double()
    torch.autograd.gradcheck(lambda v: reduce_by(v, index, 5, reductions, scale), values)


def test_threads_get_runs_of_neighbours_and_leave_their_number_as_it_was(torch_threads):
    torch_threads(3)
    # Gradients are off in every thread, and operations of a thread stay in it.
    runs = threads.in_threads(
        lambda items: (list(items), torch.is_grad_enabled(), torch.get_num_threads()), range(8)
    )
    assert runs == [([0, 1], False, 1), ([2, 3, 4], False, 1), ([5, 6, 7], False, 1)]
    assert torch.get_num_threads() == 3
    assert threads.in_threads(list, range(5)) == [[0, 1], [2, 3, 4]]  # too few for a third
    assert len(threads.in_threads(list, range(3))) == 1
    torch_threads(1)
    assert len(threads.in_threads(list, range(8))) == 1


def test_an_error_in_a_thread_reaches_the_caller(torch_threads):
    torch_threads(2)
    with pytest.raises(ZeroDivisionError):
        threads.in_threads(lambda items: [1 // item for item in items], range(8))


def test_the_same_threads_give_the_same_bits(torch_threads, monkeypatch):
    monkeypatch.setattr(links, "PIECE", 7)
    torch_threads(2)
    encoder, batch = GraphEncoder(SIZES, 16), graph_batch([0, 1, 2, 3, 4])
    first, again = (gradients(encoder(batch), list(encoder.parameters())) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("threads", [1, 3])
def test_inference_mode_gives_the_same_latent(threads, torch_threads, monkeypatch):
    torch_threads(threads)
    monkeypatch.setattr(links, "PIECE", 20)
    encoder, batch = GraphEncoder(SIZES, 16), graph_batch([0, 1, 2, 3, 4])
    with torch.inference_mode():
        found = encoder(batch)
    assert torch.equal(found, encoder(batch))


def test_members_of_an_ensemble_are_the_same_in_threads(torch_threads, monkeypatch):
    monkeypatch.setattr(links, "PIECE", 20)
    members = [
        Network(GraphEncoder(SIZES, 16), MomentsHead(3 * 16 + 1, 1, hidden=[8])) for _ in range(2)
    ]
    together, batch = Ensemble(members), graph_batch([0, 1, 2, 3, 4])
    latents = []
    for count in (1, 3):
        torch_threads(count)
        latents.append(together(batch).latent)
    torch.testing.assert_close(*latents)


def test_a_forked_process_gets_threads_of_its_own(torch_threads):
    torch_threads(2)
    threads.in_threads(list, range(8))
    child = os.fork()
    if child == 0:  # the threads of the parent are not here
        torch.set_num_threads(2)
        os._exit(0 if threads.in_threads(list, range(4)) == [[0, 1], [2, 3]] else 1)
    for _ in range(200):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the forked process waits for threads that it does not have")


def test_a_thread_that_cannot_start_leaves_nobody_waiting(torch_threads, monkeypatch):
    torch_threads(3)
    threads._team.cache_clear()
    start, started = threading.Thread.start, []

    def refuse(self: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="new thread"):
        threads.in_threads(list, range(8))
    monkeypatch.undo()
    for thread in started:
        thread.join(5)
        assert not thread.is_alive()
    assert torch.get_num_threads() == 3
    assert len(threads.in_threads(list, range(8))) == 3
