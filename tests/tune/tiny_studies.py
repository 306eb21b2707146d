"""Studies that take a second, written as files."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from rich.console import Console

import dagnn.tune.search
from dagnn import tune
from dagnn.yaml_files import to_yaml

QUIET = Console(quiet=True)
BOXES = 40
WAVENUMBERS = np.geomspace(0.3, 30, 30)
HEADER = "#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed"
EXPERIMENT = {
    "config": "spectra_mmd",
    "source": ["tng"],
    "target": ["simba"],
    "set": {
        "model.members": 1,
        "training.epochs": 3,
        "training.batch_size": 8,
        "data.bins": 8,
        "model.encoder.hidden": [8],
        "model.encoder.width": 4,
        "loss.prior_guard": False,
        "evaluation.bootstrap": 100,
        "evaluation.latent_map": "pca",
    },
}
SPACE = {
    "loss.terms.mmd.weight": {"type": "float", "low": 0.01, "high": 10, "log": True},
    "training.learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
}


def write_suite(root: Path, name: str, shift: float, seed: int) -> None:
    """Write spectra whose amplitude depends on Omega_m, shifted from suite to suite."""
    random = np.random.default_rng(seed)
    omega_m = random.uniform(0.1, 0.5, BOXES).round(4)
    slope = -1.5 * np.log10(WAVENUMBERS)
    log_power = 2 + shift + 3 * (omega_m[:, None] - 0.3) + slope
    log_power = log_power + random.normal(0, 0.05, log_power.shape)
    root.mkdir(exist_ok=True)
    np.save(root / f"Pk_galaxies_{name}_LH_33_kmax=20.0.npy", 10**log_power)
    np.savetxt(root / "k_values.txt", WAVENUMBERS)
    lines = [f"LH_{i} {value} 0.8 1.0 1.0 1.0 1.0 {i}" for i, value in enumerate(omega_m)]
    table = root / f"CosmoAstroSeed_{name}_L25n256_LH.txt"
    table.write_text("\n".join([HEADER, *lines]) + "\n")


def write_study(path: Path, **changes: Any) -> Path:
    """Write a study file; ``settings`` are laid over those of the experiment."""
    settings = {**EXPERIMENT["set"], **changes.pop("settings", {})}
    study: dict[str, Any] = {
        "name": "tiny",
        "experiment": {**EXPERIMENT, "set": settings},
        "space": SPACE,
        "budget": {"trials": 3},
        **changes,
    }
    path.write_text(to_yaml(study))
    return path


def search(data: Path, out: Path, *, draw: bool = False, **changes: Any) -> tune.StudyResult:
    """Write a study beside its folder and run it; draw its report only on request."""
    given = {
        key: changes.pop(key) for key in ("trials", "storage", "jobs", "mock") if key in changes
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    file = write_study(out.parent / f"{out.name}.yaml", **changes)
    real = dagnn.tune.search.write_study_report
    with patch.object(dagnn.tune.search, "write_study_report", real if draw else lambda *_: None):
        return tune.tune(file, data=data, out=out, console=QUIET, **given)
