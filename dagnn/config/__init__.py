"""What to run: loaded from YAML, refused early, and turned into objects by name.

A configuration file names what differs from the file it ``extends``, and may hold
``variants`` of itself: ``deepmerge_dann`` is the variant ``dann`` of ``deepmerge.yaml``.
Components that can be chosen (a modality, an encoder, a loss) are written as a name with
options of its own; :func:`build` looks the name up in a table and checks the
options against the constructor, so a new component needs no line in this package.
"""

from dagnn.config.loading import (
    Override,
    build,
    check_options,
    experiment_from,
    find_yaml,
    load_experiment,
    lookup,
    merge,
    shipped_names,
    validated,
)
from dagnn.config.schema import Component, Experiment, Term

__all__ = [
    "Component",
    "Experiment",
    "Override",
    "Term",
    "build",
    "check_options",
    "experiment_from",
    "find_yaml",
    "load_experiment",
    "lookup",
    "merge",
    "shipped_names",
    "validated",
]
