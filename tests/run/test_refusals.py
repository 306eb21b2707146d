"""What cannot be meant, or is broken, is refused with its name, and early."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_images
from tiny_runs import load

from dagnn import run
from dagnn.config import load_experiment, shipped_names
from dagnn.errors import (
    CheckpointError,
    DagnnError,
    MismatchError,
    MissingDataError,
    NotHDF5Error,
    UsageError,
)
from dagnn.run.assemble import check
from dagnn.run.data import require_alike
from dagnn.run.folder import RunFolder, require_free
from dagnn.run.prepared import SuiteData
from dagnn.yaml_files import read_yaml, to_yaml


def test_resume_refuses_other_data(finished: run.RunResult, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished.folder, copied)
    facts = json.loads((copied / "environment.json").read_text())
    facts["data"]["simba"] = "something else"
    (copied / "environment.json").write_text(json.dumps(facts))
    (copied / "report.html").unlink()
    with pytest.raises(CheckpointError, match="simba"):
        run.resume(copied)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.encoder.hiden=3"], "Did you mean 'hidden'"),
        (["model.encoder.name=grap"], "Did you mean 'graph'"),
        (["loss.terms.mmd.bandwith=median"], "Did you mean 'bandwidth'"),
        (["loss.terms={mmmd: {}}"], "Did you mean 'mmd'"),
        (["training.optimizer=adamww"], "Did you mean 'adamw'"),
        (["training.select_on=target_rmse"], "training.select_on"),
        (["data.linking_radius=0.7"], "below 0.5"),
        (["data.convention=publised"], "Did you mean 'published'"),
        (["data.name=galaxy"], "Did you mean 'galaxies'"),
        (["training.device=gpu"], "training.device"),
        (["target=[]"], "--target"),
        (["target=IllustrisTNG"], "source and target at once"),
    ],
)
def test_impossible_experiments_fail_before_any_data_are_read(
    overrides: list[str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        run.train(run.load("base", overrides, data=tmp_path))
    assert words in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_named_data_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="nowhere"):
        run.train(run.load(data=tmp_path / "nowhere"))


def test_a_run_is_never_overwritten(finished: run.RunResult, universe: Path) -> None:
    with pytest.raises(UsageError, match="--resume"):
        run.train(load(universe), out=finished.folder)


def test_a_folder_that_cannot_be_made_is_refused_before_any_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    for out in (file, file / "run"):
        with pytest.raises(UsageError, match=r"file is a file\. Give another --out|: it is a file"):
            require_free(out)
    require_free(tmp_path / "new" / "run")
    require_free(None)
    closed = tmp_path / "closed"
    closed.mkdir()
    monkeypatch.setattr("os.access", lambda path, _: path != closed)  # root may write everywhere
    for out in (closed, closed / "a" / "b"):
        with pytest.raises(UsageError, match=f"{closed} is closed to you"):
            require_free(out)
    assert sorted(tmp_path.iterdir()) == [closed, file]


def test_runs_without_a_name_get_numbers(tmp_path: Path) -> None:
    first, second = (RunFolder.create(None, "demo").path for _ in range(2))
    assert (first, second) == (Path("runs/demo"), Path("runs/demo-2"))


def test_opening_something_else_lists_the_runs_beside(finished: run.RunResult) -> None:
    with pytest.raises(MissingDataError, match="first"):
        run.report(finished.folder.parent / "frist")


def test_a_changed_configuration_is_refused_with_its_path(
    finished: run.RunResult, tmp_path: Path
) -> None:
    tree = read_yaml(finished.folder / "config.yaml")
    tree["training"]["epoch"] = 3
    (tmp_path / "config.yaml").write_text(to_yaml(tree))
    with pytest.raises(UsageError, match=r"config\.yaml"):
        run.report(tmp_path)


def test_published_weights_without_a_radius_in_their_name(shared: Path, tmp_path: Path) -> None:
    file = next((shared / "reference" / "weights").glob("SIMBA_LH_NoDA*"))
    nameless = tmp_path / "weights.pt"
    nameless.write_bytes(file.read_bytes())
    with pytest.raises(UsageError, match="--linking-radius"):
        run.predict_published(nameless, [])


@pytest.mark.parametrize("name", shipped_names("configs"))
def test_every_shipped_configuration_names_parts_that_exist(name: str) -> None:
    check(load_experiment(name))


def test_init_from_refuses_another_network_before_a_folder_is_made(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    for setting in ("model.encoder.hidden=16", "data.parameters=sigma_8"):
        with pytest.raises(CheckpointError):
            run.train(load(universe, setting, init_from=finished.folder), out=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_evaluate_refuses_other_data(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    copied, moved = tmp_path / "copied", tmp_path / "moved"
    shutil.copytree(finished.folder, copied)
    shutil.copytree(universe, moved)
    run.evaluate(copied, data=moved)
    table = moved / "Parameters/SIMBA/CosmoAstroSeed_SIMBA_L25n256_LH.txt"
    table.write_text(table.read_text().replace(" 0.8 ", " 0.8 ", 1).replace("LH_0 0.", "LH_0 0.1"))
    with pytest.raises(CheckpointError, match="simba"):
        run.evaluate(copied, data=moved)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.yaml", "a: ["),
        ("environment.json", "{"),
        ("latents.npz", "PK"),
        ("latents.npz", None),
    ],
)
def test_a_damaged_run_is_an_error_with_the_file_named(
    finished: run.RunResult, tmp_path: Path, name: str, content: str | None
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(finished.folder, copied)
    (copied / name).unlink()
    if content is not None:
        (copied / name).write_text(content)
    with pytest.raises(DagnnError, match=name.replace(".", r"\.")):
        run.report(copied)


def test_too_few_simulations_are_refused_before_a_folder_is_made(
    universe: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="fewer than 2"):
        run.train(load(universe, "data.limit=5"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_inputs_that_differ_are_named() -> None:
    def suite(name: str, **sizes: int) -> SuiteData:
        loaded = SimpleNamespace(dataset=SimpleNamespace(sizes=sizes))
        return SuiteData(name, "source", loaded, None)

    same = suite("a", channels=3, size=64)
    require_alike([same, suite("b", channels=3, size=64)])
    with pytest.raises(MismatchError, match=r"a and b differ \(channels 3 and 1\)"):
        require_alike([same, suite("b", channels=1, size=64)])


def test_runs_that_are_there_are_named(
    finished: run.RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.folder.parent)
    known = finished.folder.name
    with pytest.raises(MissingDataError, match=rf"there is no such folder. Known runs: .*{known}"):
        run.evaluate(Path("nowhere"))
    with pytest.raises(MissingDataError, match=rf"holds no config.yaml. Known runs: .*{known}"):
        run.report(Path())


def test_a_file_of_another_kind_is_called_what_it_is(
    finished: run.RunResult, universe: Path, tmp_path: Path
) -> None:
    file = tmp_path / "pk.npy"
    np.save(file, np.ones((3, 4)))
    box = universe / "FOF_Subfind/SIMBA/L25n256/LH/LH_0/groups_090.hdf5"
    with pytest.raises(MismatchError) as caught:
        run.predict(finished.folder, [box, file])
    told = str(caught.value)
    assert f"{file} holds galaxy power spectra" in told
    assert f"the run {finished.folder} reads galaxy catalogues" in told
    broken = tmp_path / "groups_090.hdf5"
    broken.write_text("<html>gone</html>")
    with pytest.raises(NotHDF5Error, match="web page"):
        run.predict(finished.folder, [broken])


def test_a_suite_that_is_absent_is_named_with_those_that_are_there(
    finished: run.RunResult, universe: Path
) -> None:
    with pytest.raises(MissingDataError) as caught:
        run.evaluate(finished.folder, suites=["Swift-EAGLE"], data=universe)
    told = str(caught.value)
    assert told.startswith(f"eagle is not in {universe}; there are astrid, simba, tng")
    assert "Tried" in told and "Did you mean" not in told


def test_a_misspelt_survey_is_told_its_neighbour_and_nothing_else(tmp_path: Path) -> None:
    surveys = tiny_images.write_surveys(tmp_path)
    with pytest.raises(MissingDataError) as caught:
        run.train(tiny_images.tiny("survey", surveys, target=["secnd"]), out=tmp_path / "run")
    told = str(caught.value)
    assert told.startswith(f"secnd is not in {surveys}; there are first, second (see: ")
    assert told.endswith("). Did you mean 'second'?")


@pytest.mark.parametrize("wanted", ["gnn_mmd", "survey"])
def test_a_folder_of_another_kind_names_the_configuration_for_it(
    wanted: str, tmp_path: Path
) -> None:
    spectra = tmp_path / "Pk_galaxies_IllustrisTNG_LH_33_kmax=20.0.npy"
    np.save(spectra, np.ones((4, 30)))
    (tmp_path / "notes.txt").write_text("as downloaded")
    with pytest.raises(MissingDataError, match=r"look like galaxy power spectra.*--config spectra"):
        run.train(run.load(wanted, data=tmp_path), out=tmp_path / "run")
    spectra.unlink()
    with pytest.raises(MissingDataError, match=r"There are: notes\.txt"):
        run.train(run.load("survey", data=tmp_path), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
