"""Spectra are at the wavenumbers that the network was trained on, or refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from loaded_spectra import load_spectra, read_spectra
from tiny_spectra import load, write_suites

from dagnn import run
from dagnn.errors import DataError, MismatchError
from dagnn.training import load_checkpoint

NAME = "Pk_galaxies_{}_LH_33_kmax={}.npy"
K = np.arange(1.0, 9.0)
QUICK = ["calibration.surrogate=none", "training.epochs=1", "model.members=1", "data.limit=60"]


@pytest.fixture(scope="module")
def spectra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suites(tmp_path_factory.mktemp("spectra"))


@pytest.fixture(scope="module")
def trained(spectra: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.train(load(spectra, *QUICK), out=tmp_path_factory.mktemp("run") / "run").folder


def elsewhere(spectra: Path, folder: Path, k: np.ndarray | None) -> Path:
    """Copy the data, at other wavenumbers or without any."""
    copied = Path(shutil.copytree(spectra, folder / "data"))
    (copied / "k_values.txt").unlink()
    if k is not None:
        np.savetxt(copied / "k_values.txt", k, fmt="%.6g")
    return copied


def test_the_checkpoint_keeps_the_wavenumbers_and_the_bins(trained: Path) -> None:
    stored = load_checkpoint(trained / "checkpoints" / "best.pt").meta["inputs"]
    assert stored["grid"] == {"redshift 1": K.tolist()}
    assert stored["kmax"] == {"redshift 1": 20.0}
    assert stored["settings"] == {"bins": 4, "spacing": "linear"}
    assert stored["files"]["redshift 1"].endswith(NAME.format("IllustrisTNG", "20.0"))


@pytest.mark.parametrize("factor", [0.5, 0.6711, 1e-3, 1.05], ids=str)
def test_new_files_at_other_wavenumbers_are_refused(
    factor: float, trained: Path, spectra: Path, tmp_path: Path
) -> None:
    data = elsewhere(spectra, tmp_path, factor * K)
    with pytest.raises(
        MismatchError, match=r"8 wavenumbers .* the run .*: 8 wavenumbers"
    ) as caught:
        run.predict(trained, [data / NAME.format("SIMBA", "20.0")])
    assert f"from {factor:g} to {8 * factor:.4g} h/Mpc" in str(caught.value)
    assert "from 1 to 8 h/Mpc" in str(caught.value) and str(data) in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("k", [K * 1.0004, K + 0.04], ids=["factor", "rounding"])
def test_rounded_wavenumbers_are_the_same(
    k: np.ndarray, trained: Path, spectra: Path, tmp_path: Path
) -> None:
    data = elsewhere(spectra, tmp_path, k)
    file = data / NAME.format("SIMBA", "20.0")
    np.testing.assert_allclose(
        run.predict(trained, [file]).mean,
        run.predict(trained, [spectra / file.name]).mean,
    )


def test_a_suite_at_other_wavenumbers_is_not_evaluated(
    trained: Path, spectra: Path, tmp_path: Path
) -> None:
    with pytest.raises(MismatchError, match=r"0\.5 to 4 h/Mpc .* the run"):
        run.evaluate(trained, data=elsewhere(spectra, tmp_path, K / 2))


def test_source_and_target_are_compared(spectra: Path, tmp_path: Path) -> None:
    data = elsewhere(spectra, tmp_path, K)
    other = data / "PS_files"
    other.mkdir()
    for file in data.glob("Pk_galaxies_SIMBA_*"):
        file.rename(other / file.name)
    np.savetxt(other / "k_values.txt", K / 2)
    with pytest.raises(MismatchError, match=r"simba, redshift 1: 8 .*PS_files.* tng: 8 "):
        run.train(load(data, *QUICK), out=tmp_path / "run")


def test_weights_of_another_grid_are_no_start(trained: Path, spectra: Path, tmp_path: Path) -> None:
    data = elsewhere(spectra, tmp_path, K / 2)
    with pytest.raises(MismatchError, match=r"redshift 1: 8 wavenumbers from 0\.5 to 4"):
        run.train(load(data, *QUICK, init_from=trained), out=tmp_path / "run")


def test_whole_columns_are_compared_where_wavenumbers_are_known(
    spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = [*QUICK, "data.bins=null"]
    made = run.train(load(spectra, *columns), out=tmp_path / "run").folder
    (tmp_path / "other").mkdir()
    other = elsewhere(spectra, tmp_path / "other", K / 2) / NAME.format("SIMBA", "20.0")
    with pytest.raises(MismatchError, match=r"8 wavenumbers from 0.5 to 4 h/Mpc"):
        run.predict(made, [other])
    (tmp_path / "none").mkdir()
    unknown = elsewhere(spectra, tmp_path / "none", None)
    capsys.readouterr()
    run.predict(made, [unknown / NAME.format("SIMBA", "20.0")])
    assert "The wavenumbers of these files are not known" in capsys.readouterr().err


def test_the_largest_wavenumber_is_chosen_by_number_and_named(
    spectra: Path, tmp_path: Path
) -> None:
    data = elsewhere(spectra, tmp_path, K)
    whole = data / NAME.format("SIMBA", "20.0")
    np.save(data / NAME.format("SIMBA", "5.0"), np.load(whole)[:, :4])
    np.save(data / NAME.format("SIMBA", "100.0"), np.load(whole))
    found = load_spectra("simba", data, bins=4)
    assert found.notes[0].startswith("Pk_galaxies_SIMBA_LH_33_kmax=100.0.npy is read")
    assert "up to 5, 20 as well (data.kmax chooses)" in found.notes[0]
    assert load_spectra("simba", data, bins=4, kmax=20).notes[0].startswith(whole.name)
    with pytest.raises(MismatchError, match=r"4 columns.*8 wavenumbers"):
        load_spectra("simba", data, bins=None, kmax=5)


def test_loose_files_of_one_call_are_at_the_same_wavenumbers(spectra: Path, tmp_path: Path) -> None:
    data = elsewhere(spectra, tmp_path, K / 2)
    files = [folder / NAME.format("SIMBA", "20.0") for folder in (spectra, data)]
    with pytest.raises(MismatchError, match="wavenumbers"):
        read_spectra(files, bins=4)
    assert torch.isfinite(read_spectra(files[:1], bins=4).dataset.x).all()


def test_equal_wavenumbers_under_names_of_another_kmax_are_not_both_right(
    trained: Path, spectra: Path, tmp_path: Path
) -> None:
    data = elsewhere(spectra, tmp_path, K)
    file = data / NAME.format("SIMBA", "20.0")
    other = file.rename(data / NAME.format("SIMBA", "4.0"))
    assert "reaches up to 4 h/Mpc by its name" in read_spectra([other], bins=4).notes[0]
    with pytest.raises(MismatchError, match=r"up to 4 h/Mpc by the name of .*up to 20 h/Mpc"):
        run.predict(trained, [other])


def test_whole_columns_without_wavenumbers_are_compared_by_name(
    spectra: Path, tmp_path: Path, few_figures: None
) -> None:
    data = elsewhere(spectra, tmp_path, None)
    made = run.train(load(data, *QUICK, "data.bins=null"), out=tmp_path / "run").folder
    file = data / NAME.format("SIMBA", "20.0")
    other = Path(shutil.copy(file, data / NAME.format("SIMBA", "10.0")))
    run.predict(made, [file])
    with pytest.raises(MismatchError, match=r"up to 10 h/Mpc by the name .* up to 20 h/Mpc"):
        run.predict(made, [other])


def test_a_run_without_stored_wavenumbers_says_that_they_were_not_compared(
    trained: Path, spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = Path(shutil.copytree(trained, tmp_path / "older"))
    best = older / "checkpoints" / "best.pt"
    stored = torch.load(best, weights_only=True)
    del stored["meta"]["inputs"], stored["meta"]["training_spread"]
    torch.save(stored, best)
    file = spectra / NAME.format("SIMBA", "20.0")
    capsys.readouterr()
    before = run.predict(trained, [file])
    assert "not known" not in capsys.readouterr().err
    np.testing.assert_array_equal(run.predict(older, [file]).mean, before.mean)
    assert f"wavenumbers of the run {older} are not known" in capsys.readouterr().err.replace(
        "\n", " "
    )


def test_the_largest_kmax_that_all_suites_have_is_read_and_kept(
    spectra: Path, tmp_path: Path, few_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    data = elsewhere(spectra, tmp_path, K)
    for name, kmax in (("SIMBA", "100.0"), ("SIMBA", "9.0"), ("IllustrisTNG", "9.0")):
        shutil.copy(data / NAME.format(name, "20.0"), data / NAME.format(name, kmax))
    made = run.train(load(data, *QUICK), out=tmp_path / "run").folder
    told = capsys.readouterr().err
    assert "kmax=20.0.npy is read" in told and "kmax=100.0.npy is read" not in told
    shutil.copy(
        data / NAME.format("IllustrisTNG", "20.0"), data / NAME.format("IllustrisTNG", "100.0")
    )
    run.evaluate(made)
    assert "kmax=100.0.npy is read" not in capsys.readouterr().err


def test_a_changed_way_of_binning_is_refused(trained: Path, spectra: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(trained, tmp_path / "changed"))
    text = (changed / "config.yaml").read_text()
    assert "spacing: linear" in text
    (changed / "config.yaml").write_text(text.replace("spacing: linear", "spacing: log"))
    with pytest.raises(MismatchError, match="spacing is log for these files and linear for"):
        run.predict(changed, [spectra / NAME.format("SIMBA", "20.0")])


FALLING = 10 ** np.linspace(2.8, 1.3, 8)


@pytest.mark.parametrize(
    "changed", [np.log10(FALLING), np.log(FALLING), -FALLING], ids=["log10", "ln", "negative"]
)
def test_power_that_is_none_is_refused(changed: np.ndarray, tmp_path: Path) -> None:
    np.savetxt(tmp_path / "k_values.txt", K)
    scatter = np.random.default_rng(0).uniform(0.9, 1.1, (12, 8))
    np.save(tmp_path / "right.npy", FALLING * scatter)
    np.save(tmp_path / "wrong.npy", changed * scatter)
    assert len(read_spectra([tmp_path / "right.npy"], bins=4).dataset) == 12
    with pytest.raises(DataError, match=r"wrong.npy.*\(Mpc/h\)³") as caught:
        read_spectra([tmp_path / "wrong.npy"], bins=4)
    assert "logarithm" in str(caught.value) and caught.value.exit_code == 3


def test_k3_p_and_another_unit_of_power_are_noted(spectra: Path, tmp_path: Path) -> None:
    data = elsewhere(spectra, tmp_path, K)
    file = data / NAME.format("SIMBA", "20.0")
    np.save(file, FALLING * np.random.default_rng(0).uniform(0.9, 1.1, (280, 8)))
    falling = load_spectra("simba", data, bins=4)
    np.save(file, np.load(file) * K**3)
    rising = load_spectra("simba", data, bins=4)
    assert not falling.notes and "power rises with wavenumber" in rising.notes[0]
    np.save(file, FALLING / 0.6711**3 * np.random.default_rng(0).uniform(0.9, 1.1, (280, 8)))
    (note,) = load_spectra("simba", data, bins=4).inputs.require_same(
        falling.inputs, "simba", "tng"
    )
    assert "typically 3.31 times" in note


def test_another_unit_of_power_is_said_of_the_set(
    trained: Path, spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = elsewhere(spectra, tmp_path, K)
    file = data / NAME.format("SIMBA", "20.0")
    np.save(file, np.load(file) * 1e6)
    run.predict(trained, [file])
    assert "as a set they are not like those of training" in capsys.readouterr().err


def test_a_suite_unlike_training_is_noted_by_evaluate(
    spectra: Path, tmp_path: Path, few_figures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    data = elsewhere(spectra, tmp_path, K)
    alone = load(data, *QUICK, "loss.terms={none: {}}", target=[])
    made = run.train(alone, out=tmp_path / "run").folder
    file = data / NAME.format("SIMBA", "20.0")
    np.save(file, np.load(file) * 1e6)
    run.evaluate(made, suites=["simba"])
    assert "simba: 60 of 60 inputs (100%) are outside the training" in capsys.readouterr().err


def test_another_level_of_power_is_in_the_record(
    spectra: Path, tmp_path: Path, few_figures: None
) -> None:
    data = elsewhere(spectra, tmp_path, K)
    file = data / NAME.format("SIMBA", "20.0")
    np.save(file, np.load(file) * 1e6)
    made = run.train(load(data, *QUICK), out=tmp_path / "run").folder
    assert "times that of tng" in (made / "environment.json").read_text()
