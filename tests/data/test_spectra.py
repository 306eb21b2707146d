"""Spectra: files found by name, rebinned, joined with the truth by simulation name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from loaded_spectra import load_spectra, read_spectra

from dagnn.catalogs.suites import find_suite
from dagnn.data.power import find_power, log_bins, read_power, rebin
from dagnn.data.spectra import Spectra
from dagnn.errors import (
    ConfigError,
    DataError,
    MismatchError,
    MissingDataError,
    TableError,
    TruncatedFileError,
    UsageError,
)
from dagnn.parameters import Scaling
from dagnn.records import Batch

K = 0.25 * np.arange(1, 13)
NOW, BEFORE = "Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy", "Pk_galaxies_SIMBA_LH_18_kmax=20.0.npy"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six boxes at two redshifts; the table lists them in another order."""
    rng = np.random.default_rng(0)
    for name in (NOW, BEFORE):
        np.save(tmp_path / name, rng.lognormal(size=(6, len(K))).astype(np.float32))
    np.savetxt(tmp_path / "k_values.txt", K)
    rows = [f"LH_{i} {0.1 + i / 20:.2f} 0.8 1 1 1 1 50{i}" for i in (3, 0, 5, 1, 4, 2)]
    header = "#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed"
    (tmp_path / "CosmoAstroSeed_SIMBA_L25n256_LH.txt").write_text("\n".join([header, *rows]))
    return tmp_path


def test_truth_is_joined_by_name_and_power_by_number(data):
    spectra = load_spectra("simba", data, bins=None).dataset
    power = np.load(data / NOW)
    for i, name in enumerate(spectra.ids):
        number = int(name[3:])
        assert spectra.y[i, 0].item() == pytest.approx(0.1 + number / 20)
        np.testing.assert_allclose(spectra.x[i], np.log10(power[number]), rtol=1e-5)
    assert spectra.sizes == {"features": len(K)}


def test_several_redshifts_stand_side_by_side(data):
    both = load_spectra("simba", data, redshifts=(0.0, 1.05), bins=4).dataset
    now, before = (load_spectra("simba", data, redshifts=(z,), bins=4).dataset for z in (0.0, 1.05))
    assert torch.equal(both.x, torch.cat([now.x, before.x], 1))


def test_batch_has_scaled_truth_and_carries_its_domain(data):
    spectra = load_spectra("simba", data, parameters=("Omega_m", "sigma_8"), bins=5).dataset
    batch = spectra.in_domain(1).batch(torch.tensor([2, 0]))
    assert isinstance(batch, Batch)
    assert batch.domain == 1
    assert torch.equal(batch.x, spectra.x[[2, 0]])
    expected = (spectra.y[[2, 0]] - torch.tensor([0.1, 0.6])) / 0.4
    torch.testing.assert_close(batch.y.double(), expected, rtol=1e-6, atol=1e-6)
    assert repr(spectra) == "Spectra(6 spectra of 5 features; Omega_m, sigma_8)"


def test_limit_takes_the_first_simulations_of_the_table(data):
    loaded = load_spectra("simba", data, bins=4, limit=2)
    assert loaded.dataset.ids == ("LH_0", "LH_1")
    told = str(loaded.coverage)
    assert told == "6 spectra found, 2 used; left out: 4 (beyond the limit: LH_2, LH_3, LH_4, ...)"


def test_labels_far_outside_the_prior_are_refused(data):
    table = data / "CosmoAstroSeed_SIMBA_L25n256_LH.txt"
    content = table.read_text()
    table.write_text(content.replace("LH_3 0.25", "LH_3 3.09"))
    with pytest.raises(TableError, match=r"LH\.txt, column Omega_m: 1 of 6.*LH_3 3\.09") as raised:
        load_spectra("simba", data, bins=4)
    assert raised.value.exit_code == 3
    with pytest.raises(TableError, match=r"LH_3 3\.09"):
        load_spectra("simba", data, bins=4, labelled=False)
    assert len(load_spectra("simba", data, parameters=["sigma_8"], bins=4).dataset) == 6
    table.write_text(content.replace("LH_3 0.25", "LH_3 0.52"))
    (note,) = load_spectra("simba", data, bins=4).notes
    assert "outside the prior of Omega_m, 0.1 to 0.5: LH_3 0.52" in note


def test_more_rows_than_the_table_lists_is_a_note(data):
    table = data / "CosmoAstroSeed_SIMBA_L25n256_LH.txt"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]))
    (note,) = load_spectra("simba", data, bins=4).notes
    assert "has 6 rows" in note and "lists 5 LH simulations" in note


def test_set_without_numbered_simulations_is_refused(data):
    table = data / "CosmoAstroSeed_SIMBA_L25n256_1P.txt"
    table.write_text("#Name Omega_m seed\n1P_p1_n2 0.1 1\n1P_p1_n1 0.2 1\n")
    with pytest.raises(MissingDataError, match="begins with 1P_p1_n2"):
        load_spectra("simba", data, set="1P")


def test_unusable_spectra_are_left_out_and_named(data):
    power = np.load(data / NOW)
    power[1, 3], power[4, 0] = np.nan, 0.0
    np.save(data / NOW, power)
    loaded = load_spectra("simba", data, redshifts=(1.05, 0.0), bins=4)
    assert loaded.dataset.ids == ("LH_0", "LH_2", "LH_3", "LH_5")
    assert loaded.coverage is not None
    assert loaded.coverage.left_out["power not positive and finite"] == ("LH_1", "LH_4")
    assert loaded.notes[0] == "left out LH_1: power not positive and finite"
    np.save(data / NOW, power * np.nan)
    with pytest.raises(DataError, match="no spectrum is positive and finite"):
        load_spectra("simba", data, bins=4)


def test_missing_file_says_what_was_looked_for_and_what_is_there(data):
    (data / NOW).unlink()
    with pytest.raises(MissingDataError, match=rf"SIMBA_LH_33_kmax.*{BEFORE}"):
        load_spectra("simba", data)


def test_file_with_fewer_rows_than_the_table_is_refused(data):
    np.save(data / NOW, np.load(data / NOW)[:4])
    with pytest.raises(MismatchError, match=r"has 4 rows.*up to number 5"):
        load_spectra("simba", data)
    assert len(load_spectra("simba", data, bins=4, limit=4).dataset) == 4


def test_truncated_and_foreign_files_are_told_apart(data):
    content = (data / NOW).read_bytes()
    (data / NOW).write_bytes(content[:-40])
    with pytest.raises(TruncatedFileError, match="Download it again"):
        read_power(data / NOW)
    (data / NOW).write_bytes(content[:30])
    with pytest.raises(TruncatedFileError):
        read_power(data / NOW)
    (data / NOW).write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DataError, match="not a numpy array"):
        read_power(data / NOW)
    np.save(data / NOW, np.array(["a", "b"]))
    with pytest.raises(DataError, match="expected numbers"):
        read_power(data / NOW)
    with pytest.raises(MissingDataError):
        read_power(data / "nothing.npy")


def test_wavenumbers_are_needed_only_for_rebinning(data):
    (data / "k_values.txt").unlink()
    assert load_spectra("simba", data, bins=None).dataset.x.shape == (6, len(K))
    with pytest.raises(MissingDataError, match=r"k_values\.txt is absent"):
        load_spectra("simba", data, bins=4)


def test_wavenumbers_that_do_not_match_are_refused(data):
    np.savetxt(data / "k_values.txt", K[:-1])
    with pytest.raises(MismatchError, match=r"12 columns.*11 wavenumbers"):
        load_spectra("simba", data, bins=4)
    np.savetxt(data / "k_values.txt", K[::-1])
    with pytest.raises(DataError, match="increasing"):
        load_spectra("simba", data, bins=4)


def test_rebinning_averages_the_logarithm():
    log_power = np.arange(16.0).reshape(2, 8)
    k = np.arange(1.0, 9.0)
    which = log_bins(k, 4)
    expected = [[row[which == b].mean() for b in range(4)] for row in log_power]
    np.testing.assert_allclose(rebin(log_power, k, 4), expected)


@pytest.mark.parametrize("bins", [1, 2, 5, 20, 50, 78, 79])
def test_bins_are_filled_contiguous_and_wider_at_high_wavenumber(bins):
    which = log_bins(0.25 * np.arange(1, 80) + 0.1, bins)
    counts = np.bincount(which)
    assert len(counts) == bins
    assert counts.min() > 0
    assert (np.diff(which) >= 0).all()
    assert counts[-1] >= counts[0]


@pytest.mark.parametrize("bins", [0, 80])
def test_impossible_number_of_bins_is_refused(bins):
    with pytest.raises(ConfigError, match="between 1 and 79"):
        log_bins(np.arange(1.0, 80.0), bins)


def test_loose_files_have_unknown_truth(data):
    renamed = shutil.copy(data / BEFORE, data / "mine.npy")
    spectra = read_spectra([data / NOW, renamed], bins=4).dataset
    assert len(spectra) == 12
    assert spectra.ids[7] == "mine[1]"
    assert spectra.y.isnan().all()
    assert len(set(spectra.groups)) == 12
    joint = read_spectra([data / NOW, data / BEFORE], bins=4, redshifts=(0.0, 1.05))
    assert joint.dataset.x.shape == (6, 8)
    with pytest.raises(UsageError, match="2 files, one per redshift; got 1"):
        read_spectra([data / NOW], redshifts=(0.0, 1.05))


def test_one_dimensional_file_is_one_spectrum(data):
    np.save(data / "mine.npy", np.ones(len(K)))
    assert read_spectra([data / "mine.npy"], bins=None).dataset.x.tolist() == [[0.0] * len(K)]
    np.save(data / "mine.npy", -np.ones(len(K)))
    with pytest.raises(DataError, match=r"rows \[0\]"):
        read_spectra([data / "mine.npy"], bins=None)


def test_empty_dataset_is_refused():
    with pytest.raises(DataError, match="no spectrum"):
        Spectra(np.zeros((0, 3)), [], np.zeros((0, 1)), Scaling.of(["Omega_m"]))


@pytest.mark.parametrize("suite", ["tng", "simba"])
def test_real_measurements_load_with_their_parameters(shared, suite):
    loaded = load_spectra(suite, shared / "camels", redshifts=(0.0, 1.05))
    spectra = loaded.dataset
    assert len(spectra) == 1000
    assert spectra.sizes == {"features": 40}
    assert loaded.coverage is not None and loaded.coverage.used == 1000
    assert 0.1 <= spectra.y.min() < 0.101
    # Clustering of galaxies follows the matter density;
    # a join of the wrong rows would show no correlation at all.
    mean = spectra.x[:, 10:20].mean(1).double()
    assert abs(torch.corrcoef(torch.stack([mean, spectra.y[:, 0]]))[0, 1]) > 0.3


def test_find_power_accepts_the_folder_of_cosmographnet(tmp_path):
    folder = tmp_path / "PS_files"
    folder.mkdir()
    (folder / NOW).touch()
    assert find_power(tmp_path, find_suite("simba"), 0.0, "LH") == (folder / NOW, 0.0)


def test_a_number_that_means_another_redshift_today_is_not_taken_for_it(data):
    """033 is z = 0 in these files, and would be z = 2.9 in the current numbering."""
    with pytest.raises(MissingDataError, match=r"z=2\.9"):
        load_spectra("simba", data, redshifts=(2.9,))


def test_a_redshift_between_the_old_snapshots_takes_the_nearest_and_says_so(data):
    exact = load_spectra("simba", data, redshifts=(1.05,), bins=4)
    near = load_spectra("simba", data, redshifts=(1.0,), bins=4)
    assert torch.equal(exact.dataset.x, near.dataset.x)
    assert not exact.notes
    assert "z=1.0" in near.notes[0]


def test_linear_bins_hold_equally_many_wavenumbers(data):
    linear = load_spectra("simba", data, bins=4, spacing="linear").dataset
    log = load_spectra("simba", data, bins=4, spacing="log").dataset
    assert linear.x.shape == log.x.shape
    assert not torch.equal(linear.x, log.x)


def test_an_unlabelled_suite_needs_no_table(data):
    for table in data.glob("CosmoAstroSeed*"):
        table.unlink()
    spectra = load_spectra("simba", data, bins=4, labelled=False).dataset
    assert len(spectra) == len(np.load(data / NOW))
    assert torch.isnan(spectra.y).all()
    with pytest.raises(MissingDataError):
        load_spectra("simba", data, bins=4)
