"""What is said of power spectra, of what lacks, and of the command that would use them."""

import shlex
import shutil

import numpy as np
import pytest
from loaded_spectra import load_spectra
from typer.testing import CliRunner

from dagnn.cli import app
from dagnn.errors import MismatchError
from dagnn.inspect import inspect_path, show
from dagnn.inspect.spectra import spectra_files

FINDINGS = 3
"""Exit code of ``dagnn inspect`` where something is wrong."""
NAMES = ("IllustrisTNG", "SIMBA")


@pytest.fixture
def data(tmp_path):
    power = np.random.default_rng(0).uniform(1, 100, (6, 8))
    np.savetxt(tmp_path / "k_values.txt", np.arange(1.0, 9.0))
    for name in NAMES:
        np.save(tmp_path / f"Pk_galaxies_{name}_LH_33_kmax=20.0.npy", power)
        rows = [f"LH_{i} {0.1 + i / 20:.2f} 0.8 1 1 1 1 {i}" for i in range(6)]
        table = tmp_path / f"CosmoAstroSeed_{name}_L25n256_LH.txt"
        table.write_text("#Name Omega_m sigma_8 A_SN1 A_AGN1 A_SN2 A_AGN2 seed\n" + "\n".join(rows))
    return tmp_path


def pk(data, name="SIMBA", snapshot=33):
    return data / f"Pk_galaxies_{name}_LH_{snapshot}_kmax=20.0.npy"


def test_a_file_tells_suite_redshift_rows_wavenumbers_and_labels(data):
    found = inspect_path(pk(data))
    facts = dict(found.facts)
    assert found.kind == "power spectra" and found.healthy and not found.warnings
    assert facts["suite and set"] == "SIMBA LH"
    assert facts["snapshot"] == "033 in the old numbering, z = 0"
    assert facts["spectra"].startswith("6 of 8 columns, from 1") and "LH_i" in facts["spectra"]
    assert facts["wavenumbers"] == "8 in k_values.txt, 1 to 8 h/Mpc"
    assert facts["labels"] == "6 rows in CosmoAstroSeed_SIMBA_L25n256_LH.txt"
    assert dict(found.commands)["To predict"] == f"dagnn predict RUN {shlex.quote(str(pk(data)))}"


def test_a_folder_ends_with_the_command_that_trains_on_it(data):
    found = inspect_path(data)
    assert found.kind == "data folder" and found.healthy and not found.warnings
    assert dict(found.commands)["To train"] == (
        f"dagnn train --config spectra --source tng --target simba --data {data}"
    )
    for name in NAMES:
        assert (f"{name} LH spectra", "1") in found.facts


def test_at_another_redshift_the_command_says_so(data):
    for name in NAMES:
        pk(data, name).rename(pk(data, name, 18))
    (command, *_) = [text for _, text in inspect_path(data).commands]
    assert "--set 'data.redshifts=[1.045]'" in command


def test_one_suite_alone_is_trained_on_without_a_target(data):
    pk(data).unlink()
    ((purpose, command), *_) = inspect_path(data).commands
    assert "no second suite" in purpose and "--set 'target=[]'" in command


def test_without_a_table_spectra_can_be_a_target_only(data):
    (data / "CosmoAstroSeed_SIMBA_L25n256_LH.txt").unlink()
    found = inspect_path(data)
    assert found.healthy and "no parameter table" in found.warnings[0]
    assert "--source tng --target simba" in dict(found.commands)["To train"]


def test_a_name_that_training_does_not_look_for_is_a_warning(data):
    pk(data).rename(pk(data, "Horizon"))
    found = inspect_path(pk(data, "Horizon"))
    assert found.healthy and "does not find it under this name" in found.warnings[0]


def test_what_training_would_refuse_is_a_problem(data):
    np.save(pk(data), np.ones((4, 8)))
    (problem,) = inspect_path(pk(data)).problems
    assert "fewer rows than" in problem
    with pytest.raises(MismatchError):
        load_spectra("simba", data, bins=4)
    np.save(pk(data), np.ones((6, 7)))
    assert "7 columns" in inspect_path(pk(data)).problems[0]
    (data / "k_values.txt").unlink()
    found = inspect_path(data)
    assert "k_values.txt is absent" in found.problems[0] and found.commands == []
    pk(data).write_bytes(b"<html>")
    assert any("not a numpy array" in text for text in inspect_path(data).problems)


def test_powers_that_are_not_positive_are_counted(data):
    power = np.ones((6, 8))
    power[2, 1], power[4, 0] = np.nan, -1
    np.save(pk(data), power)
    (problem,) = inspect_path(pk(data)).problems
    assert "2 of 6 spectra" in problem and "2, 4" in problem


@pytest.mark.parametrize(
    ("power", "said"),
    [
        (np.full((6, 8), np.nan), "6 of 6 spectra are not positive"),
        (np.zeros((6, 8)), "6 of 6 spectra are not positive"),
        (-np.ones((6, 8)), "6 of 6 spectra are not positive"),
        (np.ones((0, 8)), "no spectra in it (0 rows of 8 columns)"),
        (np.ones(0), "no spectra in it (1 rows of 0 columns)"),
    ],
    ids=["nan", "zero", "negative", "no rows", "no columns"],
)
def test_files_without_one_usable_spectrum_are_findings(data, power, said):
    np.save(pk(data), power)
    for path in (pk(data), data):
        assert said in inspect_path(path).problems[0]
        result = CliRunner().invoke(app, ["inspect", str(path)])
        assert result.exit_code == FINDINGS, result.output


def test_an_empty_list_of_wavenumbers_is_a_finding(data):
    (data / "k_values.txt").write_text("")
    for path in (pk(data), data, data / "k_values.txt"):
        assert "expected increasing positive wavenumbers" in inspect_path(path).problems[0]


def test_wavenumbers_are_no_broken_table(data, capsys):
    assert not show(data / "k_values.txt")
    assert "8, from 1 to 8 h/Mpc" in capsys.readouterr().out


def test_what_is_no_spectra_is_left_to_others(data, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert spectra_files(empty) == []
    shutil.copy(pk(data), empty / "PS_files.npy")
    assert spectra_files(empty) == [] and "No data" in inspect_path(empty).problems[0]


def test_the_real_spectra(shared):
    found = inspect_path(shared / "camels")
    assert found.healthy and not found.warnings
    assert ("IllustrisTNG LH spectra", "2") in found.facts


def test_a_folder_with_different_wavenumbers_says_so(data):
    other = data / "PS_files"
    other.mkdir()
    pk(data).rename(other / pk(data).name)
    np.savetxt(other / "k_values.txt", np.arange(1.0, 9.0) * 0.6711)
    (problem,) = inspect_path(data).problems
    assert "8 wavenumbers from 0.6711 to 5.369 h/Mpc" in problem and "from 1 to 8" in problem


def test_files_of_several_kmax_are_a_warning(data):
    for name in NAMES:
        shutil.copy(pk(data, name), data / pk(data, name).name.replace("20.0", "100.0"))
    found = inspect_path(data)
    assert found.healthy
    listed = "(IllustrisTNG LH: 20, 100; SIMBA LH: 20, 100 h/Mpc)"
    assert any(listed in text and "data.kmax" in text for text in found.warnings)


def test_suites_without_a_common_kmax_are_a_problem(data):
    pk(data).rename(data / pk(data).name.replace("20.0", "10.0"))
    (problem,) = inspect_path(data).problems
    assert "IllustrisTNG LH: 20; SIMBA LH: 10 h/Mpc" in problem


def test_a_logarithm_of_power_is_found(data):
    fall = np.linspace(2.8, 1.3, 8) * np.random.default_rng(0).uniform(0.9, 1.1, (6, 8))
    np.save(pk(data), fall)
    assert any("logarithm" in text for text in inspect_path(data).problems)
    np.save(pk(data), 10 ** (5 - fall))
    assert any("rises with wavenumber" in text for text in inspect_path(data).warnings)
