import pytest
from tiny_catalogs import subhalos, write_catalog, write_table

from dagnn.catalogs.collection import load_suite
from dagnn.catalogs.layouts import find_layouts, find_table, natural_order
from dagnn.catalogs.suites import find_suite
from dagnn.errors import MismatchError, MissingChunkError, MissingDataError, UsageError
from dagnn.inspect import inspect_path

TNG, EAGLE = find_suite("tng"), find_suite("eagle")
SIMS = ("LH_2", "LH_10")

LAYOUTS = {
    "current": "FOF_Subfind/IllustrisTNG/L25n256/LH/{sim}/groups_090.hdf5",
    "current without the top folder": "IllustrisTNG/L25n256/LH/{sim}/groups_090.hdf5",
    "current, old file names": "IllustrisTNG/L25n256/LH/{sim}/fof_subhalo_tab_033.hdf5",
    "no volume": "FOF_Subfind/IllustrisTNG/LH/{sim}/groups_090.hdf5",
    "old": "FOF_Subfind/IllustrisTNG/LH/{sim}/fof_subhalo_tab_033.hdf5",
    "older": "FOF_Subfind/IllustrisTNG/{sim}/fof_subhalo_tab_033.hdf5",
    "oldest": "Sims/IllustrisTNG/{sim}/fof_subhalo_tab_033.hdf5",
    "flat": "IllustrisTNG_{sim}_fof_subhalo_tab_033.hdf5",
    "flat, current names": "IllustrisTNG_{sim}_groups_090.hdf5",
}
CHUNKED = {
    "current": "IllustrisTNG/L25n256/LH/{sim}/groups_090/fof_subhalo_tab_090.{chunk}.hdf5",
    "old": "FOF_Subfind/IllustrisTNG/LH/{sim}/groups_033/fof_subhalo_tab_033.{chunk}.hdf5",
    "older": "IllustrisTNG/{sim}/groups_033/fof_subhalo_tab_033.{chunk}.hdf5",
}


@pytest.mark.parametrize("pattern", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_is_found_and_read(tmp_path, pattern):
    for sim in (*SIMS, "LH_old.bak"):
        write_catalog(tmp_path / pattern.format(sim=sim))
    write_catalog(tmp_path / pattern.format(sim="LH_2").replace("LH", "CV"))
    write_table(tmp_path / "CosmoAstroSeed_params_IllustrisTNG.txt", list(SIMS))
    (layout,) = find_layouts(TNG, tmp_path, "LH", 0.0)
    assert list(layout.files) == list(SIMS)
    suite = load_suite("tng", tmp_path)
    assert suite.ids == SIMS
    assert suite.truth[:, 0].tolist() == [0.3, 0.30001]
    assert [catalog.simulation for catalog in suite.catalogs] == list(SIMS)


@pytest.mark.parametrize("pattern", CHUNKED.values(), ids=CHUNKED)
def test_chunked_layouts(tmp_path, pattern):
    for sim in SIMS:
        for k in range(11):
            path = tmp_path / pattern.format(sim=sim, chunk=k)
            write_catalog(path, subhalos(4, 3, seed=k), total=44, NumFiles=11)
    write_table(tmp_path / "CosmoAstroSeed_params_IllustrisTNG.txt", list(SIMS))
    suite = load_suite("tng", tmp_path)
    assert suite.ids == SIMS
    assert [len(catalog) for catalog in suite.catalogs] == [33, 33]
    first = subhalos(4, 3, seed=2)["SubhaloPos"][0]
    assert suite.catalogs[0].columns["position"][6].tolist() == first.tolist()
    (tmp_path / pattern.format(sim="LH_10", chunk=4)).unlink()
    with pytest.raises(MissingChunkError, match=r"LH_10.*Missing: chunk 4"):
        load_suite("tng", tmp_path)


def test_spellings_of_a_suite(tmp_path):
    for folder in EAGLE.spellings:
        root = tmp_path / folder / "data"
        write_catalog(root / folder / "L25n256/LH/LH_0/groups_090.hdf5")
        assert list(find_layouts(EAGLE, root, "LH", 0.0)[0].files) == ["LH_0"]


def test_other_volume_needs_its_folder(tmp_path):
    write_catalog(tmp_path / "IllustrisTNG/L50n512/SB35/SB35_0/groups_090.hdf5", BoxSize=50000.0)
    write_catalog(tmp_path / "IllustrisTNG/SB35/SB35_1/groups_090.hdf5")
    (layout,) = find_layouts(TNG, tmp_path, "SB35", 0.0, volume="L50n512")
    assert list(layout.files) == ["SB35_0"]
    (layout,) = find_layouts(TNG, tmp_path, "SB35", 0.0)
    assert list(layout.files) == ["SB35_1"]


@pytest.mark.parametrize("template", ["my/{suite}-{set}/box{i}.h5", "{volume}/{sim}/cat.hdf5"])
def test_templates_of_the_user(tmp_path, template):
    for k in (3, 12):
        known = {"suite": "IllustrisTNG", "set": "LH", "volume": "L25n256"}
        write_catalog(tmp_path / template.format(**known, i=k, sim=f"LH_{k}"))
    (layout,) = find_layouts(TNG, tmp_path, "LH", 0.0, template=template)
    assert list(layout.files) == ["LH_3", "LH_12"]
    (layout,) = find_layouts(TNG, tmp_path, "LH", 0.0, template=str(tmp_path / template))
    assert list(layout.files) == ["LH_3", "LH_12"]
    write_table(tmp_path / "CosmoAstroSeed_params_IllustrisTNG.txt", ["LH_3", "LH_12"])
    assert load_suite("tng", tmp_path, template=template).ids == ("LH_3", "LH_12")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{suit}/{sim}.hdf5", r"Unknown placeholder {suit}.*Did you mean 'suite'"),
        ("{suite}.hdf5", "needs either {sim} or {i}"),
        ("{sim}/{i}.hdf5", "needs either {sim} or {i}"),
        ("{suite}/{sim.hdf5", "not well formed"),
    ],
)
def test_templates_that_cannot_be_meant(tmp_path, template, message):
    with pytest.raises(UsageError, match=message):
        find_layouts(TNG, tmp_path, "LH", 0.0, template=template)


def test_the_header_decides_what_a_snapshot_number_means(tmp_path):
    # Number 10 is z = 2 in the old numbering and z = 7.2 in the current one.
    write_catalog(tmp_path / "IllustrisTNG/L25n256/LH/LH_0/groups_010.hdf5", Redshift=7.24)
    write_catalog(tmp_path / "IllustrisTNG/LH/LH_0/fof_subhalo_tab_010.hdf5", Redshift=2.0)
    write_table(tmp_path / "CosmoAstroSeed_params_IllustrisTNG.txt", ["LH_0"])
    assert len(find_layouts(TNG, tmp_path, "LH", 2.0)) == 2
    suite = load_suite("tng", tmp_path, redshift=2.0)
    assert suite.catalogs[0].redshift == 2.0
    assert suite.catalogs[0].path.name == "fof_subhalo_tab_010.hdf5"
    (tmp_path / "IllustrisTNG/LH/LH_0/fof_subhalo_tab_010.hdf5").unlink()
    with pytest.raises(MismatchError, match=r"7.240 where 2.000"):
        load_suite("tng", tmp_path, redshift=2.0)
    write_catalog(tmp_path / "IllustrisTNG/LH/LH_0/groups_010.hdf5", Redshift=7.24)
    with pytest.raises(MismatchError, match=r"No file is at redshift 2: .* z = 7.24"):
        load_suite("tng", tmp_path, redshift=2.0)


def test_nothing_found_lists_what_was_tried_and_what_exists(tmp_path):
    write_catalog(tmp_path / "SIMBA" / "LH" / "LH_0" / "groups_090.hdf5")
    with pytest.raises(MissingDataError) as raised:
        find_layouts(TNG, tmp_path, "LH", 0.0)
    text = str(raised.value)
    assert "snapshot 090 or 033" in text
    assert "{suite}/{volume}/{set}/{sim}/groups_{snap:03d}.hdf5" in text
    assert "SIMBA/, SIMBA/LH/" in text


def test_missing_root_and_unknown_set(tmp_path):
    with pytest.raises(MissingDataError, match="does not exist"):
        find_layouts(TNG, tmp_path / "none", "LH", 0.0)
    with pytest.raises(UsageError, match="Did you mean 'LH'"):
        find_layouts(TNG, tmp_path, "LHC", 0.0)


TABLES = [
    "Parameters/EAGLE/CosmoAstroSeed_SwiftEAGLE_L25n256_LH.txt",
    "params/EAGLE/CosmoAstroSeed_SwiftEAGLE_L25n256_LH.txt",
    "CosmoAstroSeed_SwiftEAGLE_L25n256_LH.txt",
    "EAGLE/CosmoAstroSeed_EAGLE_LH.txt",
    "CosmoAstroSeed_EAGLE.txt",
    "FOF_Subfind/EAGLE/CosmoAstroSeed_params.txt",
    "CosmoAstroSeed_params_EAGLE.txt",
]


@pytest.mark.parametrize("place", TABLES)
def test_every_place_of_a_table(tmp_path, place):
    path = write_table(tmp_path / place, ["LH_0"])
    assert find_table(EAGLE, tmp_path, "LH") == path


def test_the_most_specific_table_wins(tmp_path):
    write_table(tmp_path / "CosmoAstroSeed_params_EAGLE.txt", ["LH_0"])
    best = write_table(tmp_path / TABLES[0], ["LH_0"])
    assert find_table(EAGLE, tmp_path, "LH") == best


def test_table_beside_the_catalogue_folder(tmp_path):
    write_table(tmp_path / TABLES[0], ["LH_0"])
    (tmp_path / "FOF_Subfind").mkdir()
    assert find_table(EAGLE, tmp_path / "FOF_Subfind", "LH").is_file()


def test_no_table(tmp_path):
    with pytest.raises(MissingDataError, match=r"(?s)Swift-EAGLE LH.*params_{suite}.txt"):
        find_table(EAGLE, tmp_path, "LH", "L25n256")


def test_a_table_of_another_volume_is_not_taken(tmp_path):
    write_table(tmp_path / "CosmoAstroSeed_params_EAGLE.txt", ["LH_0"])
    with pytest.raises(MissingDataError):
        find_table(EAGLE, tmp_path, "LH", "L50n512")


def test_names_are_ordered_by_number():
    names = ["LH_10", "LH_9", "LH_100", "LH_0"]
    assert sorted(names, key=natural_order) == ["LH_0", "LH_9", "LH_10", "LH_100"]
    names = ["1P_p10_0", "1P_p2_1", "1P_p2_n1", "1P_p2_0"]
    assert sorted(names, key=natural_order) == ["1P_p2_n1", "1P_p2_0", "1P_p2_1", "1P_p10_0"]


NEW = "FOF_Subfind/IllustrisTNG/L25n256/LH/{}/groups_090.hdf5"
OLD = "FOF_Subfind/IllustrisTNG/LH/{}/fof_subhalo_tab_033.hdf5"
TABLE_FILE = "CosmoAstroSeed_params_IllustrisTNG.txt"


def halves(root, new, old, rows=12):
    for number in new:
        write_catalog(root / NEW.format(f"LH_{number}"), subhalos(8, 5, seed=number))
    for number in old:
        write_catalog(root / OLD.format(f"LH_{number}"), subhalos(8, 6, seed=100 + number))
    write_table(root / TABLE_FILE, [f"LH_{number}" for number in range(rows)])


def test_a_set_in_two_layouts_is_read_whole_and_each_box_once(tmp_path):
    halves(tmp_path, new=(0, 2, 10), old=(1, 2, 3))
    suite = load_suite("tng", tmp_path, cache=tmp_path / "cache")
    assert suite.ids == ("LH_0", "LH_1", "LH_2", "LH_3", "LH_10")
    assert suite.truth[:, 0].tolist() == [0.3, 0.30001, 0.30002, 0.30003, 0.3001]
    # LH_2 lies under both names: the current one is preferred.
    assert [len(catalog) for catalog in suite.catalogs] == [5, 6, 5, 6, 5]
    assert suite.coverage.found == suite.coverage.used == 5
    told = str(suite.coverage)
    assert "under two names, used once: 1 (LH_2)" in told
    assert f"7 rows of {TABLE_FILE} have no box" in told
    again = load_suite("tng", tmp_path, cache=tmp_path / "cache")
    assert (again.fingerprint, str(again.coverage)) == (suite.fingerprint, told)


def test_a_link_to_one_box_does_not_hide_the_others(tmp_path):
    halves(tmp_path, new=(0, 1), old=(2, 3))
    link = tmp_path / OLD.format("LH_0")
    link.parent.mkdir()
    link.symlink_to(tmp_path / NEW.format("LH_0"))
    suite = load_suite("tng", tmp_path)
    assert suite.ids == ("LH_0", "LH_1", "LH_2", "LH_3")
    assert "two names" not in str(suite.coverage)


def test_a_second_half_that_comes_later_is_not_hidden_by_the_cache(tmp_path):
    halves(tmp_path, new=(0, 1), old=())
    assert len(load_suite("tng", tmp_path, cache=tmp_path / "cache")) == 2
    halves(tmp_path, new=(0, 1), old=(2, 3))
    assert len(load_suite("tng", tmp_path, cache=tmp_path / "cache")) == 4


def test_the_limit_counts_over_all_layouts(tmp_path):
    halves(tmp_path, new=(1, 3), old=(0, 2), rows=4)
    suite = load_suite("tng", tmp_path, limit=3)
    assert suite.ids == ("LH_0", "LH_1", "LH_2")
    assert str(suite.coverage) == "4 boxes found, 3 used; left out: 1 (beyond the limit: LH_3)"


def test_layouts_at_another_redshift_are_not_mixed_in(tmp_path):
    halves(tmp_path, new=(0, 1), old=(2,), rows=4)
    # In the current numbering, 33 is z = 2.9.
    for sim in ("LH_1", "LH_3"):
        path = tmp_path / NEW.format(sim).replace("090", "033")
        write_catalog(path, Redshift=2.896)
    suite = load_suite("tng", tmp_path)
    assert suite.ids == ("LH_0", "LH_1", "LH_2")
    assert "4 boxes found, 3 used" in str(suite.coverage)
    assert dict(suite.coverage.left_out)["only at another redshift"] == ("LH_3",)


@pytest.mark.parametrize("name", ["LH_0_copy", "LH_0.bak", "LH_00", "LH_0~", "LH_0 (1)", "LH_old"])
def test_what_lies_beside_boxes_is_no_box_and_is_named(tmp_path, name):
    halves(tmp_path, new=(0, 1), old=(), rows=2)
    write_catalog(tmp_path / NEW.format(name))
    write_catalog(tmp_path / NEW.format(".LH_1"))
    suite = load_suite("tng", tmp_path)
    assert suite.ids == ("LH_0", "LH_1")
    assert str(suite.coverage) == f"2 boxes found, 2 used; names of no box: 1 ({name})"
    assert any(name in text for text in inspect_path(tmp_path).warnings)


def test_names_of_the_one_parameter_set(tmp_path):
    names = ["1P_p1_n2", "1P_p1_0", "1P_p10_1", "1P_3_2", "1P_12"]
    for name in (*names, "1P_p1_n2_old", "1P_p1"):
        write_catalog(tmp_path / f"IllustrisTNG/L25n256/1P/{name}/groups_090.hdf5")
    (layout,) = find_layouts(TNG, tmp_path, "1P", 0.0)
    assert sorted(layout.files) == sorted(names)
    assert layout.strange == ("1P_p1", "1P_p1_n2_old")


def test_boxes_without_galaxies_are_counted(tmp_path):
    halves(tmp_path, new=(0,), old=(1,), rows=2)
    write_catalog(tmp_path / OLD.format("LH_1"), subhalos(n_galaxies=0))
    told = "2 boxes found, 1 used; left out: 1 (no galaxies: LH_1)"
    assert str(load_suite("tng", tmp_path).coverage) == told


def test_inspect_counts_boxes_over_layouts(tmp_path):
    halves(tmp_path, new=(0, 1, 2), old=(2, 3))
    facts = dict(inspect_path(tmp_path).facts)
    assert "2 at snapshot 033, 3 at snapshot 090" in facts["IllustrisTNG L25n256 LH"]
    assert facts["  at z = 0.00"] == "4 boxes together, 1 of them under several names (LH_2)"
