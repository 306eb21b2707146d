"""Splits by group: everything that shares one truth stays in one part."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagnn.errors import MismatchError, UsageError
from dagnn.records import few_names

PARTS = ("train", "valid", "test")
IndexArray = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Item positions of the three parts of one dataset.

    Attributes:
        train: ``[n_train]`` positions.
        valid: ``[n_valid]`` positions.
        test: ``[n_test]`` positions.
    """

    train: IndexArray
    valid: IndexArray
    test: IndexArray

    def to_ids(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """Return each part as item names, plain values for a checkpoint.

        Args:
            ids: one name per item of the dataset.
        """
        return {part: [str(ids[row]) for row in getattr(self, part)] for part in PARTS}

    @classmethod
    def from_ids(cls, parts: Mapping[str, Sequence[str]], ids: Sequence[str]) -> "Split":
        """Find a stored split in a dataset whose items may stand in another order.

        The order within a part is the stored one, so that a resumed run draws
        the same items. Items that the split does not name belong to no part.

        Args:
            parts: item names by part, from :meth:`to_ids`.
            ids: one name per item of the dataset.

        Raises:
            MismatchError: names are missing from the dataset, or not unique in it.
        """
        repeated = [name for name, count in Counter(ids).items() if count > 1]
        if repeated:
            raise MismatchError(
                f"The dataset has {len(repeated)} item names more than once "
                f"({few_names(repeated)}), so a stored split cannot be found in it."
            )
        position = {str(name): row for row, name in enumerate(ids)}
        missing = [name for part in PARTS for name in parts[part] if name not in position]
        if missing:
            raise MismatchError(
                f"The stored split names {len(missing)} items that the dataset of {len(ids)} does "
                f"not have ({few_names(missing)}). Give the data that the run was trained on."
            )
        rows = {part: [position[name] for name in parts[part]] for part in PARTS}
        return cls(**{part: np.asarray(rows[part], dtype=np.int64) for part in PARTS})


def split_groups(
    groups: Sequence[str], fractions: Sequence[float] = (0.7, 0.15, 0.15), seed: int = 0
) -> Split:
    """Split items into training, validation and test parts without cutting a group.

    The groups are sorted before the seeded shuffle, so the order of the items
    does not matter: the same names and seed give the same parts.

    Args:
        groups: one group name per item; equal names share one truth.
        fractions: shares of the groups for the three parts; positive, summing to one.
        seed: of the shuffle.

    Returns:
        Positions of the items of each part, ascending.

    Raises:
        UsageError: the fractions are not three positive numbers that sum to one,
            or there are too few groups to fill every part.

    Example:
        >>> split_groups([str(n // 2) for n in range(20)], (0.6, 0.2, 0.2)).test
        array([ 2,  3, 16, 17])
    """
    names, membership = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    edges = np.cumsum(_counts(len(names), fractions))[:-1]
    train, valid, test = (
        np.flatnonzero(np.isin(membership, part)).astype(np.int64)
        for part in np.split(shuffled, edges)
    )
    return Split(train, valid, test)


def split_items(
    groups: Sequence[str],
    parts: Sequence[str] = (),
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 0,
) -> Split:
    """Split items where some of them are bound to a part, by their files or another suite.

    A bound item stays in its part. A group with a bound item goes there as a whole. Free
    groups are shuffled and fill the parts up to their shares. Where the bound items leave a
    part empty and nothing is free, groups of the training part fill it.

    Args:
        groups: one group name per item; equal names share one truth.
        parts: ``train``, ``valid``, ``test`` or nothing per item; none at all binds nothing.
        fractions: shares of the groups for the three parts.
        seed: of the shuffle.

    Raises:
        UsageError: the fractions are no shares, or a part stays empty.

    Example:
        >>> bound = ["test" if n < 2 else "" for n in range(20)]
        >>> split_items([str(n) for n in range(20)], bound, (0.8, 0.1, 0.1)).test
        array([0, 1])
    """
    if not any(parts):
        return split_groups(groups, fractions, seed)
    bound: dict[str, str] = {}
    for group, part in zip(groups, parts, strict=True):
        if part:
            bound.setdefault(group, part)
    free = sorted(set(groups) - bound.keys())
    if not free and set(bound.values()) < set(PARTS):
        free = sorted(group for group, part in bound.items() if part == "train")
        parts = ["" if part == "train" else part for part in parts]
        bound = {group: part for group, part in bound.items() if part != "train"}
    chosen = bound | _filled(free, bound, fractions, seed)
    final = np.array([part or chosen[g] for g, part in zip(groups, parts, strict=True)])
    rows = [np.flatnonzero(final == part).astype(np.int64) for part in PARTS]
    if not all(len(of_one) for of_one in rows):
        raise UsageError(
            f"{len(set(groups))} groups, {len(free)} of them free, cannot fill training, "
            "validation and test. Give more items or other fractions."
        )
    return Split(*rows)


def _filled(
    free: Sequence[str], bound: Mapping[str, str], fractions: Sequence[float], seed: int
) -> dict[str, str]:
    """Give free groups to the parts that lack most of their share."""
    if not free:
        return {}
    counts = _counts(len(free) + len(bound), fractions)
    held = Counter(bound.values())
    lack = np.array([max(c - held[part], 0) for c, part in zip(counts, PARTS, strict=True)])
    ends = np.round(np.cumsum(lack) / max(lack.sum(), 1) * len(free)).astype(int)
    shuffled = np.random.default_rng(seed).permutation(len(free))
    pieces = np.split(shuffled, ends[:-1])
    return {free[n]: part for part, piece in zip(PARTS, pieces, strict=True) for n in piece}


def _counts(groups: int, fractions: Sequence[float]) -> tuple[int, int, int]:
    """Return how many groups each part gets; rounding is left to the training part."""
    if (
        len(fractions) != 3
        or not all(0 < share < 1 for share in fractions)
        or not math.isclose(sum(fractions), 1, abs_tol=1e-6)
    ):
        raise UsageError(
            f"Split fractions must be three positive numbers (train, valid, test) that sum to "
            f"one, got {list(fractions)}."
        )
    valid, test = (round(share * groups) for share in fractions[1:])
    counts = (groups - valid - test, valid, test)
    if min(counts) < 1:
        sizes = ", ".join(f"{part} {count}" for part, count in zip(PARTS, counts, strict=True))
        raise UsageError(
            f"{groups} groups cannot be split as {list(fractions)}: that gives {sizes}, and every "
            f"part needs at least one. Give more simulations or other fractions."
        )
    return counts
