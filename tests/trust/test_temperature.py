"""A temperature undoes what made probabilities dishonest, and reads source labels only."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_classes import synthetic_classes

from dagnn.tasks.classification_metrics import CLASS_METRICS
from dagnn.trust.temperature import Temperature, log_loss, softened


def test_the_fitted_temperature_is_that_of_the_distortion():
    for sharpness in (0.5, 1.0, 3.0):
        given = synthetic_classes(items=8000, sharpness=sharpness, split="valid")
        assert Temperature.fit([given]).value == pytest.approx(sharpness, rel=0.05)


def test_calibration_gets_better_and_no_decision_changes():
    valid = synthetic_classes(items=2000, sharpness=4.0, split="valid")
    test = synthetic_classes("decals", "target", items=2000, sharpness=4.0, seed=5)
    calmer = Temperature.fit([valid]).apply(test)
    np.testing.assert_array_equal(calmer.probability.argmax(1), test.probability.argmax(1))
    np.testing.assert_allclose(calmer.probability.sum(1), 1)
    before, after = (float(CLASS_METRICS["ece"](g.truth, g.probability)) for g in (test, calmer))
    assert after < before / 4
    assert log_loss(test.truth, calmer.probability) < log_loss(test.truth, test.probability)


def test_only_validation_items_of_a_source_are_read():
    for wrong in (
        synthetic_classes("decals", "target", split="valid"),
        synthetic_classes(split="test"),
    ):
        with pytest.raises(ValueError, match="validation items of a source only"):
            Temperature.fit([synthetic_classes(split="valid"), wrong])
    nothing = replace(synthetic_classes(split="valid"), truth=np.full(120, -1))
    with pytest.raises(ValueError, match="known class"):
        Temperature.fit([nothing])


def test_unlabelled_and_unknown_items_do_not_count():
    given = synthetic_classes(items=500, unknown=0, sharpness=2.0, split="valid")
    more = synthetic_classes(items=500, unknown=200, sharpness=2.0, split="valid")
    cut = replace(more, truth=np.where(more.truth == 3, -1, more.truth))
    assert Temperature.fit([more]).value == pytest.approx(Temperature.fit([cut]).value)
    assert Temperature.fit([given]).value > 1


def test_certainty_stays_finite():
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(softened(sure, 3.0)).all()
    assert np.isfinite(log_loss(np.array([1, 0]), sure))
