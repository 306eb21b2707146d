"""Domain terms look at the source through a window of labels; the task sees all of it."""

from dataclasses import replace

import pytest
import torch
from latents import make_pair

from dagnn.losses import MMD, GaussianNLL, MomentAlignment, Objective, PerMember
from dagnn.losses.objective import FEWEST, Window
from dagnn.records import Moments, Output


def pair_of(labels: list[float]):
    """Pair source items of given truth with a few targets."""
    source = torch.tensor([[value, 1.0] for value in labels], requires_grad=True)
    return make_pair(source, torch.randn(6, 2, generator=torch.manual_seed(0)))


def test_keeps_what_lies_within():
    seen = Window([0.4], [0.8])(pair_of([0.1, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95]))
    assert sorted(seen.labels.flatten().tolist()) == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8])
    assert torch.equal(seen.source.latent[:, :1], seen.labels)
    assert torch.equal(seen.source.prediction.mean, seen.labels)
    assert len(seen.source_domain) == len(seen.labels) == 5


def test_keeps_the_nearest_where_nothing_lies_within():
    seen = Window([0.8], [0.9])(pair_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert len(seen.labels) == FEWEST
    assert seen.labels.min() == pytest.approx(0.3)


def test_the_task_sees_every_item_and_terms_only_those_within():
    terms = {"moments": (MomentAlignment(), 1.0, "constant")}
    pair = pair_of([0.1, 0.5, 0.6, 0.7, 0.8, 0.2])
    whole, narrow = Objective(GaussianNLL(), terms), Objective(GaussianNLL(), terms)
    narrow.look_through(Window([0.5], [0.8]))
    assert torch.equal(whole(pair).task, narrow(pair).task)
    inside = Objective(GaussianNLL(), terms)(pair_of([0.5, 0.6, 0.7, 0.8]))
    assert torch.allclose(narrow(pair).domain["moments"], inside.domain["moments"])
    assert not torch.allclose(narrow(pair).domain["moments"], whole(pair).domain["moments"])


def test_every_member_looks_through_the_window():
    def objective() -> Objective:
        made = Objective(GaussianNLL(), {"mmd": (MMD(), 1.0, "constant")})
        made.look_through(Window([0.5], [0.8]))
        return made

    pair = pair_of([0.1, 0.5, 0.6, 0.7, 0.8, 0.2])
    pairs = [pair, replace(pair, source=times(pair.source, 2), target=times(pair.target, 3))]
    both = replace(
        pair,
        source=stacked([each.source for each in pairs]),
        target=stacked([each.target for each in pairs]),
    )
    made = PerMember([objective(), objective()])
    made.look_through(Window([0.5], [0.8]))
    alone = torch.stack([objective()(each).domain["mmd"] for each in pairs])
    assert torch.allclose(made(both).domain["mmd"], alone.mean(), atol=1e-6)


def times(output: Output, factor: float) -> Output:
    """Scale a latent."""
    return Output(factor * output.latent, output.prediction)


def stacked(outputs: list[Output]) -> Output:
    """Give outputs of several members as one with a member axis."""
    columns = zip(*(output.prediction for output in outputs), strict=True)
    return Output(
        torch.stack([output.latent for output in outputs]), Moments(*map(torch.stack, columns))
    )


def test_narrow_targets_beside_a_wide_one_are_left_out():
    pair = pair_of([0.1, 0.5, 0.9, 0.4])
    pair = replace(pair, target_domain=torch.tensor([1, 2, 1, 2, 2, 1]))
    seen = Window([0.0], [1.0], without=[2])(pair)
    assert len(seen.labels) == 4
    assert seen.target_domain.tolist() == [1, 1, 1]
    assert torch.equal(seen.target.latent, pair.target.latent[[0, 2, 5]])
    assert seen.target_index.tolist() == [0, 2, 5]


def test_validation_items_have_no_number():
    pair = replace(pair_of([0.1, 0.5, 0.9]), target_index=torch.zeros(0, dtype=torch.int64))
    assert len(Window([0.0], [1.0])(pair).target.latent) == 6
