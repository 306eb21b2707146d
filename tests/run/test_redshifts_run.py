"""Several snapshots of the same boxes as one input, through whole runs."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tiny_runs import load
from tiny_universe import HEADER, write_box

from dagnn import run
from dagnn.errors import MismatchError, UsageError
from dagnn.run.calibrate import surrogates
from dagnn.run.data import prepare
from dagnn.run.fitting import fit_network
from dagnn.run.folder import RunFolder
from dagnn.training import load_checkpoint

BOXES = 14
QUIET = Console(quiet=True)
BOTH = "data.redshifts=[0.0, 0.5]"


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder of two suites at two redshifts; one box lacks the earlier one."""
    root = tmp_path_factory.mktemp("snapshots")
    for seed, name in enumerate(("IllustrisTNG", "SIMBA")):
        random = np.random.default_rng(seed)
        lines = [HEADER]
        for number, omega_m in enumerate(random.uniform(0.1, 0.5, BOXES).round(4)):
            folder = root / "FOF_Subfind" / name / "L25n256" / "LH" / f"LH_{number}"
            write_box(folder / "groups_090.hdf5", omega_m, 1.0 + seed / 4, random)
            write_box(folder / "groups_073.hdf5", omega_m, 0.6 + seed / 4, random, redshift=0.503)
            lines.append(f"LH_{number} {omega_m} 0.8 1.0 1.0 1.0 1.0 {number}")
        table = root / "Parameters" / name / f"CosmoAstroSeed_{name}_L25n256_LH.txt"
        table.parent.mkdir(parents=True)
        table.write_text("\n".join(lines) + "\n")
    (root / "FOF_Subfind/SIMBA/L25n256/LH/LH_5/groups_073.hdf5").unlink()
    return root


def test_two_snapshots_go_the_whole_road(
    snapshots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run.train(load(snapshots, BOTH), out=tmp_path / "run")
    assert "left out LH_5: there is no catalogue at z=0.5" in capsys.readouterr().err
    folder = RunFolder(made.folder)
    assert "LH_5" in folder.report.read_text()
    assert "z = 0, 0.5" in folder.model_card.read_text()
    assert {"galaxy-count", "ridge"} <= {p.model for p in made.predictions}
    box = snapshots / "FOF_Subfind/SIMBA/L25n256/LH/LH_0"
    files = [box / "groups_090.hdf5", box / "groups_073.hdf5"]
    said = run.predict(made.folder, files, out=tmp_path / "p.csv")
    assert said.ids == (str(files[0]),) and np.isfinite(said.mean).all()
    with pytest.raises(UsageError, match="2 files"):
        run.predict(made.folder, files[:1], out=tmp_path / "p.csv")
    with pytest.raises(MismatchError, match="Redshift"):
        run.predict(made.folder, files[::-1], out=tmp_path / "p.csv")


def test_galaxies_at_another_redshift_are_a_surrogate(snapshots: Path, tmp_path: Path) -> None:
    experiment = load(snapshots, "calibration.surrogate=redshift")
    (made,) = surrogates(experiment, prepare(experiment, snapshots, QUIET), QUIET)
    assert made.experiment.data.redshifts == [0.503]
    assert [suite.name for suite in made.prepared.suites] == ["tng", "tng-moved"]
    folder = RunFolder(tmp_path / "surrogate")
    asked = {"initial": None, "label": made.label, "root": tmp_path}
    fit_network(made.experiment, made.prepared, folder, QUIET, **asked)
    stored = load_checkpoint(folder.checkpoints / "best.pt").meta["experiment"]
    assert stored["data"]["redshifts"] == [0.503]


def test_without_another_redshift_there_is_no_surrogate(snapshots: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(snapshots, alone, ignore=shutil.ignore_patterns("groups_073.hdf5"))
    experiment = load(alone, "calibration.surrogate=redshift")
    said = io.StringIO()
    prepared = prepare(experiment, alone, QUIET)
    assert surrogates(experiment, prepared, Console(file=said, width=200)) == []
    assert "no other redshift" in said.getvalue()
