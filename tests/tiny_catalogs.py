"""Tiny SUBFIND catalogues in the real HDF5 layout."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

BOX = 25000.0
LH_HEADER = "#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed"


def subhalos(n: int = 8, n_galaxies: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    """Return fields as stored; the first ``n_galaxies`` rows have 21 or more star particles."""
    rng = np.random.default_rng(seed)
    stars = np.zeros((n, 6), dtype=np.int32)
    stars[:, 4] = np.where(np.arange(n) < n_galaxies, 21 + np.arange(n), 20)
    return {
        "SubhaloPos": rng.uniform(0, BOX, (n, 3)).astype(np.float32),
        "SubhaloVel": rng.normal(0, 100, (n, 3)).astype(np.float32),
        "SubhaloMassType": rng.uniform(0.01, 1, (n, 6)).astype(np.float32),
        "SubhaloHalfmassRadType": rng.uniform(1, 5, (n, 6)).astype(np.float32),
        "SubhaloStarMetallicity": rng.uniform(0.001, 0.02, n).astype(np.float32),
        "SubhaloVmax": rng.uniform(50, 200, n).astype(np.float32),
        "SubhaloLenType": stars,
    }


def write_catalog(
    path: Path,
    fields: dict[str, np.ndarray] | None = None,
    total: int | None = None,
    **header: Any,
) -> Path:
    """Write a catalogue; header entries replace the usual ones, and None removes them."""
    fields = subhalos() if fields is None else fields
    n = len(fields["SubhaloPos"]) if "SubhaloPos" in fields else 0
    usual = {
        "BoxSize": BOX,
        "Redshift": 0.0,
        "Omega0": 0.3,
        "NumFiles": 1,
        "Nsubgroups_ThisFile": n,
        "Nsubgroups_Total": n if total is None else total,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        group = file.create_group("Header")
        for name, value in {**usual, **header}.items():
            if value is not None:
                group.attrs[name] = value
        file.create_group("Subhalo")
        for name, values in fields.items():
            file[f"Subhalo/{name}"] = values
    return path


def write_table(path: Path, names: list[str], header: str = LH_HEADER) -> Path:
    """Write a table whose Omega_m is 0.3 plus a thousandth of the row number."""
    rows = [f"{name} {0.3 + k / 1e5:.5f} 0.8 1 1 1 1 {k}" for k, name in enumerate(names)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def write_flat_suite(root: Path, simulations: int = 3) -> Path:
    """Write a flat cache of TNG boxes with its table beside."""
    names = [f"LH_{k}" for k in range(simulations)]
    for k, name in enumerate(names):
        fields = subhalos(n=8 + k, n_galaxies=4 + k, seed=k)
        write_catalog(root / f"IllustrisTNG_{name}_fof_subhalo_tab_033.hdf5", fields)
    write_table(root / "CosmoAstroSeed_params_IllustrisTNG.txt", names)
    return root
