"""Splits: by group, seeded, independent of the order of items."""

import numpy as np
import pytest

from dagnn.data.splits import PARTS, Split, split_groups, split_items
from dagnn.errors import MismatchError, UsageError

GROUPS = [f"LH_{n // 3}" for n in range(300)]


def parts_as_names(split: Split, names) -> dict[str, set[str]]:
    return {part: set(chosen) for part, chosen in split.to_ids(names).items()}


def test_parts_cover_every_item_once_and_never_cut_a_group():
    split = split_groups(GROUPS)
    together = np.concatenate([split.train, split.valid, split.test])
    assert sorted(together) == list(range(300))
    train, valid, test = parts_as_names(split, GROUPS).values()
    assert not train & valid
    assert not train & test
    assert not valid & test
    assert [len(part) for part in (train, valid, test)] == [70, 15, 15]


def test_order_of_items_does_not_matter():
    shuffled = list(np.random.default_rng(5).permutation(GROUPS))
    first, second = split_groups(GROUPS, seed=3), split_groups(shuffled, seed=3)
    assert parts_as_names(first, GROUPS) == parts_as_names(second, shuffled)


def test_seeds_give_different_splits_and_one_seed_the_same():
    assert parts_as_names(split_groups(GROUPS, seed=1), GROUPS) != parts_as_names(
        split_groups(GROUPS, seed=2), GROUPS
    )
    np.testing.assert_array_equal(
        split_groups(GROUPS, seed=1).test, split_groups(GROUPS, seed=1).test
    )


def test_published_sizes_on_a_thousand_boxes():
    split = split_groups([f"LH_{n}" for n in range(1000)])
    assert [len(part) for part in (split.train, split.valid, split.test)] == [700, 150, 150]


@pytest.mark.parametrize("groups", [["a"], ["a", "b"], ["a"] * 50])
def test_an_empty_part_is_an_error_that_counts(groups):
    with pytest.raises(UsageError, match=r"groups cannot be split.*valid 0"):
        split_groups(groups)


@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.7, 0.2, 0.2), (1.2, -0.1, -0.1), (1, 0, 0)])
def test_fractions_that_cannot_be_meant(fractions):
    with pytest.raises(UsageError, match="sum to one"):
        split_groups(GROUPS, fractions)


def test_ids_find_the_same_items_in_the_same_order_in_a_reordered_dataset():
    ids = [f"box{n}" for n in range(40)]
    split = split_groups(ids, seed=4)
    stored = split.to_ids(ids)
    reordered = [*ids[::-1], "a new box"]
    found = Split.from_ids(stored, reordered)
    assert found.to_ids(reordered) == stored
    assert found.train.dtype == np.int64


def test_missing_and_repeated_ids_are_named():
    ids = [f"box{n}" for n in range(40)]
    stored = split_groups(ids).to_ids(ids)
    with pytest.raises(MismatchError, match=r"1 items.*box7"):
        Split.from_ids(stored, [name for name in ids if name != "box7"])
    with pytest.raises(MismatchError, match="more than once"):
        Split.from_ids(stored, [*ids, "box3"])


def test_bound_items_stay_and_free_groups_fill_the_shares():
    groups = [str(n // 2) for n in range(200)]
    bound = ["test" if n < 20 else "train" if n < 30 else "" for n in range(200)]
    split = split_items(groups, bound, (0.6, 0.2, 0.2), seed=3)
    assert set(range(20)) <= set(split.test.tolist())
    assert set(range(20, 30)) <= set(split.train.tolist())
    assert [len(p) for p in (split.train, split.valid, split.test)] == [120, 40, 40]
    parts = {n: p for p in PARTS for n in getattr(split, p).tolist()}
    assert all(parts[n] == parts[n + 1] for n in range(0, 200, 2))
    again = split_items(groups, bound, (0.6, 0.2, 0.2), seed=3)
    assert again.train.tolist() == split.train.tolist()


def test_nothing_bound_is_the_ordinary_split():
    groups = [str(n) for n in range(50)]
    for parts in ((), [""] * 50):
        split, plain = split_items(groups, parts, seed=5), split_groups(groups, seed=5)
        assert split.test.tolist() == plain.test.tolist()


def test_missing_validation_is_taken_from_training_and_test_is_left_alone():
    bound = ["train"] * 80 + ["test"] * 20
    split = split_items([str(n) for n in range(100)], bound, (0.7, 0.1, 0.2))
    assert split.test.tolist() == list(range(80, 100))
    assert (len(split.train), len(split.valid)) == (70, 10)


def test_group_with_a_bound_item_follows_it():
    split = split_items(["a", "a", *"bcdefghij"], ["test", *[""] * 10], (0.6, 0.2, 0.2))
    assert {0, 1} <= set(split.test.tolist())


def test_parts_that_cannot_be_filled_are_refused():
    with pytest.raises(UsageError, match="cannot fill"):
        split_items(list("abcdefghij"), ["test"] * 10, (0.6, 0.2, 0.2))
