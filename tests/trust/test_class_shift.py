"""Label shift is noticed from predictions alone, and chance is not taken for it."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_classes import synthetic_classes

from dagnn.trust.class_shift import STRONG, class_shifts


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


def test_no_label_is_read():
    given = both((0.1, 0.3, 0.6))
    blind = [replace(p, truth=np.full(len(p.ids), -1)) for p in given]
    assert class_shifts(blind)[0].distance == class_shifts(given)[0].distance


def test_only_the_model_on_held_out_items_counts():
    given = both((0.1, 0.3, 0.6))
    assert not class_shifts([replace(p, model="source-only") for p in given])
    assert not class_shifts([given[0], replace(given[1], split="valid")])
