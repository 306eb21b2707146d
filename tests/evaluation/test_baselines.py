"""Baselines recover simple relations, align moments, and never read a target label."""

from dataclasses import replace

import numpy as np
import pytest

from dagnn.errors import MissingDataError
from dagnn.evaluation.baselines import SummaryTable, summary_baselines
from dagnn.evaluation.measure import evaluate
from dagnn.tasks.prior import Prior
from dagnn.tasks.regression_metrics import REGRESSION_METRICS as METRICS
from dagnn.tasks.task import BASELINES

NAMES = ("Omega_m", "A_SN1")
PRIOR = {name: Prior.of(name) for name in NAMES}
SPLITS = {"train": slice(0, 300), "valid": slice(300, 380), "test": slice(380, 460)}


def suite(name, role, *, shift=0.0, stretch=1.0, seed=0, splits=SPLITS, noise=0.05):
    """A suite whose summaries follow the parameters, displaced by its own physics."""
    generator = np.random.default_rng(seed)
    unit = generator.random((460, 2))
    truth = np.stack([0.1 + 0.4 * unit[:, 0], 0.25 * 16 ** unit[:, 1]], 1)
    mixed = unit @ np.array([[1.0, 0.5, -1.0], [0.3, -1.0, 1.0]])
    x = stretch * (mixed + noise * generator.normal(size=mixed.shape)) + shift
    counts = np.round(10 ** (1 + 2 * unit[:, 0] + 0.1 * generator.normal(size=460)))
    return SummaryTable(
        name,
        role,
        {s: [f"LH_{row}" for row in range(460)[rows]] for s, rows in splits.items()},
        {s: truth[rows] for s, rows in splits.items()},
        {s: x[rows] for s, rows in splits.items()},
        {s: counts[rows] for s, rows in splits.items()},
    )


SUITES = (suite("tng", "source"), suite("simba", "target", shift=2.0, stretch=1.5, seed=1))


def r2(predictions, column=0):
    sample = (v[:, column] for v in (predictions.truth, predictions.mean, predictions.std))
    return float(METRICS["r2"](*sample, prior=PRIOR[NAMES[column]]))


def pick(found, model, suite_name, split="test"):
    return next(p for p in found if (p.model, p.suite, p.split) == (model, suite_name, split))


@pytest.fixture(scope="module")
def found():
    return summary_baselines(SUITES, NAMES, PRIOR)


def test_every_baseline_predicts_every_item(found):
    assert {p.model for p in found} == {"galaxy-count", "ridge", "ridge-aligned"} < set(BASELINES)
    assert len(found) == 3 * 2 * 3
    test = pick(found, "ridge", "simba")
    assert test.ids == tuple(SUITES[1].ids["test"])
    assert (test.role, test.parameters, test.latent.shape) == ("target", NAMES, (80, 0))
    np.testing.assert_array_equal(test.truth, SUITES[1].truth["test"])
    rows = evaluate([test], PRIOR, n_bootstrap=20)
    assert {row.model for row in rows} == {"prior-mean", "ridge"}


def test_relations_are_recovered_in_the_source(found):
    for column in range(2):
        assert r2(pick(found, "ridge", "tng"), column) > 0.95
    count = pick(found, "galaxy-count", "tng")
    assert r2(count) > 0.9
    assert r2(count, 1) < 0.1, "the number of galaxies knows nothing of this parameter"


def test_alignment_undoes_shift_and_stretch(found):
    assert r2(pick(found, "ridge", "simba")) < 0.3
    assert r2(pick(found, "ridge-aligned", "simba")) > 0.9
    for split in SPLITS:
        ours, theirs = (pick(found, model, "tng", split) for model in ("ridge", "ridge-aligned"))
        np.testing.assert_allclose(ours.mean, theirs.mean, err_msg="one source: the same fit")


def test_error_bars_are_those_of_validation(found):
    test = pick(found, "ridge", "tng")
    for column in range(2):
        z = (test.truth[:, column] - test.mean[:, column]) / test.std[:, column]
        assert 0.6 < np.mean(z**2) < 1.6
    assert np.ptp(test.std[:, 0]) == 0, "one number for a parameter with a flat prior"
    ratio = test.std[:, 1] / test.mean[:, 1]
    np.testing.assert_allclose(ratio, ratio[0], err_msg="a constant relative error where log")


def test_means_stay_within_the_prior(found):
    for each in found:
        assert ((each.mean[:, 0] >= 0.1) & (each.mean[:, 0] <= 0.5)).all()
        assert np.isfinite(each.std).all()
        assert (each.std > 0).all()


def test_no_label_of_a_target_is_read(found):
    blind = replace(
        SUITES[1], truth={s: np.full_like(t, np.nan) for s, t in SUITES[1].truth.items()}
    )
    for one, other in zip(found, summary_baselines([SUITES[0], blind], NAMES, PRIOR), strict=True):
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(one.std, other.std)


def test_target_test_items_do_not_move_the_alignment(found):
    x = {split: x.copy() for split, x in SUITES[1].x.items()}
    x["test"][1:] += 100
    moved = summary_baselines([SUITES[0], replace(SUITES[1], x=x)], NAMES, PRIOR)
    first = pick(found, "ridge-aligned", "simba").mean[0]
    np.testing.assert_array_equal(first, pick(moved, "ridge-aligned", "simba").mean[0])


def test_source_test_items_are_not_fitted(found):
    truth = {s: t.copy() for s, t in SUITES[0].truth.items()}
    truth["test"][:] = 0.3
    changed = summary_baselines([replace(SUITES[0], truth=truth), SUITES[1]], NAMES, PRIOR)
    for one, other in zip(found, changed, strict=True):
        np.testing.assert_array_equal(one.mean, other.mean)


def test_unseen_suites_are_standardised_by_all_their_items():
    unseen = suite("astrid", "other", shift=-3.0, seed=3, splits={"all": slice(0, 460)})
    predicted = summary_baselines([*SUITES, unseen], NAMES, PRIOR)
    assert r2(pick(predicted, "ridge-aligned", "astrid", "all")) > 0.9


def test_two_sources_are_pooled():
    second = suite("eagle", "source", shift=1.0, seed=4)
    predicted = summary_baselines([SUITES[0], second, SUITES[1]], NAMES, PRIOR)
    assert r2(pick(predicted, "ridge-aligned", "eagle")) > 0.95
    assert r2(pick(predicted, "ridge-aligned", "simba")) > 0.9


def test_without_counts_there_is_no_count_baseline():
    spectra = [replace(each, galaxies={}) for each in SUITES]
    assert {p.model for p in summary_baselines(spectra, NAMES, PRIOR)} == {"ridge", "ridge-aligned"}


def test_without_validation_items_the_error_is_cross_validated():
    short = {"train": SPLITS["train"], "test": SPLITS["test"]}
    predicted = summary_baselines([suite("tng", "source", splits=short)], NAMES, PRIOR)
    test = pick(predicted, "ridge", "tng")
    z = (test.truth[:, 0] - test.mean[:, 0]) / test.std[:, 0]
    assert 0.6 < np.mean(z**2) < 1.6


def test_a_source_is_needed():
    with pytest.raises(MissingDataError, match=r"none of the suites simba is a source"):
        summary_baselines(SUITES[1:], NAMES, PRIOR)


def test_units_of_the_prior_travel_back():
    generator = np.random.default_rng(0)
    for name in NAMES:
        prior = PRIOR[name]
        mean, std = prior.from_unit(np.array([0.4]), np.array([0.1]))
        unit = 0.4 + 0.1 * generator.normal(size=200_000)
        low, high = prior.low, prior.high
        values = low * (high / low) ** unit if prior.log else low + (high - low) * unit
        np.testing.assert_allclose(prior.to_unit(values), unit)
        assert mean[0] == pytest.approx(values.mean(), rel=3e-3)
        assert std[0] == pytest.approx(values.std(), rel=2e-2)


def test_real_spectra_reach_the_floor(shared):
    """Linear moments do most of what adaptation can do on real P(k), see BENCHMARKS.md."""
    tables = [
        _real(shared, *names)
        for names in (("tng", "IllustrisTNG", "source"), ("simba", "SIMBA", "target"))
    ]
    predicted = summary_baselines(tables, ["Omega_m"], PRIOR)
    assert r2(pick(predicted, "ridge", "simba")) < 0.45
    assert r2(pick(predicted, "ridge-aligned", "simba")) > 0.6


def _real(shared, name, long, role):
    camels = shared / "camels"
    spectra = np.log10(np.load(camels / f"Pk_galaxies_{long}_LH_33_kmax=20.0.npy"))
    table = camels / "params" / long / f"CosmoAstroSeed_{long}_L25n256_LH.txt"
    rows = [line.split() for line in table.read_text().splitlines() if "LH_" in line]
    truth = {row[0]: [float(row[1])] for row in rows}
    bins = np.stack([part.mean(1) for part in np.array_split(spectra, 20, axis=1)], 1)
    order = np.random.default_rng(0).permutation(1000)
    splits = {"train": order[:700], "valid": order[700:850], "test": order[850:]}
    ids = {s: [f"LH_{row}" for row in rows] for s, rows in splits.items()}
    return SummaryTable(
        name,
        role,
        ids,
        {s: np.array([truth[item] for item in items]) for s, items in ids.items()},
        {s: bins[rows] for s, rows in splits.items()},
    )
