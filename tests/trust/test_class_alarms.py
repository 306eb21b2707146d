"""Label shift and novelty are noticed from predictions alone, and chance is not taken for them."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_classes import synthetic_classes

from dagnn.trust.alarms import STRONG, class_shifts, novelty_shifts


def both(shares, items=400, seed=1, **options):
    source = synthetic_classes("sdss", "source", items=400, skill=6.0)
    target = synthetic_classes(
        "decals", "target", items=items, skill=6.0, shares=shares, seed=seed, **options
    )
    return [source, target]


def test_other_proportions_raise_an_alarm_that_names_them():
    (shift,) = class_shifts(both((0.1, 0.3, 0.6)))
    assert shift.alarm and shift.distance == pytest.approx(0.4, abs=0.1)
    assert "merger" in shift.sentence() and "spiral" in shift.sentence()
    assert "sdss" in shift.sentence() and "decals" in shift.sentence()


def test_equal_proportions_raise_none_even_of_few_items():
    assert not class_shifts(both((0.5, 0.3, 0.2)))[0].alarm
    found = [class_shifts(both((0.5, 0.3, 0.2), items=12, seed=k))[0] for k in range(1, 21)]
    assert max(shift.distance for shift in found) > STRONG
    assert sum(shift.alarm for shift in found) <= 2


def test_no_label_is_read_for_proportions():
    given = both((0.1, 0.3, 0.6))
    blind = [replace(p, truth=np.full(len(p.ids), -1)) for p in given]
    assert class_shifts(blind)[0].distance == class_shifts(given)[0].distance


def test_only_proportions_of_the_model_on_held_out_items_count():
    given = both((0.1, 0.3, 0.6))
    assert not class_shifts([replace(p, model="source-only") for p in given])
    assert not class_shifts([given[0], replace(given[1], split="valid")])


def novel(source_share, target_share, items=100):
    """Predict a source and a target of which these shares have a novelty above 1."""
    found = []
    roles = ("sdss", "source", source_share), ("decals", "target", target_share)
    for suite, role, share in roles:
        given = synthetic_classes(suite, role, items=items)
        given.novelty[:] = np.where(np.arange(items) < round(share * items), 1.5, 0.5)
        found.append(given)
    return found


def test_many_more_than_in_the_source_are_told():
    (found,) = novelty_shifts(novel(0.05, 0.3))
    assert found.alarm
    assert (found.source_share, found.target_share) == pytest.approx((0.05, 0.3))
    assert "30% of the items of decals" in found.sentence() and "5% of those" in found.sentence()


def test_as_many_as_in_the_source_are_not():
    assert not novelty_shifts(novel(0.05, 0.12))[0].alarm
    assert not novelty_shifts(novel(0.3, 0.35))[0].alarm
    assert not novelty_shifts(novel(0.0, 0.2, items=5))[0].alarm, "one of five is chance"
    random = np.random.default_rng(0)
    alarms = []
    for _ in range(200):
        pair = novel(0, 0, items=30)
        for given in pair:
            given.novelty[:] = random.random(30) / 0.95
        alarms.append(novelty_shifts(pair)[0].alarm)
    assert np.mean(alarms) < 0.05


def test_no_label_is_read_and_only_the_model_on_held_out_items_counts():
    source, target = novel(0.05, 0.3)
    blind = [replace(p, truth=np.full(len(p.ids), -1)) for p in (source, target)]
    assert novelty_shifts(blind) == novelty_shifts([source, target])
    for other in ({"model": "source-only"}, {"split": "valid"}, {"novelty": None}):
        assert novelty_shifts([source, replace(target, **other)]) == []
        assert novelty_shifts([replace(source, **other), target]) == []
