"""Write a mock catalogue as a CAMELS group file: same groups, fields, types and units."""

import io
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.hdf5 import MOCK_MARK
from dagnn.files import atomic_path
from dagnn.mocks.cosmology import CRITICAL_DENSITY, HUBBLE, OMEGA_B
from dagnn.mocks.field import BOX
from dagnn.mocks.galaxies import Galaxies

STAMP = "dagnn peak patches + particle mesh + scaling relations (not a simulation)"
GAS, DARK, STARS = 0, 1, 4  # particle types
RESOLUTION = 256  # particles per side of the boxes that are imitated
BOX_KPC = np.float32(1000.0 * BOX)


def particle_masses(omega_m: float) -> tuple[float, float]:
    """Return the masses of a dark-matter and of a gas particle in a L25n256 box, Msun/h."""
    per_omega = CRITICAL_DENSITY * BOX**3 / RESOLUTION**3
    return per_omega * (omega_m - OMEGA_B), per_omega * OMEGA_B


def _by_type(
    count: int, dtype: type, columns: Mapping[int, NDArray[np.generic]]
) -> NDArray[np.generic]:
    table: NDArray[np.generic] = np.zeros((count, 6), dtype=dtype)
    for particle_type, column in columns.items():
        table[:, particle_type] = column
    return table


def subhalo_fields(galaxies: Galaxies, omega_m: float) -> dict[str, NDArray[np.generic]]:
    """Return the datasets of the ``Subhalo`` group, in CAMELS units and types.

    Masses are in 1e10 Msun/h, lengths in comoving kpc/h, velocities in km/s.
    """
    dark_particle, gas_particle = particle_masses(omega_m)
    masses = {
        GAS: galaxies.gas_mass * 1e-10,
        DARK: galaxies.dark_mass * 1e-10,
        STARS: galaxies.stellar_mass * 1e-10,
    }
    particles = {
        GAS: np.rint(galaxies.gas_mass / gas_particle),
        DARK: np.rint(galaxies.dark_mass / dark_particle),
        STARS: galaxies.star_particles,
    }
    halo_size = 100.0 * np.cbrt(galaxies.dark_mass / 1e12)
    radii = {GAS: 3.0 * galaxies.size, DARK: halo_size, STARS: galaxies.size}
    position = (1000.0 * galaxies.position).astype(np.float32)
    count = len(galaxies)
    return {
        "SubhaloPos": np.where(position >= BOX_KPC, np.float32(0.0), position),
        "SubhaloVel": galaxies.velocity.astype(np.float32),
        "SubhaloMass": np.sum(list(masses.values()), axis=0).astype(np.float32),
        "SubhaloMassType": _by_type(count, np.float32, masses),
        "SubhaloLen": np.sum(list(particles.values()), axis=0).astype(np.int32),
        "SubhaloLenType": _by_type(count, np.int32, particles),
        "SubhaloHalfmassRadType": _by_type(count, np.float32, radii),
        "SubhaloStarMetallicity": galaxies.metallicity.astype(np.float32),
        "SubhaloVmax": galaxies.v_max.astype(np.float32),
    }


def header(count: int, omega_m: float) -> dict[str, object]:
    """Return the attributes of the ``Header`` group."""
    return {
        "BoxSize": float(BOX_KPC),
        "HubbleParam": HUBBLE,
        "Omega0": float(omega_m),
        "OmegaBaryon": OMEGA_B,
        "OmegaLambda": 1.0 - float(omega_m),
        "Redshift": 0.0,
        "Time": 1.0,
        "NumFiles": np.int32(1),
        "Nsubgroups_ThisFile": np.int32(count),
        "Nsubgroups_Total": np.int32(count),
        MOCK_MARK: STAMP,
    }


def write_catalog(path: Path, galaxies: Galaxies, omega_m: float) -> None:
    """Write one group file; the same galaxies give the same bytes.

    The file appears under its name only when it is complete.
    """
    # In memory first: a full disk makes HDF5 fail in ways of its own.
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_group("Header").attrs.update(header(len(galaxies), omega_m))
        group = file.create_group("Subhalo")
        for name, values in subhalo_fields(galaxies, omega_m).items():
            group.create_dataset(name, data=values, track_times=False)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
