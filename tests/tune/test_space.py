"""Search spaces: ranges, choices and conditions become configurations."""

import pytest
from optuna.trial import FixedTrial

from dagnn.errors import ConfigError
from dagnn.tune.space import Space, with_value

TERMS = {"choices": {"mmd": {"mmd": {"bandwidth": "median"}}, "coral": {"coral": {}}}}
WEIGHT = {"type": "float", "low": 0.1, "high": 10, "log": True}


def space(**entries):
    return Space.of({key.replace("__", "."): value for key, value in entries.items()}, "x.yaml")


def test_a_condition_draws_a_key_only_where_it_counts():
    made = space(
        loss__terms=TERMS,
        loss__terms__mmd__weight={**WEIGHT, "when": {"loss.terms": "mmd"}},
        loss__terms__coral__weight={**WEIGHT, "when": {"loss.terms": "coral"}},
    )
    drawn = {
        "loss.terms": "coral", "loss.terms.mmd.weight": 1.0, "loss.terms.coral.weight": 2.0,
    }  # fmt: skip
    values = made.suggest(FixedTrial(drawn))
    assert values == {"loss.terms": "coral", "loss.terms.coral.weight": 2.0}
    tree = made.put(values, {"loss": {"terms": {"mmd": {"weight": 1}}, "task": {"name": "a"}}})
    assert tree == {"loss": {"terms": {"coral": {"weight": 2.0}}, "task": {"name": "a"}}}


def test_putting_values_in_changes_neither_the_tree_nor_the_choice():
    made = space(loss__terms=TERMS, loss__terms__mmd__weight=WEIGHT)
    before = {"loss": {"terms": {"none": {}}}}
    made.put({"loss.terms": "mmd", "loss.terms.mmd.weight": 3.0}, before)
    again = made.put({"loss.terms": "mmd"}, before)
    assert before == {"loss": {"terms": {"none": {}}}}
    assert again["loss"]["terms"] == {"mmd": {"bandwidth": "median"}}


def test_another_name_loses_the_options_of_the_old_one():
    tree = {"model": {"head": {"name": "moments", "hidden": [64]}}}
    assert with_value(tree, "model.head.name", "other") == {"model": {"head": {"name": "other"}}}
    assert with_value(tree, "model.head.name", "moments") == tree


def test_edges_bring_what_their_condition_needs():
    made = space(
        loss__terms=TERMS,
        loss__terms__coral__weight={**WEIGHT, "when": {"loss.terms": "coral"}},
    )
    edges = {(key, edge): values for key, edge, values in made.edges()}
    assert edges["loss.terms", "mmd"] == {"loss.terms": "mmd"}
    assert edges["loss.terms.coral.weight", 0.1] == {
        "loss.terms": "coral",
        "loss.terms.coral.weight": 0.1,
    }
    assert ("loss.terms.coral.weight", 10.0) in edges


def test_the_drawn_values_of_a_configuration_are_found():
    made = space(
        loss__terms=TERMS,
        loss__terms__mmd__weight={**WEIGHT, "when": {"loss.terms": "mmd"}},
        training__epochs={"type": "int", "low": 10, "high": 50, "step": 10},
    )
    terms = {"mmd": {"name": "mmd", "weight": 0.3, "bandwidth": "median"}}
    tree = {"loss": {"terms": terms}, "training": {"epochs": 30}}
    assert made.drawn_from(tree) == {
        "loss.terms": "mmd", "loss.terms.mmd.weight": 0.3, "training.epochs": 30,
    }  # fmt: skip
    assert made.drawn_from({**tree, "training": {"epochs": 35}}) is None
    assert made.drawn_from({**tree, "training": {}}) is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"low": 1, "high": 2}, "type"),
        ({"type": "float", "low": 2, "high": 1}, "below"),
        ({"type": "float", "low": 0, "high": 1, "log": True}, "positive"),
        ({"type": "float", "low": 1, "high": 2, "log": True, "step": 0.1}, "step"),
        ({"type": "int", "low": 1.5, "high": 3}, "whole"),
        ({"type": "float", "low": 1, "high": 2, "choices": [1]}, "either"),
        ({"choices": []}, "at least one"),
        ({"choices": [[1], [2]]}, "labels"),
        ({"type": "float", "lo": 1, "high": 2}, "low"),
        ({"type": "float", "low": 1, "high": 2, "when": {"loss.term": "a"}}, "above"),
    ],
)
def test_entries_that_cannot_be_meant_are_refused(entry, words):
    with pytest.raises(ConfigError, match=words) as refused:
        space(training__learning_rate=entry)
    assert "x.yaml" in str(refused.value) and "training.learning_rate" in str(refused.value)


def test_a_condition_on_a_value_that_never_comes_is_refused():
    with pytest.raises(ConfigError, match=r"never 'mdm'.*mmd"):
        space(
            loss__terms=TERMS,
            loss__terms__mmd__weight={**WEIGHT, "when": {"loss.terms": "mdm"}},
        )


@pytest.mark.parametrize("key", ["seed", "data.split", "target", "evaluation.bootstrap"])
def test_what_would_make_scores_incomparable_is_not_searched(key):
    with pytest.raises(ConfigError, match="cannot be searched"):
        Space.of({key: [1, 2]}, "x.yaml")


@pytest.mark.parametrize(
    "key", ["training", "data", "data.target_prior", "data.target_prior.Omega_m"]
)
def test_no_choice_of_a_whole_section_smuggles_target_labels_in(key):
    choices = {"a": {"select_on": "target_oracle"}, "b": {}}
    with pytest.raises(ConfigError, match="cannot be searched"):
        Space.of({key: {"choices": choices}}, "x.yaml")
