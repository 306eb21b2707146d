"""Spectra are at the wavenumbers that the network was trained on, or refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_spectra import load, write_suites

from dagnn import run
from dagnn.data.spectra import load_spectra, read_spectra
from dagnn.errors import MismatchError
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


def test_the_checkpoint_keeps_the_wavenumbers_of_every_feature(trained: Path) -> None:
    stored = load_checkpoint(trained / "checkpoints" / "best.pt").meta["grid"]
    expected = np.exp(np.log(K).reshape(4, 2).mean(1))
    assert list(stored) == ["redshift 1"]
    np.testing.assert_allclose(stored["redshift 1"], expected)


@pytest.mark.parametrize("factor", [0.5, 0.6711, 1e-3, 1.05], ids=str)
def test_new_files_at_other_wavenumbers_are_refused(
    factor: float, trained: Path, spectra: Path, tmp_path: Path
) -> None:
    data = elsewhere(spectra, tmp_path, factor * K)
    with pytest.raises(MismatchError, match=r"4 wavenumbers from .* the run: at 4 wavenumbers"):
        run.predict(trained, [data / NAME.format("SIMBA", "20.0")])


def test_rounded_and_finer_wavenumbers_are_the_same(
    trained: Path, spectra: Path, tmp_path: Path
) -> None:
    data = elsewhere(spectra, tmp_path, K * 1.0004)
    file = data / NAME.format("SIMBA", "20.0")
    np.testing.assert_allclose(
        run.predict(trained, [file]).mean,
        run.predict(trained, [spectra / file.name]).mean,
    )


def test_a_suite_at_other_wavenumbers_is_not_evaluated(
    trained: Path, spectra: Path, tmp_path: Path
) -> None:
    with pytest.raises(MismatchError, match=r"0\.7071 to .* the run"):
        run.evaluate(trained, data=elsewhere(spectra, tmp_path, K / 2))


def test_source_and_target_are_compared(spectra: Path, tmp_path: Path) -> None:
    data = elsewhere(spectra, tmp_path, K)
    other = data / "PS_files"
    other.mkdir()
    for file in data.glob("Pk_galaxies_SIMBA_*"):
        file.rename(other / file.name)
    np.savetxt(other / "k_values.txt", K / 2)
    with pytest.raises(MismatchError, match=r"simba, redshift 1: .* tng: at 4 wavenumbers"):
        run.train(load(data, *QUICK), out=tmp_path / "run")


def test_weights_of_another_grid_are_no_start(trained: Path, spectra: Path, tmp_path: Path) -> None:
    data = elsewhere(spectra, tmp_path, K / 2)
    with pytest.raises(MismatchError, match="redshift 1: features at 4 wavenumbers"):
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
    assert torch.isfinite(read_spectra(files[:1], bins=4).x).all()


def test_another_unit_of_power_is_said_of_the_set(
    trained: Path, spectra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = elsewhere(spectra, tmp_path, K)
    file = data / NAME.format("SIMBA", "20.0")
    np.save(file, np.load(file) * 1e6)
    run.predict(trained, [file])
    assert "as a set they are not like those of training" in capsys.readouterr().err
