import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from tiny_catalogs import LH_HEADER, write_table

from dagnn.catalogs.tables import read_table
from dagnn.errors import MissingDataError, MissingFieldError, TableError, UnknownSimulationError
from dagnn.inspect import inspect_path

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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_published_table_is_healthy(path):
    assert inspect_path(path).problems == []


def test_all_published_tables_are_there(shared):
    assert len(FILES) == 32


def test_values_by_name_and_alias(shared):
    folder = shared / "camels" / "params"
    simba = read_table(folder / "SIMBA" / "CosmoAstroSeed_SIMBA_L25n256_LH.txt")
    assert simba.truth(["LH_3"], ["Omega_m", "omega0", "aagn2"])[0].tolist() == [
        0.2398,
        0.2398,
        1.08147,
    ]
    assert simba.seeds.max() == 5892999999999
    ramses = read_table(folder / "Ramses" / "CosmoAstroSeed_Ramses_L25n256_CV.txt")
    assert ramses.truth(["CV_0"], ["A_AGN1", "A_SN2"])[0].tolist() == [4.0, 0.5]


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
    assert table.truth(["LH_1"], ["sigma_8", "Omega_m"])[0].tolist() == [0.7, 0.2]
    assert table.seeds.tolist() == [5, 6]


ROWS = {"LH_0": ["0.309", "0.979", "3.1", "1.1", "0.6", "0.5", "7"]}
ROWS["LH_1"] = ["0.302", "0.939", "3.4", "3.9", "1.0", "1.1", "8"]
WORDS = ["Omega_m", "sigma_8", "A_SN1", "A_AGN1", "A_SN2", "A_AGN2", "seed"]


def write_rows(path: Path, header: str, separator: str = " ") -> Path:
    """Write two boxes below a header."""
    rows = [separator.join([name, *cells]) for name, cells in ROWS.items()]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def is_right(path: Path) -> bool:
    """Tell whether a table holds the two boxes as they are."""
    table = read_table(path)
    expected = [[float(cell) for cell in cells[:-1]] for cells in ROWS.values()]
    assert table.truth(["LH_0", "LH_1"], WORDS[:-1]).tolist() == expected
    return table.seeds is not None and table.seeds.tolist() == [7, 8]


@pytest.mark.parametrize(
    "name", ["#Name ", "# sim_name ", "sim ", "# simulation name ", "# realization ", "box ", "# "]
)
@pytest.mark.parametrize("seed", [" seed", " random_seed", ""])
def test_the_words_of_a_header_tell_its_columns(tmp_path, name, seed):
    header = f"{name}{' '.join(WORDS[:-1])}{seed}"
    assert is_right(write_rows(tmp_path / "t.txt", header))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (f"# Halo {' '.join(WORDS[:-1])}", "two ways.*'Halo' stands above.*1 of the 7.*'Halo' is"),
        (f"# Halo {' '.join(WORDS[:-2])}", "two ways.*2 of the 7"),
        (f"#Name {' '.join(WORDS[:-2])}", "names 5 columns.*rows hold 7"),
        (f"#Name {' '.join(WORDS)} more", "names 8 columns.*rows hold 7"),
        (f"#Name Omega_m (matter) {' '.join(WORDS[1:-1])}", "two ways.*A_AGN2.*7 for LH_0.*seed"),
        (f"# mine Name {' '.join(WORDS[:-1])}", "'Name', which is not its first word"),
        ("#Name Omega_m sigma_8 x A_AGN1 A_SN2 A_AGN2", "names 6 columns"),
        ("\n".join(f"# {k} {word}" for k, word in enumerate(WORDS)), "two ways"),
        (f"#Name {' '.join(WORDS)}\n#Name {' '.join(reversed(WORDS))}", "header may be"),
    ],
)
def test_a_header_that_can_be_read_in_two_ways_is_refused(tmp_path, header, message):
    with pytest.raises(TableError, match=f"t.txt.*{message}"):
        read_table(write_rows(tmp_path / "t.txt", header))


def test_other_orders_and_columns_are_read_by_their_words(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("#Name seed sigma8 mine ASN1 Omega0[-]\nLH_0 5 0.8 9.9 1.5 0.3\n")
    table = read_table(path)
    assert table.truth(["LH_0"], ["Omega_m", "sigma_8", "A_SN1", "mine"])[0].tolist() == [
        0.3,
        0.8,
        1.5,
        9.9,
    ]
    assert table.seeds.tolist() == [5]
    path.write_text("#Name Omega_m S_8\nLH_0 0.3 0.9\n")
    with pytest.raises(MissingFieldError, match="sigma_8"):  # S_8 is another parameter
        read_table(path).truth(["LH_0"], ["sigma_8"])[0]


def test_a_second_header_between_the_rows_is_refused(tmp_path):
    path = write_rows(tmp_path / "t.txt", f"#Name {' '.join(WORDS)}")
    path.write_text(path.read_text() + "#Name sigma_8 Omega_m A_SN1 A_AGN1 A_SN2 A_AGN2 seed\n")
    with pytest.raises(TableError, match="line 4 is a header with other columns"):
        read_table(path)


def reworded(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


PLAIN = "#" + "\n".join(
    " ".join(line) for line in [["Name", *WORDS], *([n, *c] for n, c in ROWS.items())]
)
DIALECTS = {
    "Fortran": reworded(PLAIN, "0.309", "3.09D-01"),
    "Unicode minus": reworded(PLAIN, "0.309", "3.09e\u221201"),
    "trailing comment": reworded(PLAIN, "0.5 7", "0.5 7  # fiducial, Omega_m = 0.3"),
    "rule": reworded(PLAIN, "seed\n", "seed\n-----------\n"),
    "comment rule": reworded(PLAIN, "seed\n", "seed\n#----------\n"),
    "units": reworded(PLAIN, "seed\n", "seed\n# unit - - - - - - -\n"),
    "units below": reworded(PLAIN, "seed\n", "seed\nstring none none none none none none int\n"),
    "remarks": "# made by a script\n# 2 boxes\n" + PLAIN + "\n# the end\n",
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "tabs": PLAIN.replace(" ", "\t"),
    "blanks": PLAIN.replace(" ", " " * 1000),
    "commas": PLAIN.replace("#", "").replace(" ", ","),
    "commas and blanks": PLAIN.replace(" ", ", "),
    "semicolons": PLAIN.replace(" ", ";"),
    "bars": PLAIN.replace(" ", " | ").replace("\n", " |\n| "),
    "quotes": PLAIN.replace("#", "").replace("LH_0", '"LH_0"').replace(" ", ","),
    "all quoted": '"' + PLAIN.replace("#", "").replace(" ", '","').replace("\n", '"\n"') + '"',
    "single quotes": PLAIN.replace("LH_0", "'LH_0'"),
    "closing comma": PLAIN.replace("#", "").replace(" ", ",").replace("\n", ",\n"),
    "index": PLAIN.replace("#Name", "").replace(" ", ","),
    "float seeds": reworded(PLAIN, "0.5 7", "0.5 7.0"),
    "no header": PLAIN.split("\n", 1)[1],
    "Fortran without header": reworded(PLAIN, "0.309", "3.09D-01").split("\n", 1)[1],
}  # fmt: skip
ENCODINGS = {
    "BOM": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "xz": lambda text: lzma.compress(text.encode()),
}


@pytest.mark.parametrize("content", DIALECTS.values(), ids=DIALECTS)
def test_dialects(tmp_path, content):
    path = tmp_path / "CosmoAstroSeed_X.txt"
    path.write_bytes(content.encode())
    if "Name" in content or content.startswith(","):
        assert is_right(path)
    else:
        assert read_table(path).truth(["LH_0", "LH_1"], WORDS[:2]).tolist() == [
            [0.309, 0.979],
            [0.302, 0.939],
        ]


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_encodings(tmp_path, encode):
    (tmp_path / "t.txt").write_bytes(encode(PLAIN))
    assert is_right(tmp_path / "t.txt")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.309", "nan", "1 values are missing.*Omega_m of LH_0 .line 2: 'nan'"),
        ("0.309", "-", "Omega_m of LH_0 .line 2: '-'"),
        ("0.939", "N/A", "sigma_8 of LH_1 .line 3: 'N/A'"),
        ("0.939", "1e999", "not finite.*sigma_8 of LH_1"),
        ("0.309", "0,309", "line 2.*Decimal commas are not read"),
        ("0.309 0.979", "0.309,0.979", "line 2.*'0.979 3.1 1.1 0.6 0.5 7' is no number"),
        ("0.309", "1_0", "line 2.*'1_0' is no number"),
        ("0.5 7", "0.5 7 fiducial", "line 2.*'fiducial' is no number"),
    ],
)
def test_values_that_are_none_are_refused(tmp_path, old, new, message):
    (tmp_path / "t.txt").write_text(reworded(PLAIN, old, new))
    with pytest.raises(TableError, match=f"t.txt.*{message}"):
        read_table(tmp_path / "t.txt")


def test_empty_cells_shift_nothing(tmp_path):
    (tmp_path / "t.csv").write_text("LH_0,0.3,,1.2,5\nLH_1,0.2,,1.3,6\n")
    with pytest.raises(TableError, match=r"2 values are missing.*sigma_8 of LH_0"):
        read_table(tmp_path / "t.csv")


def test_a_headerless_table_must_begin_with_the_cosmology(tmp_path):
    (tmp_path / "t.csv").write_text("LH_0,0,3,0,8,5\n")
    with pytest.raises(TableError, match=r"no header.*column 2.*Omega_m, holds 0 for LH_0"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("table", "info", "found"),
    [
        ("IllustrisTNG_L25n256_X", "IllustrisTNG_L25n256", True),
        ("IllustrisTNG_X", "IllustrisTNG_L25n256", True),
        ("SwiftEAGLE_L25n256_X", "EAGLE_L25n256", True),
        ("CROCODILE_L25n256_X", "crocodile_L25n256", True),
        ("IllustrisTNG_L25n256_X", "SIMBA_L25n256", False),
        ("IllustrisTNG_L25n256_X", "IllustrisTNG_L50n512", False),
        ("CROCODILE_L25n256_X", "Ramses_L25n256", False),
        ("params", "SIMBA_L25n256", False),
    ],
)
def test_info_files_belong_to_a_suite(tmp_path, table, info, found):
    path = tmp_path / f"CosmoAstroSeed_{table}.txt"
    path.write_text("X_0 0.3 0.8 1.5 77\n")
    (tmp_path / f"Info_{info}_3params.csv").write_text("ParamName,x\nOmega0,1\nsigma8,1\nASN1,1\n")
    columns = read_table(path).columns
    assert columns == ("Omega_m", "sigma_8", "A_SN1" if found else "p3")
    if not found:
        with pytest.raises(MissingFieldError, match=r"'A_SN1'.*the Info file of the same suite"):
            read_table(path).truth(["X_0"], ["A_SN1"])[0]


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
        table.truth(["LH_12"], ["Omega_m"])[0]
    assert "LH_11" in table
    assert "LH_12" not in table


def test_unknown_parameter_lists_the_columns(tmp_path):
    table = read_table(write_table(tmp_path / "t.txt", ["LH_0"]))
    with pytest.raises(MissingFieldError, match=r"'Omega_b'.*Known:.*sigma_8"):
        table.truth(["LH_0"], ["Omega_b"])


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
