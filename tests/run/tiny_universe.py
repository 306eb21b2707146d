"""Suites of small boxes in the real layout."""

from pathlib import Path

import h5py
import numpy as np

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
