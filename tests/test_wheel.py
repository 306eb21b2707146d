"""An installed wheel is the whole package: outside the checkout, YAML files included."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what git tracks or would track."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("dagnn-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into a fresh environment that borrows the big packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site = next((folder / "lib").glob("python*/site-packages"))
    # A path file would also run the editable install of the checkout; links do not.
    for package in Path(sys.prefix, "lib", site.parent.name, "site-packages").iterdir():
        if "dagnn" not in package.name and package.suffix != ".pth":
            (site / package.name).symlink_to(package)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    command += ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


def call(installed: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DAGNN_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        [installed / "dagnn", *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_dagnn_is_a_package_and_the_yaml_files_are_in_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"dagnn"}
    for folder in ("catalogs", "configs"):
        shipped = {Path(n).name for n in names if n.startswith(f"dagnn/resources/{folder}/")}
        assert shipped == {path.name for path in (ROOT / folder).glob("*.yaml")}
    for file in ("py.typed", "report/report.html.j2", "report/page.html.j2"):
        assert f"dagnn/{file}" in names


def test_help_and_doctor(installed: Path, tmp_path: Path) -> None:
    for verb in ("--help", "doctor"):
        done = call(installed, tmp_path, verb)
        assert done.returncode == 0, done.stderr
    assert "torch" in done.stdout


@pytest.mark.slow
def test_one_epoch_of_training_on_mocks(installed: Path, tmp_path: Path) -> None:
    arguments = ["train", "--source", "tng", "--target", "simba", "--out", "run"]
    for setting in ("data.mock_boxes=12", "training.epochs=1", "training.batch_size=2"):
        arguments += ["--set", setting]
    done = call(installed, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert "MOCK" in done.stdout and "MOCK" in done.stderr
    assert (tmp_path / "run" / "report.html").is_file()
    used = call(installed, tmp_path, "predict", "run", "nothing.hdf5")
    assert used.returncode == 3
