"""Adaptive and neighbourhood clustering: by hand, by plain loops, and what a memory does."""

import math
from dataclasses import replace

import pytest
import torch
from latents import make_class_pair, samples

from dagnn.losses import AdaptiveClustering, CrossEntropy, Neighbourhood, Objective
from dagnn.losses.clustering import adaptive_clustering, alike
from dagnn.records import Logits, Output


def test_adaptive_clustering_agrees_with_plain_loops():
    scores, targets = torch.randn(7, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    total = 0.0
    for i in scores:
        for j in targets:
            agreement = float(i.softmax(0) @ j.softmax(0))
            same = (
                i.argsort(descending=True)[:2].tolist() == j.argsort(descending=True)[:2].tolist()
            )
            total -= math.log(agreement if same else 1 - agreement)
    assert float(adaptive_clustering(scores, targets, 2)) == pytest.approx(total / 35, rel=1e-5)


def test_ranks_must_agree_in_order():
    scores = torch.tensor([[3.0, 2.0, 1.0]])
    assert not alike(scores, torch.tensor([[2.0, 3.0, 1.0]]), 2).any()
    assert alike(scores, torch.tensor([[9.0, 8.0, 0.0]]), 3).all()


def test_confident_contradictions_have_finite_gradients():
    target = torch.zeros(4, 4)
    target[:2, 0], target[2:, 1] = 500.0, 500.0
    target.requires_grad_()
    for top in (1, 2):
        AdaptiveClustering(top)(make_class_pair(target, target)).backward()
        assert torch.isfinite(target.grad).all()


def test_half_of_the_classes_must_agree_unless_told_otherwise():
    pair = make_class_pair(*samples(0.5, 9, 7))  # three classes, so one
    torch.testing.assert_close(AdaptiveClustering()(pair), AdaptiveClustering(1)(pair))
    torch.testing.assert_close(AdaptiveClustering(99)(pair), AdaptiveClustering(3)(pair))
    with pytest.raises(ValueError, match="top=0"):
        AdaptiveClustering(0)
    assert repr(AdaptiveClustering()) == "AdaptiveClustering(top=half)"


def pair_at(target: torch.Tensor, index: list[int], scores: torch.Tensor | None = None):
    pair = make_class_pair(target, target)
    if scores is not None:
        pair = replace(pair, target=Output(target, Logits(scores)))
    return replace(pair, target_index=torch.tensor(index))


def test_neighbourhood_by_hand():
    term = Neighbourhood(items=4, width=2, temperature=0.5, prototypes=False)
    seen = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    assert float(term(pair_at(seen, [0, 1, 3], torch.zeros(3, 3)))) == 0  # nobody to be near to
    # Item 0 compares itself with items 1 and 3: cosines 0 and 1/√2, over 0.5.
    shares = torch.tensor([0.0, math.sqrt(2)]).softmax(0)
    expected = -(shares * shares.log()).sum()
    value = term(pair_at(torch.tensor([[5.0, 0.0]]), [0], torch.zeros(1, 3)))
    torch.testing.assert_close(value, expected)


def test_classes_are_places_as_well():
    term = Neighbourhood(items=4, width=2)
    scores = torch.tensor([[0.0, 0.0, math.log(2)]])
    value = term(pair_at(torch.tensor([[1.0, 0.0]]), [0], scores))
    assert float(value) == pytest.approx(0.25 * math.log(4) * 2 + 0.5 * math.log(2))


def test_the_memory_is_written_in_training_only_saved_and_never_trained():
    term = Neighbourhood(items=9, width=4)
    latent = samples(0.0, 3, 3)[1].requires_grad_()
    term.eval()(pair_at(latent, [1, 4, 7]))
    assert not term.seen.any()
    term.train()(pair_at(latent, [1, 4, 7])).backward()
    assert term.seen.nonzero().flatten().tolist() == [1, 4, 7]
    torch.testing.assert_close(term.memory[4], latent[1].detach() / latent[1].detach().norm())
    assert not term.memory.requires_grad
    assert not list(term.parameters())
    objective = Objective(CrossEntropy(), {"near": (term, 1.0, "constant")})
    other = Objective(CrossEntropy(), {"near": (Neighbourhood(items=9, width=4), 1.0, "constant")})
    other.load_state_dict(objective.state_dict())
    torch.testing.assert_close(other.terms["near"].memory, term.memory)
    assert other.terms["near"].seen.sum() == 3


def test_an_item_is_not_its_own_neighbour():
    term = Neighbourhood(items=2, width=2, prototypes=False)
    both = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    term(pair_at(both, [0, 1], torch.zeros(2, 3)))
    assert float(term(pair_at(both, [0, 1], torch.zeros(2, 3)))) == 0  # one neighbour each
    assert float(term.eval()(pair_at(both, [0, 1], torch.zeros(2, 3)))) >= 0


def test_an_item_drawn_twice_and_a_batch_without_index_in_evaluation_are_taken():
    term = Neighbourhood(items=5, width=4)
    latent = samples(0.0, 3, 3)[1]
    assert torch.isfinite(term(pair_at(latent, [2, 2, 0])))
    assert torch.isfinite(term.eval()(pair_at(latent, [])))


@pytest.mark.parametrize("options", [{"items": 0}, {"temperature": 0.0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError):
        Neighbourhood(**{"items": 3, "width": 4} | options)
