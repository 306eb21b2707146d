"""Items unlike what was taught are noticed without labels, and chance is not taken for them."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_classes import synthetic_classes

from dagnn.trust.unfamiliar import unfamiliar


def both(source_share, target_share, items=100):
    """Predict a source and a target of which these shares have a novelty above 1."""
    found = []
    roles = ("sdss", "source", source_share), ("decals", "target", target_share)
    for suite, role, share in roles:
        given = synthetic_classes(suite, role, items=items)
        given.novelty[:] = np.where(np.arange(items) < round(share * items), 1.5, 0.5)
        found.append(given)
    return found


def test_many_more_than_in_the_source_are_told():
    (found,) = unfamiliar(both(0.05, 0.3))
    assert found.alarm
    assert (found.source_share, found.target_share) == pytest.approx((0.05, 0.3))
    assert "30% of the items of decals" in found.sentence() and "5% of those" in found.sentence()


def test_as_many_as_in_the_source_are_not():
    assert not unfamiliar(both(0.05, 0.12))[0].alarm
    assert not unfamiliar(both(0.3, 0.35))[0].alarm
    assert not unfamiliar(both(0.0, 0.2, items=5))[0].alarm, "one of five is chance"
    random = np.random.default_rng(0)
    alarms = []
    for _ in range(200):
        pair = both(0, 0, items=30)
        for given in pair:
            given.novelty[:] = random.random(30) / 0.95
        alarms.append(unfamiliar(pair)[0].alarm)
    assert np.mean(alarms) < 0.05


def test_no_label_is_read_and_only_the_model_on_held_out_items_counts():
    source, target = both(0.05, 0.3)
    blind = [replace(p, truth=np.full(len(p.ids), -1)) for p in (source, target)]
    assert unfamiliar(blind) == unfamiliar([source, target])
    for other in ({"model": "source-only"}, {"split": "valid"}, {"novelty": None}):
        assert unfamiliar([source, replace(target, **other)]) == []
        assert unfamiliar([replace(source, **other), target]) == []
