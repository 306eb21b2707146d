"""A narrow target's inputs are spread like the source items that span as much."""

import pytest
import torch

from dagnn.models import Ensemble, Network, SpectrumEncoder
from dagnn.models.heads import MomentsHead
from dagnn.models.normalize import RunningNorm
from dagnn.nn import Standardize
from dagnn.records import TensorBatch


def network(seed: int = 0) -> Network:
    """Build a small network with statistics of two suites."""
    torch.manual_seed(seed)
    encoder = SpectrumEncoder({"features": 3}, hidden=(8,), width=4, batch_norm=True, domains=2)
    return Network(encoder, MomentsHead(4, 1))


def batches() -> tuple[TensorBatch, TensorBatch, TensorBatch]:
    """Give the source, the part of it that the target spans, and the target."""
    x = torch.randn(400, 3, generator=torch.manual_seed(1))
    part = x[x[:, 0] > 0.5]
    y = torch.zeros(len(x), 1)
    return (
        TensorBatch(x, y, 0),
        TensorBatch(part, y[: len(part)], 0),
        TensorBatch(3 * part + 7, y[: len(part)], 1),
    )


@pytest.mark.parametrize("members", [1, 3])
def test_equal_physics_gives_equal_predictions(members):
    source, part, target = batches()
    made = network() if members == 1 else Ensemble([network(k) for k in range(members)])
    made.fit_inputs(source)
    made.fit_inputs(target)
    made.train()
    for _ in range(3):  # the norms learn the source's statistics
        made(source)
    made.eval()
    apart = made(target).prediction.mean - made(part).prediction.mean
    assert apart.abs().max() > 1e-2
    made.refer_inputs(1, part)
    assert torch.allclose(made(target).prediction.mean, made(part).prediction.mean, atol=1e-4)


def test_source_statistics_stay():
    source, part, target = batches()
    made = network()
    made.fit_inputs(source)
    made.fit_inputs(target)
    before = made.eval()(source).latent
    made.refer_inputs(1, part)
    assert torch.equal(made(source).latent, before)


def test_shared_rows_survive_a_checkpoint():
    norm = RunningNorm(4, domains=3)
    norm.share(2, 0)
    other = RunningNorm(4, domains=3)
    other.load_state_dict(norm.state_dict())
    assert other.rows == [0, 1, 0]


def test_refer_gives_mean_and_spread_of_the_values():
    layer = Standardize(2, domains=2)
    values = torch.randn(500, 2, generator=torch.manual_seed(2)) * 4 + 1
    layer.fit(values, 1)
    like = torch.randn(300, 2, generator=torch.manual_seed(3)) * 0.5 + 2
    layer.refer(1, like)
    out = layer(values, 1)
    assert torch.allclose(out.mean(0), like.mean(0), atol=1e-4)
    assert torch.allclose(out.std(0, correction=0), like.std(0, correction=0), atol=1e-4)
