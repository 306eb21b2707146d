"""Streams and domains: what is drawn, how often, and exactly resumable."""

from dataclasses import dataclass

import pytest
import torch
from in_domain import InDomain
from torch import Tensor

from dagnn.data.streams import Domains, Stream
from dagnn.errors import CheckpointError, DataError


@dataclass
class Items:
    """A batch that remembers which rows it holds."""

    y: Tensor
    domain: int


class Rows(InDomain):
    """A dataset whose truth is the row number."""

    def __init__(self, count: int) -> None:
        self.ids = self.groups = [str(row) for row in range(count)]
        self.y = torch.arange(count)
        self.sizes = {}

    def __len__(self) -> int:
        return len(self.y)

    def to(self, where) -> "Rows":
        return self

    def batch(self, index: Tensor) -> Items:
        return Items(self.y[index], self.domain)


class Forbidden(Rows):
    def batch(self, index):
        raise AssertionError("this dataset must not be touched")


def drawn_rows(stream: Stream, batches: int) -> list[list[int]]:
    return [stream.draw()[0].y.tolist() for _ in range(batches)]


def test_every_item_comes_once_per_pass_and_nothing_is_dropped():
    stream = Stream(Rows(50), range(10, 20), batch_size=4)
    flat = [row for batch in drawn_rows(stream, 5) for row in batch]
    assert sorted(flat) == sorted(2 * list(range(10, 20)))


@pytest.mark.parametrize(("count", "batch_size"), [(10, 4), (7, 5), (5, 5), (9, 8), (11, 1)])
def test_batches_are_equally_large_and_hold_no_item_twice(count, batch_size):
    stream = Stream(Rows(count), range(count), batch_size)
    batches = drawn_rows(stream, 60)
    assert all(len(set(batch)) == len(batch) == batch_size for batch in batches)
    flat = torch.tensor(batches).flatten()
    appearances = torch.bincount(flat, minlength=count)
    assert appearances.max() - appearances.min() <= 1 + batch_size // count


def test_passes_are_different_permutations():
    passes = drawn_rows(Stream(Rows(30), range(30), batch_size=30), 3)
    assert sorted(passes[0]) == sorted(passes[1])
    assert passes[0] != passes[1] != passes[2]


def test_neighbours_in_time_do_not_stick_together_over_passes():
    stream = Stream(Rows(10), range(10), batch_size=4)
    straddling = [frozenset(batch) for batch in drawn_rows(stream, 250)[2::5]]
    assert len(set(straddling)) > 30


def test_a_part_smaller_than_the_batch_is_given_whole():
    stream = Stream(Rows(3), range(3), batch_size=8)
    assert [sorted(batch) for batch in drawn_rows(stream, 3)] == [[0, 1, 2]] * 3


def test_batches_carry_domain_and_positions():
    batch, positions = Stream(Rows(50).in_domain(3), [30, 40, 45], batch_size=2).draw()
    assert batch.domain == 3
    torch.testing.assert_close(torch.tensor([30, 40, 45])[positions], batch.y)


def test_same_seed_same_draws_other_seed_or_domain_other_draws():
    def rows(domain: int = 0, **options) -> list[list[int]]:
        return drawn_rows(Stream(Rows(30).in_domain(domain), range(30), 8, **options), 4)

    assert rows(seed=1) == rows(seed=1)
    assert rows(seed=1) != rows(seed=2)
    assert rows(seed=1, domain=0) != rows(seed=1, domain=1)


def test_draws_neither_use_nor_disturb_the_global_random_state():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    drawn_rows(Stream(Rows(30), range(30), 8), 10)
    torch.testing.assert_close(torch.rand(3), expected)


@pytest.mark.parametrize("before", range(8))
def test_a_restored_stream_draws_exactly_what_the_stored_one_would_have(before):
    stream = Stream(Rows(10), range(10), batch_size=4, seed=9)
    drawn_rows(stream, before)
    state = stream.state_dict()
    expected = drawn_rows(stream, 12)
    other = Stream(Rows(10), range(10), batch_size=4, seed=1)
    other.load_state_dict(state)
    assert drawn_rows(other, 12) == expected


def test_default_steps_are_one_pass_over_the_longest_source():
    sources = [Stream(Rows(10), range(10), 4), Stream(Rows(30), range(25), 4)]
    assert Domains(sources, [Stream(Rows(99), range(99), 4)]).steps == 7
    assert Domains(sources, steps=3).steps == 3


def test_several_domains_are_drawn_side_by_side():
    domains = Domains(
        [Stream(Rows(8).in_domain(0), range(8), 4), Stream(Rows(8).in_domain(1), range(8), 2)],
        [Stream(Rows(5).in_domain(2), range(5), 3), Stream(Rows(6).in_domain(3), range(6), 3)],
    )
    for _ in range(10):
        draw = domains.draw()
        assert [batch.domain for batch in draw.sources] == [0, 1]
        assert [len(batch.y) for batch in draw.sources] == [4, 2]
        rows = torch.cat(
            [batch.y + offset for batch, offset in zip(draw.targets, (0, 5), strict=True)]
        )
        torch.testing.assert_close(draw.target_index, rows)


def test_without_targets_their_datasets_are_not_touched_and_sources_do_not_notice():
    def domains() -> Domains:
        return Domains([Stream(Rows(8), range(8), 3)], [Stream(Rows(9).in_domain(1), range(9), 3)])

    with_targets, without = domains(), domains()
    without.targets[0].dataset = Forbidden(9)
    for _ in range(6):
        first, second = with_targets.draw(), without.draw(targets=False)
        torch.testing.assert_close(first.sources[0].y, second.sources[0].y)
        assert second.targets == []
        assert len(second.target_index) == 0


def test_restored_domains_continue_exactly():
    def domains(seed: int) -> Domains:
        return Domains(
            [Stream(Rows(8).in_domain(0), range(8), 3, seed=seed)],
            [Stream(Rows(9).in_domain(1), range(9), 4, seed=seed)],
        )

    first, second = domains(1), domains(2)
    for _ in range(5):
        first.draw()
    second.load_state_dict(first.state_dict())
    for _ in range(5):
        one, two = first.draw(), second.draw()
        torch.testing.assert_close(one.sources[0].y, two.sources[0].y)
        torch.testing.assert_close(one.target_index, two.target_index)


def test_the_state_of_another_experiment_is_refused():
    domains = Domains([Stream(Rows(8), range(8), 3)])
    with pytest.raises(CheckpointError, match="1 sources, now there are 2"):
        Domains(2 * [Stream(Rows(8), range(8), 3)]).load_state_dict(domains.state_dict())
    with pytest.raises(CheckpointError, match=r"batches of 3 from 8 items.*now they are 3 of 7"):
        Domains([Stream(Rows(8), range(7), 3)]).load_state_dict(domains.state_dict())


def test_impossible_streams_are_refused():
    with pytest.raises(DataError, match="Domain 2 has no items"):
        Stream(Rows(8).in_domain(2), [], 3)
    with pytest.raises(ValueError, match="batch_size=0"):
        Stream(Rows(8), range(8), 0)
    with pytest.raises(ValueError, match="at least one labelled source"):
        Domains([])
    with pytest.raises(ValueError, match="steps=0"):
        Domains([Stream(Rows(8), range(8), 3)], steps=0)


def test_repr_tells_what_is_drawn():
    domains = Domains([Stream(Rows(8), range(8), 3)])
    expected = "Domains(sources=[Stream(domain=0, items=8, batch_size=3)], targets=[], steps=3)"
    assert repr(domains) == expected
