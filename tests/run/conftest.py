"""A tiny pair of suites in the real layout, and a tiny experiment on them."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_runs import load

from dagnn import run

BOX = 25000.0
BOXES = 20
HEADER = "#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed"


def write_box(
    path: Path, omega_m: float, scale: float, random: np.random.Generator, redshift: float = 0.0
) -> None:
    """Write a catalogue whose galaxies say something about Omega_m."""
    galaxies = int(40 + 200 * omega_m * scale)
    mass = np.zeros((galaxies, 6), np.float32)
    mass[:, 4] = scale * 10 ** random.normal(omega_m, 0.3, galaxies)
    radius = np.full((galaxies, 6), 2.0, np.float32)
    particles = np.full((galaxies, 6), 100, np.int32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        header = file.create_group("Header")
        header.attrs.update(BoxSize=BOX, Redshift=redshift, Time=1 / (1 + redshift))
        header.attrs.update(Omega0=omega_m, HubbleParam=0.6711)
        header.attrs.update(NumFiles=1, Nsubgroups_ThisFile=galaxies, Nsubgroups_Total=galaxies)
        group = file.create_group("Subhalo")
        group["SubhaloPos"] = random.uniform(0, BOX, (galaxies, 3)).astype(np.float32)
        group["SubhaloMassType"] = mass
        group["SubhaloHalfmassRadType"] = radius
        group["SubhaloLenType"] = particles
        group["SubhaloVmax"] = random.uniform(50, 200, galaxies).astype(np.float32)
        group["SubhaloStarMetallicity"] = random.uniform(0, 0.02, galaxies).astype(np.float32)


def write_suite(root: Path, name: str, scale: float, seed: int) -> None:
    """Write a suite of boxes with its parameter table."""
    random = np.random.default_rng(seed)
    lines = [HEADER]
    for number, omega_m in enumerate(random.uniform(0.1, 0.5, BOXES).round(4)):
        folder = root / "FOF_Subfind" / name / "L25n256" / "LH" / f"LH_{number}"
        write_box(folder / "groups_090.hdf5", omega_m, scale, random)
        lines.append(f"LH_{number} {omega_m} 0.8 1.0 1.0 1.0 1.0 {number}")
    table = root / "Parameters" / name / f"CosmoAstroSeed_{name}_L25n256_LH.txt"
    table.parent.mkdir(parents=True)
    table.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def universe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder with three tiny suites; not marked as mock."""
    root = tmp_path_factory.mktemp("universe")
    for seed, (name, scale) in enumerate(
        {"IllustrisTNG": 1.0, "SIMBA": 1.4, "Astrid": 0.8}.items()
    ):
        write_suite(root, name, scale, seed)
    return root


@pytest.fixture(autouse=True)
def _own_place(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Run in an empty folder with a cache that all tests of the session share."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGNN_DATA", raising=False)
    monkeypatch.setenv("DAGNN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    yield


@pytest.fixture(scope="module")
def finished(universe: Path, tmp_path_factory: pytest.TempPathFactory) -> run.RunResult:
    """Give a finished run with its comparison."""
    out = tmp_path_factory.mktemp("runs") / "first"
    return run.train(load(universe, compare_source_only=True), out=out)


@pytest.fixture
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw what is new here; the other figures take most of a tiny run's time."""
    monkeypatch.setattr("dagnn.run.outputs.draw", lambda *_: {})
