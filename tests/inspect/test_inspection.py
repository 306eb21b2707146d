import h5py
import numpy as np
import optuna
import pytest
import torch
from tiny_catalogs import subhalos, write_catalog, write_flat_suite, write_table

from dagnn.catalogs.reader import read_catalog
from dagnn.errors import MissingDataError, NotHDF5Error
from dagnn.inspect import inspect_path
from dagnn.inspect.files import inspect_array


def test_catalogue(tmp_path):
    fields = subhalos()
    fields["SubhaloVmax"][1] = np.inf
    fields["SubhaloPos"][0, 0] = 25000.0
    path = write_catalog(tmp_path / "SIMBA_LH_4_groups_090.hdf5", fields, MockGenerator="recipe")
    found = inspect_path(path)
    facts = dict(found.facts)
    assert found.kind == "catalogue"
    assert facts["suite"] == "SIMBA"
    assert facts["simulation"] == "LH_4"
    assert facts["MOCK"] == "made by recipe"
    assert facts["Subhalo/SubhaloPos"] == "(8, 3) float32"
    assert facts["subhaloes"] == "8"
    assert facts["NaN or infinite values"] == "vmax 1"
    assert facts["galaxies"] == "4 with more than 20 star particles"
    assert facts["outside the box"].startswith("1 ")
    assert facts["redshift"] == "0.0000"
    assert "25000" in facts["box"]
    assert "1 galaxies with NaN" in found.problems[0]
    assert not found.healthy


def test_healthy_catalogue_has_no_problems(tmp_path):
    assert inspect_path(write_catalog(tmp_path / "SIMBA_LH_4.hdf5")).healthy


def test_a_path_without_suite_is_a_warning_and_no_problem(tmp_path):
    found = inspect_path(write_catalog(tmp_path / "box_4.hdf5"))
    assert found.healthy
    assert "names no known suite" in found.warnings[0] and "add-your-own" in found.warnings[0]
    assert found.commands == [("To predict", f"dagnn predict RUN {tmp_path / 'box_4.hdf5'}")]


def test_broken_catalogue_is_a_finding_in_the_words_of_the_error(tmp_path):
    path = tmp_path / "SIMBA_LH_4.hdf5"
    path.write_text("<html>gone</html>")
    found = inspect_path(path)
    with pytest.raises(NotHDF5Error) as raised:
        read_catalog(path)
    assert found.problems == [str(raised.value)]


def test_missing_field_still_lists_what_exists(tmp_path):
    fields = subhalos()
    del fields["SubhaloVmax"]
    found = inspect_path(write_catalog(tmp_path / "SIMBA_LH_4.hdf5", fields))
    assert "Subhalo/SubhaloPos" in dict(found.facts)
    assert len(found.problems) == 1
    assert "SubhaloVmax" in found.problems[0]


def test_every_missing_field_is_reported(tmp_path):
    fields = subhalos()
    del fields["SubhaloVmax"], fields["SubhaloPos"]
    found = inspect_path(write_catalog(tmp_path / "SIMBA_LH_4.hdf5", fields))
    assert sum("has no field" in problem for problem in found.problems) == 2


def test_a_broken_table_is_reported_where_nothing_else_lies(tmp_path):
    (tmp_path / "CosmoAstroSeed_params_SIMBA.txt").write_text("nothing\n")
    problems = inspect_path(tmp_path).problems
    assert "has no rows" in problems[-1]


def test_folder_of_chunks(tmp_path):
    folder = tmp_path / "SIMBA" / "LH_0" / "groups_090"
    for k in range(2):
        path = folder / f"fof_subhalo_tab_090.{k}.hdf5"
        write_catalog(path, subhalos(4, 3), total=12, NumFiles=3)
    found = inspect_path(folder)
    assert found.kind == "catalogue"
    assert "Missing: chunk 2" in found.problems[0]


def test_parameter_table(tmp_path):
    path = write_table(tmp_path / "t.txt", ["LH_0", "LH_1"], "#Name Omega0 sigma8 ASN1 x y z seed")
    found = inspect_path(path)
    facts = dict(found.facts)
    assert found.kind == "parameter table"
    assert facts["simulations"] == "2, from LH_0 to LH_1"
    assert facts["Omega_m"] == "0.3 to 0.30001, standard prior 0.1 to 0.5 (spelled Omega0)"
    assert facts["x"] == "1 to 1"
    path.write_text(path.read_text() + "LH_0 .4 .8 1 1 1 1 0\n")
    assert "disagree about LH_0" in inspect_path(path).problems[0]


def test_every_row_that_cannot_be_read_is_reported(tmp_path):
    path = write_table(tmp_path / "t.txt", [f"LH_{k}" for k in range(12)])
    lines = path.read_text().splitlines()
    damaged = [line.rsplit(" ", 1)[0] if 2 < k < 10 else line for k, line in enumerate(lines)]
    path.write_text("\n".join(damaged))
    found = inspect_path(path)
    assert dict(found.facts)["simulations"] == "5, from LH_0 to LH_11"
    assert ["line" in problem for problem in found.problems] == [True] * 5 + [False]
    assert found.problems[-1] == "... and 2 more rows of t.txt cannot be read."


def test_data_folder(tmp_path):
    root = write_flat_suite(tmp_path)
    found = inspect_path(root)
    assert found.kind == "data folder"
    assert found.facts[0] == (
        "IllustrisTNG L25n256 LH",
        "simulations: 3 at snapshot 033; 3 rows in CosmoAstroSeed_params_IllustrisTNG.txt",
    )
    assert found.healthy
    write_table(root / "CosmoAstroSeed_params_IllustrisTNG.txt", ["LH_0", "LH_2"])
    assert "no row for LH_1 (1 in all)" in inspect_path(root).problems[0]


def test_a_folder_of_mocks_says_so(tmp_path):
    root = write_flat_suite(tmp_path)
    assert not any("MOCK" in label for label, _ in inspect_path(root).facts)
    for file in sorted(root.rglob("*.hdf5"))[:2]:
        with h5py.File(file, "a") as opened:
            opened["Header"].attrs["MockGenerator"] = "dagnn"
    assert ("  MOCK", "2 of these files are synthetic") in inspect_path(root).facts


def test_folder_with_nothing_known(tmp_path):
    (tmp_path / "letters").mkdir()
    (problem,) = inspect_path(tmp_path).problems
    assert "There are: letters/" in problem


def test_array(tmp_path):
    path = tmp_path / "measured.npy"
    np.save(path, np.array([[1.0, 2.0], [3.0, np.nan]]))
    found = inspect_array(path)
    assert found.kind == "array"
    assert found.facts[0][1] == "(2, 2) float64, from 1 to 3"
    assert "1 NaN" in found.problems[0]
    path.write_bytes(b"\x93NUMPY")
    assert "cannot be read" in inspect_array(path).problems[0]


def test_weights(tmp_path):
    torch.save({"layers.0.weight": torch.ones(2, 3), "epoch": 5}, tmp_path / "weights_lr_1e-3")
    found = inspect_path(tmp_path / "weights_lr_1e-3")
    assert found.kind == "weights"
    assert ("layers.0.weight", "(2, 3)") in found.facts
    assert ("also holds", "epoch") in found.facts
    torch.save({"w": torch.tensor([torch.nan])}, tmp_path / "bad.pt")
    assert "NaN" in inspect_path(tmp_path / "bad.pt").problems[0]
    (tmp_path / "bad.pt").write_bytes(b"PK\x03\x04 nothing")
    assert "cannot be read as a weight file" in inspect_path(tmp_path / "bad.pt").problems[0]


def test_published_weights(shared):
    for path in (shared / "reference" / "weights").iterdir():
        found = inspect_path(path)
        assert found.kind == "weights"
        assert found.healthy


def test_suite_description(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("inherits: _camels\nname: Mine\nshort_name: mine\nspellings: [Mine]\n")
    assert dict(inspect_path(path).facts)["name"] == "Mine (mine)"
    path.write_text(path.read_text() + "colour: red\n")
    assert "unknown key 'colour'" in inspect_path(path).problems[0]
    path.write_text("a: 1\n")
    assert inspect_path(path).kind == "YAML file"
    path.write_text("a: [1\n")
    assert "not valid YAML" in inspect_path(path).problems[0]


def test_run_folder(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    (tmp_path / "metrics.jsonl").write_text("{}\n{}\n")
    (tmp_path / "results.csv").write_text(
        "suite,role,split,parameter,metric,value,low,high,model\n"
        "tng,source,test,Omega_m,r2,0.912,0.9,0.93,model\n"
    )
    found = inspect_path(tmp_path)
    assert found.kind == "run"
    assert ("epochs", "2") in found.facts
    assert ("model, tng (source), Omega_m", "r2 0.912") in found.facts
    assert "has no checkpoints" in found.problems[0]


def test_unknown_file_and_missing_path(tmp_path):
    (tmp_path / "letter.docx").write_text("Dear")
    assert "of no kind that dagnn knows" in inspect_path(tmp_path / "letter.docx").problems[0]
    with pytest.raises(MissingDataError, match="nothing at"):
        inspect_path(tmp_path / "none")


def test_a_folder_is_opened_file_by_file(tmp_path):
    folder = tmp_path / "FOF_Subfind" / "SIMBA" / "L25n256" / "LH"
    for number, content in enumerate((b"", b"<!DOCTYPE html><html></html>")):
        path = folder / f"LH_{number}" / "groups_090.hdf5"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    problems = inspect_path(tmp_path).problems
    assert sum("groups_090.hdf5" in problem for problem in problems) == 2
    assert any("web page" in problem for problem in problems)


def test_a_text_file_that_is_no_table_is_a_finding(tmp_path):
    (tmp_path / "x.txt").write_text("hello\n")
    assert inspect_path(tmp_path / "x.txt").problems


def test_a_data_folder_ends_with_the_command_that_trains_on_it(tmp_path):
    names = ["LH_0", "LH_1"]
    for suite in ("SIMBA", "IllustrisTNG"):
        for name in names:
            write_catalog(tmp_path / suite / "L25n256/LH" / name / "groups_090.hdf5")
        write_table(tmp_path / f"CosmoAstroSeed_{suite}_L25n256_LH.txt", names)
    ((purpose, command),) = inspect_path(tmp_path).commands
    assert purpose == "To train"
    assert command == f"dagnn train --source tng --target simba --data {tmp_path}"
    (tmp_path / "CosmoAstroSeed_IllustrisTNG_L25n256_LH.txt").unlink()
    found = inspect_path(tmp_path)
    assert "no source" in found.warnings[0] and found.healthy
    assert "--source simba --target tng" in found.commands[0][1]


def test_tables_without_catalogues_are_one_line_per_suite(tmp_path):
    for set_name in ("LH", "CV"):
        table = tmp_path / f"CosmoAstroSeed_SIMBA_L25n256_{set_name}.txt"
        write_table(table, [f"{set_name}_0", f"{set_name}_1"])
    found = inspect_path(tmp_path)
    assert found.facts == [("SIMBA L25n256", "tables of LH (2), CV (2); no catalogues")]
    assert found.commands == []


def test_catalogues_of_an_unknown_suite_tell_what_is_missing(tmp_path):
    first = write_catalog(tmp_path / "Horizon" / "LH_0" / "groups_090.hdf5")
    write_catalog(tmp_path / "Horizon" / "LH_1" / "groups_090.hdf5")
    found = inspect_path(tmp_path)
    facts, commands = dict(found.facts), [command for _, command in found.commands]
    assert facts["HDF5 files"] == "2, such as Horizon/LH_0/groups_090.hdf5"
    assert facts["  the first"] == "5 galaxies at z = 0.00 in a box of 25000 ckpc/h"
    assert "none of the known suites" in found.problems[0]
    assert any("--target mysuite.yaml" in command for command in commands)
    assert f"dagnn predict RUN {first}" in commands
    first.write_text("<html>")
    assert "web page" in inspect_path(tmp_path).problems[1]


def test_a_part_of_a_data_folder_names_the_whole(tmp_path):
    box = write_catalog(tmp_path / "FOF_Subfind/SIMBA/L25n256/LH/LH_0/groups_090.hdf5")
    for part in (box.parent, box.parents[1], box.parents[2]):
        found = inspect_path(part)
        assert "is a part of the data folder" in found.problems[0]
        whole = found.commands[0][1].split()[-1]
        assert any(label.startswith("SIMBA") for label, _ in inspect_path(whole).facts)


def write_pair(root, **broken):
    """Write catalogues of two suites at two snapshots with tables; the broken hold garbage."""
    for name in ("IllustrisTNG", "SIMBA"):
        for snapshot in (33, 18):
            path = root / f"{name}_LH_0_fof_subhalo_tab_{snapshot:03d}.hdf5"
            write_catalog(path)
            if snapshot in broken.get(name, ()):
                path.write_text("garbage")
        write_table(root / f"CosmoAstroSeed_{name}_L25n256_LH.txt", ["LH_0"])
    return inspect_path(root)


def test_no_command_for_suites_whose_every_file_is_garbage(tmp_path):
    found = write_pair(tmp_path, IllustrisTNG=(33, 18), SIMBA=(33, 18))
    assert len(found.problems) == 4 and "is not an HDF5 file" in found.problems[0]
    assert found.commands == []
    assert dict(found.facts)["SIMBA L25n256 LH"].startswith("simulations: 1 at snapshot 018")


def test_the_command_names_what_can_be_read_alone(tmp_path):
    ((purpose, command),) = write_pair(tmp_path / "one", SIMBA=(33, 18)).commands
    assert "no second suite" in purpose and "--source tng" in command and "simba" not in command
    ((_, command),) = write_pair(tmp_path / "early", IllustrisTNG=(33,), SIMBA=(33,)).commands
    assert "--source tng --target simba" in command and "data.redshifts=[" in command


def test_study(tmp_path):
    (tmp_path / "study.yaml").write_text("name: tiny\n")
    assert inspect_path(tmp_path).kind != "study", "a study file may lie beside data"
    (tmp_path / "trials").mkdir()
    (problem,) = inspect_path(tmp_path).problems
    assert "has no study.db" in problem
    database = tmp_path / "study.db"
    study = optuna.create_study(storage=f"sqlite:///{database}")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    study.ask()
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "trials.png").touch()
    found = inspect_path(tmp_path)
    assert found.kind == "study" and found.healthy
    assert dict(found.facts)["trials"] == "2 complete, 1 running"
    database.write_bytes(database.read_bytes()[:5000])
    (tmp_path / "study.yaml").write_text("a: [1\n")
    assert len(inspect_path(tmp_path).problems) == 2
