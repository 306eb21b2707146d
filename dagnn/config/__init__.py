"""What to run: loaded from YAML, refused early, and turned into parts by name.

A configuration file names what differs from the file it ``extends``. Parts
that can be chosen (a modality, an encoder, a loss) are written as a name with
options of its own; :func:`build` looks the name up in a table and checks the
options against the constructor, so a new part needs no line in this room.
"""

from dagnn.config.building import build, check_options, lookup
from dagnn.config.loading import (
    Override,
    experiment_from,
    find_config,
    find_shipped,
    load_experiment,
    merge,
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
    "find_config",
    "find_shipped",
    "load_experiment",
    "lookup",
    "merge",
    "validated",
]
