"""Mock catalogues made as large and as many as those of CAMELS, for benchmarks of reading."""

import os
from pathlib import Path

import h5py
import numpy as np

SUITES = {"tng": "IllustrisTNG", "simba": "SIMBA"}
SUBHALOES = 16_000
"""In a TNG catalogue of CAMELS; mocks hold little but galaxies."""


def pad(file: Path) -> None:
    """Replace a catalogue, or a link to one, by a copy with dark subhaloes up to the number."""
    real = file.resolve()
    padded = file.with_suffix(".padded")
    with h5py.File(real) as old, h5py.File(padded, "w") as new:
        old.copy("Header", new)
        missing = SUBHALOES - len(old["Subhalo/SubhaloPos"])
        for name in new["Header"].attrs:
            if name.startswith("Nsubgroups"):
                new["Header"].attrs[name] = np.int32(SUBHALOES)
        for name, values in old["Subhalo"].items():
            rows = [(0, missing)] + [(0, 0)] * (values.ndim - 1)
            new.create_dataset(f"Subhalo/{name}", data=np.pad(values[:], rows))
    padded.replace(file)


def multiply(few: Path, many: Path, boxes: int) -> None:
    """Link catalogues to more names, with a parameter table that fits."""
    for suite in SUITES.values():
        table = f"Parameters/{suite}/CosmoAstroSeed_{suite}_L25n256_LH.txt"
        header, *rows = (few / table).read_text().splitlines()
        place, lines = f"FOF_Subfind/{suite}/L25n256/LH", [header]
        for box in range(boxes):
            name, values = rows[box % len(rows)].split(maxsplit=1)
            (many / place / f"LH_{box}").mkdir(parents=True)
            old, new = (
                of / "groups_090.hdf5" for of in (few / place / name, many / place / f"LH_{box}")
            )
            os.link(old, new)
            lines.append(f"LH_{box} {values}")
        (many / table).parent.mkdir(parents=True)
        (many / table).write_text("\n".join(lines) + "\n")
