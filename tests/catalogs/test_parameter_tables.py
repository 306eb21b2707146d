from pathlib import Path

import numpy as np
import pytest
from tiny_catalogs import LH_HEADER, write_table

from dagnn.catalogs import read_table
from dagnn.errors import MissingDataError, MissingFieldError, TableError, UnknownSimulationError

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "camels" / "params"
FILES = sorted(PUBLISHED.glob("*/CosmoAstroSeed_*.txt"))


def by_hand(path: Path) -> tuple[list[str], np.ndarray, list[int]]:
    """Read a table in the plainest way."""
    lines = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    numbers = np.array([[float(token) for token in line[1:-1]] for line in lines])
    return [line[0] for line in lines], numbers, [int(line[-1]) for line in lines]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_published_table(path):
    names, numbers, seeds = by_hand(path)
    table = read_table(path)
    assert list(table.names) == names
    assert table.columns[:2] == ("Omega_m", "sigma_8")
    np.testing.assert_array_equal(table.rows, numbers)
    assert table.seeds.dtype == np.int64
    assert table.seeds.tolist() == seeds
    assert not any(column.startswith("p3") for column in table.columns)
    low, high = numbers[:, 0].min(), numbers[:, 0].max()
    assert 0.1 <= low <= high <= 0.5


def test_all_published_tables_are_there(shared):
    assert len(FILES) == 32


def test_values_by_name_and_alias(shared):
    folder = shared / "camels" / "params"
    simba = read_table(folder / "SIMBA" / "CosmoAstroSeed_SIMBA_L25n256_LH.txt")
    assert simba.values("LH_3", ["Omega_m", "omega0", "aagn2"]).tolist() == [
        0.2398,
        0.2398,
        1.08147,
    ]
    assert simba.seeds.max() == 5892999999999
    ramses = read_table(folder / "Ramses" / "CosmoAstroSeed_Ramses_L25n256_CV.txt")
    assert ramses.values("CV_0", ["A_AGN1", "A_SN2"]).tolist() == [4.0, 0.5]


def test_headerless_tables_take_names_from_the_info_file(shared):
    tng = shared / "camels" / "params" / "IllustrisTNG"
    table = read_table(tng / "CosmoAstroSeed_IllustrisTNG_L25n256_SB28.txt")
    assert table.columns[2] == "WindEnergyIn1e51erg"
    assert table.columns[6:9] == ("Omega_b", "h", "n_s")
    assert len(table.columns) == 28


def test_headerless_table_alone_knows_two_names(tmp_path):
    path = tmp_path / "CosmoAstroSeed_X_L25n256_LH.txt"
    path.write_text("LH_0 0.3 0.8 1.5 2.5 77\n")
    table = read_table(path)
    assert table.columns == ("Omega_m", "sigma_8", "p3", "p4")
    assert table.seeds.tolist() == [77]


@pytest.mark.parametrize(
    "header",
    [
        "#Name Omega_m sigma_8 seed",
        "# Name\tOmega0\tsigma8\tseed  ",
        "# sim_name Omega0 sigma_8 Seed",
        "Name Omega_m sigma_8 seed",
        "# a remark\n#Name Omega_m sigma_8 seed",
    ],
)
def test_header_spellings(tmp_path, header):
    path = tmp_path / "t.txt"
    path.write_text(f"{header}\n\n  LH_0 \t0.3\t0.8   5  \nLH_1 0.2 0.7 6\n\n")
    table = read_table(path)
    assert table.columns == ("Omega_m", "sigma_8")
    assert table.values("LH_1", ["sigma_8", "Omega_m"]).tolist() == [0.7, 0.2]
    assert table.seeds.tolist() == [5, 6]


def test_table_without_seeds(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("name,Omega_m,my_own\nbox,0.3,0.8\n")
    table = read_table(path)
    assert table.seeds is None
    assert table.columns == ("Omega_m", "my_own")


def test_order_of_rows_does_not_matter(tmp_path):
    forward = read_table(write_table(tmp_path / "a.txt", ["LH_0", "LH_1", "LH_2"]))
    lines = (tmp_path / "a.txt").read_text().splitlines()
    (tmp_path / "b.txt").write_text("\n".join([lines[0], *reversed(lines[1:])]))
    backward = read_table(tmp_path / "b.txt")
    names = ["LH_2", "LH_0"]
    np.testing.assert_array_equal(
        forward.truth(names, ["Omega_m"]), backward.truth(names, ["Omega_m"])
    )


def test_unknown_simulation_names_the_nearest(tmp_path):
    table = read_table(write_table(tmp_path / "t.txt", ["LH_0", "LH_11"]))
    with pytest.raises(UnknownSimulationError, match=r"'LH_12'. Did you mean 'LH_11'\? It lists 2"):
        table.values("LH_12", ["Omega_m"])
    assert "LH_11" in table
    assert "LH_12" not in table


def test_unknown_parameter_lists_the_columns(tmp_path):
    table = read_table(write_table(tmp_path / "t.txt", ["LH_0"]))
    with pytest.raises(MissingFieldError, match=r"'Omega_b'.*Known:.*sigma_8"):
        table.values("LH_0", ["Omega_b"])


def test_repeated_rows(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text(f"{LH_HEADER}\nLH_0 .3 .8 1 1 1 1 5\nLH_0 .3 .8 1 1 1 1 5\n")
    assert read_table(path).repeated == ("LH_0",)
    path.write_text(f"{LH_HEADER}\nLH_0 .3 .8 1 1 1 1 5\nLH_0 .4 .8 1 1 1 1 5\n")
    with pytest.raises(TableError, match="lines 2 and 3 disagree about LH_0"):
        read_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows"),
        (LH_HEADER, "no rows"),
        (f"{LH_HEADER}\nLH_0 1 2 3\n", "header names 7 columns.*rows hold 3"),
        ("LH_0 .3 .8 1\nLH_1 .3\n", "line 2: expected a name and 3 numbers"),
        ("LH_0 .3 .8 1\nLH_1 .3 many 1\n", "line 2"),
        ("0.3 0.8 1\n0.2 0.9 1\n", "must begin with the simulation's name"),
        ("#Name Omega_m Omega0 seed\nLH_0 .3 .3 1\n", "more than one column for Omega_m"),
        ("#Name Omega_m seed\nLH_0 .3 1.5\n", "seed is not a 64-bit integer"),
        ("<!DOCTYPE html><html>", "web page"),
    ],
)
def test_broken_tables(tmp_path, content, message):
    path = tmp_path / "broken.txt"
    path.write_text(content)
    with pytest.raises(TableError, match=message) as raised:
        read_table(path)
    assert "broken.txt" in str(raised.value)


def test_binary_and_missing_tables(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match="not a text file"):
        read_table(tmp_path / "b.txt")
    with pytest.raises(MissingDataError, match=r"none\.txt"):
        read_table(tmp_path / "none.txt")


def test_repr_tells(tmp_path):
    table = read_table(write_table(tmp_path / "t.txt", ["LH_0"]))
    assert repr(table) == "ParameterTable(t.txt: 1 simulations, 6 parameters)"
