"""CSV files come back to the same numbers, and broken ones say where."""

import csv

import numpy as np
import pytest
from synthetic_predictions import synthetic

from dagnn.errors import MissingDataError, MissingFieldError, TableError
from dagnn.evaluation.storage import (
    read_predictions,
    read_results,
    write_predictions,
    write_results,
)
from dagnn.records import Result


def test_results_round_trip(tmp_path, results):
    path = write_results(tmp_path / "new" / "results.csv", results)
    assert read_results(path) == results
    header = path.read_text().splitlines()[0]
    assert header == "suite,role,split,parameter,metric,value,low,high,model"


def test_unknown_numbers_are_empty_cells(tmp_path):
    row = Result("tng", "source", "test", "Omega_m", "r2", float("nan"), 0.1, float("inf"))
    path = write_results(tmp_path / "results.csv", [row])
    assert path.read_text().splitlines()[1] == "tng,source,test,Omega_m,r2,,0.1,inf,model"
    back = read_results(path)[0]
    assert np.isnan(back.value)
    assert (back.low, back.high) == (0.1, float("inf"))


def test_predictions_round_trip(tmp_path, predictions):
    many = synthetic("astrid", "other", parameters=("Omega_m", "sigma_8"), items=5)
    many.truth[2, 1] = np.nan
    given = [*predictions, many]
    path = write_predictions(tmp_path / "predictions.csv", given)
    back = read_predictions(path)
    assert len(back) == len(given)
    for before, after in zip(given, back, strict=True):
        for name in ("suite", "role", "split", "ids", "parameters", "model"):
            assert getattr(before, name) == getattr(after, name)
        for name in ("truth", "mean", "std"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
        assert after.latent.shape == (len(after.ids), 0)
    with path.open() as stream:
        rows = list(csv.reader(stream))
    assert ",".join(rows[0]) == "suite,role,split,id,parameter,truth,mean,std,model"
    assert len(rows) == 1 + 4 * 60 + 5 * 2


def test_a_failed_write_leaves_the_old_file(tmp_path, results):
    path = write_results(tmp_path / "results.csv", results)
    before = path.read_text()

    def broken():
        yield results[0]
        raise RuntimeError("out of rows")

    with pytest.raises(RuntimeError):
        write_results(path, broken())
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["results.csv"], "no leftovers"


def test_broken_files_name_file_and_field(tmp_path, predictions):
    with pytest.raises(MissingDataError, match=r"absent\.csv"):
        read_results(tmp_path / "absent.csv")
    path = write_predictions(tmp_path / "predictions.csv", predictions[:1])
    with pytest.raises(MissingFieldError, match=r"metric, value, low, high.*It has: suite"):
        read_results(path)
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[6], "much")
    path.write_text("\n".join(lines))
    with pytest.raises(TableError, match=r"line 4, column mean.*'much'"):
        read_predictions(path)


def test_an_item_without_one_of_the_parameters_is_refused(tmp_path):
    given = synthetic(parameters=("Omega_m", "sigma_8"), items=3)
    path = write_predictions(tmp_path / "predictions.csv", [given])
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(TableError, match="LH_2 of tng"):
        read_predictions(path)
