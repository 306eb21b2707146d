"""The graph encoder: invariances, a reference implementation, corner cases."""

import numpy as np
import pytest
import torch
from tiny_batches import as_data, graph_batch, random_graph
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch_geometric.data import Batch, Data
from torch_geometric.nn import MetaLayer, global_add_pool, global_max_pool, global_mean_pool
from torch_geometric.utils import scatter

from dagnn.errors import UsageError
from dagnn.models import GraphEncoder

SIZES = {"node": 4, "edge": 3, "global": 1}


def plain(**options) -> GraphEncoder:
    return GraphEncoder(SIZES, standardize=False, batch_norm=False, **options)


def doubled(batch: Batch) -> Batch:
    return batch.apply(lambda value: value.double() if value.is_floating_point() else value)


def shuffled(data: Data) -> Data:
    nodes = torch.randperm(len(data.x))
    edges = torch.randperm(data.edge_index.shape[1])
    new_number = torch.empty_like(nodes).scatter_(0, nodes, torch.arange(len(nodes)))
    return Data(
        x=data.x[nodes],
        edge_index=new_number[data.edge_index][:, edges],
        edge_attr=data.edge_attr[edges],
        u=data.u,
    )


@pytest.mark.parametrize("batch_norm", [False, True])
def test_order_of_nodes_and_edges_leaves_the_latent_unchanged(batch_norm):
    graphs = [as_data(random_graph(n, seed=n)) for n in (40, 25)]
    encoder = GraphEncoder(SIZES, blocks=3, batch_norm=batch_norm).double().eval()
    one = encoder(doubled(Batch.from_data_list(graphs)))
    other = encoder(doubled(Batch.from_data_list([shuffled(graph) for graph in graphs])))
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


class _Edge(nn.Module):
    def __init__(self, mlp, residual):
        super().__init__()
        self.mlp, self.residual = mlp, residual

    def forward(self, src, dst, edge_attr, u, batch):
        out = self.mlp(torch.cat([src, dst, edge_attr], 1))
        return out + edge_attr if self.residual else out


class _Node(nn.Module):
    def __init__(self, mlp, residual):
        super().__init__()
        self.mlp, self.residual = mlp, residual

    def forward(self, x, edge_index, edge_attr, u, batch):
        to = edge_index[1]
        parts = [scatter(edge_attr, to, 0, len(x), how) for how in ("sum", "max", "mean")]
        out = self.mlp(torch.cat([x, *parts, u[batch]], 1))
        return out + x if self.residual else out


@pytest.mark.parametrize("kernel", ["fused", "reference"])
@pytest.mark.parametrize("blocks", [1, 3])
def test_numbers_equal_a_straightforward_metalayer_network(blocks, kernel):
    encoder = plain(hidden=16, blocks=blocks, kernel=kernel).double()
    batch = doubled(graph_batch([0, 1, 2, 3]))
    x, edge = batch.x, batch.edge_attr
    for number, block in enumerate(encoder.blocks):
        layer = MetaLayer(_Edge(block.edge_mlp, number > 0), _Node(block.node_mlp, number > 0))
        x, edge, _ = layer(x, batch.edge_index, edge, batch.u, batch.batch)
    pools = [pool(x, batch.batch) for pool in (global_add_pool, global_mean_pool, global_max_pool)]
    expected = torch.cat([*pools, batch.u], 1)
    torch.testing.assert_close(encoder(batch), expected, rtol=1e-10, atol=1e-10)


def test_graphs_without_edges_and_with_isolated_nodes_are_finite():
    lonely = Data(
        x=torch.rand(1, 4),
        edge_index=torch.zeros(2, 0, dtype=torch.long),
        edge_attr=torch.zeros(0, 3),
        u=torch.zeros(1, 1),
    )
    isolated = Data(
        x=torch.rand(3, 4),
        edge_index=torch.tensor([[0, 1], [1, 0]]),
        edge_attr=torch.rand(2, 3),
        u=torch.full((1, 1), 0.5),
    )
    encoder = GraphEncoder(SIZES)
    for graphs in ([lonely], [lonely, isolated]):
        batch = Batch.from_data_list(graphs)
        encoder.fit_inputs(batch)
        latent = encoder(batch)
        assert latent.shape == (len(graphs), encoder.width)
        assert torch.isfinite(latent).all()


def test_positions_alone_need_no_node_features():
    graphs = [as_data(random_graph(n, seed=n, features="positions")) for n in (20, 30)]
    batch = Batch.from_data_list(graphs)
    encoder = GraphEncoder({"node": 0, "edge": 3, "global": 1})
    encoder.fit_inputs(batch)
    assert torch.isfinite(encoder(batch)).all()


def test_fit_inputs_standardises_nodes_and_scales_sums_by_typical_counts():
    batch = graph_batch([0, 2, 3, 4])
    encoder = GraphEncoder(SIZES)
    encoder.fit_inputs(batch)
    nodes = encoder.node_input(batch.x)
    torch.testing.assert_close(nodes.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(nodes.std(0, correction=0), torch.ones(4))
    galaxies, degree = encoder.sum_scale.tolist()
    assert galaxies == pytest.approx(len(batch.x) / 4)
    assert degree == pytest.approx(batch.edge_index.shape[1] / len(batch.x))


def test_statistics_of_a_second_domain_do_not_touch_the_first():
    source, target = graph_batch([0, 2]), graph_batch([3, 4])
    source.domain, target.domain = 0, 1
    encoder = GraphEncoder(SIZES, domains=2)
    encoder.fit_inputs(source)
    before = encoder.node_input.mean[0].clone(), encoder.sum_scale.clone()
    encoder.fit_inputs(target)
    assert torch.equal(encoder.node_input.mean[0], before[0])
    assert torch.equal(encoder.sum_scale, before[1])
    torch.testing.assert_close(encoder.node_input.mean[1], target.x.mean(0))


def test_sum_scale_divides_the_pooled_sum():
    batch, encoder = graph_batch([0, 3]), plain(hidden=8, pooling=("sum", "mean"))
    whole = encoder(batch)
    encoder.sum_scale[0] = 10.0
    scaled = encoder(batch)
    torch.testing.assert_close(scaled[:, :8] * 10, whole[:, :8])
    assert torch.equal(scaled[:, 8:], whole[:, 8:])


def test_width_and_number_of_parameters_are_as_published():
    assert plain().width == 193
    weights = {2: 79_810, 4: 154_178}
    for blocks, published in weights.items():
        encoder = sum(p.numel() for p in plain(blocks=blocks).parameters())
        head = 193 * 64 + 64 + 2 * (64 * 64 + 64) + 64 * 2 + 2
        assert encoder + head == published


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        plain(blocks=0)
    with pytest.raises(ValueError, match="Did you mean 'mean'"):
        plain(pooling=("meen",))


@pytest.mark.parametrize("hidden", [64, 8])  # nodes narrower, and wider, than half of it
@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("x", lambda value: value[:, :1]),
        ("edge_attr", lambda value: value[:, :2]),
        ("edge_attr", lambda value: torch.cat([value, value[:, :1]], 1)),
        ("edge_attr", lambda value: torch.cat([value, value[:1]])),
        ("u", lambda value: value.repeat(1, 2)),
        ("edge_index", lambda value: None),
        ("batch", lambda value: None),
    ],
)
def test_what_the_encoder_was_not_made_for_is_refused_and_not_broadcast(hidden, name, changed):
    encoder, batch = GraphEncoder(SIZES, hidden=hidden), graph_batch([0, 2])
    encoder.fit_inputs(graph_batch([0, 2]))
    setattr(batch, name, changed(batch[name]))
    for use in (encoder, encoder.fit_inputs):
        with pytest.raises(UsageError, match=name):
            use(batch)


def test_a_domain_may_be_told_by_every_graph_if_they_agree():
    encoder = GraphEncoder(SIZES, domains=2)
    graphs = [as_data(random_graph(n, seed=n)) for n in (20, 30, 25)]
    for data in graphs:
        data.domain = 1
    collated, whole = (Batch.from_data_list(graphs) for _ in range(2))
    whole.domain = 1
    encoder.fit_inputs(collated)
    assert (encoder.node_input.mean[1] != 0).all() and (encoder.node_input.mean[0] == 0).all()
    encoder.eval()
    assert torch.equal(encoder(collated), encoder(whole))
    whole.domain = np.int64(1)
    assert torch.equal(encoder(collated), encoder(whole))
    for wrong in (torch.tensor([0, 1, 1]), -1, torch.tensor([-1, -1, -1]), [1, 1], "tng"):
        whole.domain = wrong
        with pytest.raises(UsageError, match="A batch is of one domain"):
            encoder(whole)


def test_statistics_do_not_remember_how_their_inputs_were_made():
    encoder, batch = GraphEncoder(SIZES), graph_batch([0, 2])
    batch.x = batch.x.requires_grad_()
    encoder.fit_inputs(batch)
    assert not encoder.node_input.mean.requires_grad
    for _ in range(2):
        encoder(batch).sum().backward()


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_checkpointing_activations_changes_no_gradient(use_reentrant):
    encoder, batch = plain(), graph_batch([0, 2])
    batch.x = batch.x.requires_grad_()

    def run(*, again: bool) -> list[torch.Tensor]:
        encoder.zero_grad()

        def encode(x: torch.Tensor) -> torch.Tensor:
            batch.x = x
            return encoder(batch)

        x = batch.x.detach().requires_grad_()
        latent = checkpoint(encode, x, use_reentrant=use_reentrant) if again else encode(x)
        latent.square().sum().backward()
        return [x.grad, *(weight.grad.clone() for weight in encoder.parameters())]

    for once, twice in zip(run(again=False), run(again=True), strict=True):
        torch.testing.assert_close(once, twice)


def test_perceptrons_that_a_block_would_not_call_are_refused():
    encoder, batch = plain(), graph_batch([0, 2])
    for name in ("edge_mlp", "node_mlp"):
        perceptron = getattr(encoder.blocks[1], name)
        perceptron[1] = nn.SiLU()
        with pytest.raises(UsageError, match="Linear, ReLU and Linear; it cannot use"):
            encoder(batch)
        perceptron[1] = nn.ReLU()
    encoder(batch)


def test_a_pooling_that_is_named_twice_counts_once():
    encoder = plain(pooling=("sum", "sum"), hidden=16)
    assert encoder(graph_batch([0, 2])).shape == (2, encoder.width) == (2, 17)
