"""Spectra of two made-up suites, and an experiment on them that takes seconds."""

from pathlib import Path

import numpy as np

from dagnn import run

BOXES = 280
SPECTRA = [
    "training.epochs=3",
    "model.members=2",
    "model.encoder.hidden=[16]",
    "data.bins=4",
    "evaluation.bootstrap=100",
    "evaluation.latent_map=pca",
]


def write_spectra(root: Path, name: str, offset: float, seed: int) -> None:
    """Write spectra at two redshifts whose scatter shrinks with Omega_m, and their table."""
    random = np.random.default_rng(seed)
    omega_m = random.uniform(0.1, 0.5, BOXES).round(6)
    unit = (omega_m - 0.1) / 0.4
    scatter = (1.3 - unit) * random.normal(size=BOXES)
    slope = np.linspace(0.6, 1.4, 8)
    for number, growth in ((33, 1.0), (18, 0.7)):
        log_power = offset + np.outer(growth * (4 * unit + scatter), slope)
        log_power += 0.2 * random.normal(size=log_power.shape)
        file = root / f"Pk_galaxies_{name}_LH_{number}_kmax=20.0.npy"
        np.save(file, 10**log_power)
    lines = ["#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed"]
    wind = random.uniform(0.25, 4.0, BOXES).round(4)
    rows = zip(omega_m, wind, strict=True)
    lines += [f"LH_{i} {omega} 0.8 {a} 1.0 1.0 1.0 {i}" for i, (omega, a) in enumerate(rows)]
    table = root / "params" / name / f"CosmoAstroSeed_{name}_L25n256_LH.txt"
    table.parent.mkdir(parents=True)
    table.write_text("\n".join(lines) + "\n")


def write_suites(root: Path) -> Path:
    """Fill a data folder with two suites of spectra."""
    np.savetxt(root / "k_values.txt", np.arange(1.0, 9.0))
    write_spectra(root, "IllustrisTNG", 0.0, seed=0)
    write_spectra(root, "SIMBA", 1.0, seed=1)
    return root


def load(spectra: Path, *overrides: str, **values: object) -> run.Experiment:
    """Load a small experiment on spectra, tng to simba."""
    values = {"source": ["tng"], "target": ["simba"], **values}
    return run.load("spectra", [*SPECTRA, *overrides], data=spectra, **values)
