"""Preparation by shares: training afterwards opens no catalogue."""

import io

import numpy as np
import pytest
from rich.console import Console
from tiny_runs import load
from tiny_spectra import write_suites
from tiny_universe import write_box

from dagnn import run
from dagnn.catalogs.cache import Shard
from dagnn.errors import MissingDataError


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGNN_CACHE", str(tmp_path / "own-cache"))


def prepare(experiment, text="1/1"):
    console = Console(record=True, width=200, file=io.StringIO())
    found = run.prepare(experiment, shard=Shard.parse(text), console=console)
    return found, console.export_text()


def test_training_after_two_shares_opens_no_catalogue(universe, tmp_path, monkeypatch):
    experiment = load(universe, "evaluation.suites=[astrid]")
    first, said = prepare(experiment, "1/2")
    assert first == {"tng": 10, "simba": 10, "astrid": 10}
    assert "tng: 10 catalogues read" in said
    assert prepare(experiment, "2/2")[0] == first

    def refuse(*arguments, **options):
        raise AssertionError("a catalogue was read")

    monkeypatch.setattr("dagnn.catalogs.cache.read_catalog", refuse)
    again, said = prepare(experiment, "2/2")
    assert again == {"tng": 0, "simba": 0, "astrid": 0}
    assert "simba: nothing left to read" in said
    run.train(experiment, out=tmp_path / "run")


def test_other_redshifts_that_calibration_wants_are_prepared_too(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    for number in range(4):
        for snapshot, redshift in (("090", 0.0), ("073", 0.503)):
            place = f"FOF_Subfind/IllustrisTNG/L25n256/LH/LH_{number}/groups_{snapshot}.hdf5"
            write_box(tmp_path / "data" / place, 0.3, 1.0, random, redshift)
    (tmp_path / "data/FOF_Subfind/SIMBA").symlink_to(tmp_path / "data/FOF_Subfind/IllustrisTNG")
    counts = {}
    for surrogate in ("none", "auto"):
        monkeypatch.setenv("DAGNN_CACHE", str(tmp_path / surrogate))
        experiment = load(tmp_path / "data", f"calibration.surrogate={surrogate}")
        counts[surrogate], _ = prepare(experiment)
    assert counts == {"none": {"tng": 4, "simba": 4}, "auto": {"tng": 8, "simba": 4}}


def test_one_catalogue_is_no_catalogues(universe):
    found, said = prepare(load(universe), "1/20")
    assert found == {"tng": 1, "simba": 1}
    assert "tng: 1 catalogue read" in said


def test_spectra_and_images_are_read_when_training_starts(tmp_path):
    spectra = run.load("spectra_mmd", data=write_suites(tmp_path))
    images = run.load("deepmerge_mmd", source=["clean"], target=["noisy"], data=tmp_path)
    for name in ("clean", "noisy"):
        np.save(tmp_path / f"{name}.npy", np.zeros((4, 3, 8, 8), np.uint8))
    for experiment, names in ((spectra, ("tng", "simba")), (images, ("clean", "noisy"))):
        found, said = prepare(experiment)
        assert found == dict.fromkeys(names)
        for name in names:
            assert f"{name} is read at once when training starts; nothing to prepare" in said
        assert "nothing left" not in said


@pytest.mark.parametrize("absent", ["Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy", "params/IllustrisTNG"])
def test_spectra_that_are_not_there_are_refused_as_by_training(tmp_path, absent):
    (write_suites(tmp_path) / absent).rename(tmp_path / "elsewhere")
    _refused_alike(run.load("spectra_mmd", ["data.bins=4"], data=tmp_path))


def test_images_that_are_not_there_are_refused_as_by_training(universe):
    _refused_alike(run.load("deepmerge_mmd", source=["a"], target=["b"], data=universe))


def _refused_alike(experiment):
    with pytest.raises(MissingDataError) as told:
        run.train(experiment)
    with pytest.raises(MissingDataError) as refused:
        prepare(experiment)
    assert str(refused.value) == str(told.value)


def test_mocks_are_not_made(tmp_path):
    experiment = run.load("base", [], source=["tng"], target=["simba"])
    with pytest.raises(MissingDataError, match="--data"):
        prepare(experiment)
