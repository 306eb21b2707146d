"""The labels of simulations: compared with their priors and with what headers state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dagnn.catalogs.catalog import Catalog
from dagnn.catalogs.suite import Suite
from dagnn.catalogs.tables import ParameterTable
from dagnn.errors import TableError
from dagnn.parameters import (
    PARAMETERS,
    Parameter,
    canonical_name,
    is_far_outside,
    position_in_range,
)
from dagnn.records import FloatArray

# Header attribute and absolute tolerance of the parameters that headers state. Headers and
# tables are rounded; neighbouring boxes of a set differ by more.
_STATED = {
    "Omega_m": ("Omega0", 1e-3),
    "Omega_b": ("OmegaBaryon", 2e-4),
    "h": ("HubbleParam", 1e-3),
}
_ROUNDING = 1e-3
"""In units of the prior."""
_SYSTEMATIC, _FEW = 0.25, 8
"""Share of values outside the prior that no stray box explains, and from how many on."""
_MOST = 1 / 3
"""Share of boxes whose headers disagree with their labels that no wrong header explains."""


def read_labels(
    table: ParameterTable, simulations: Sequence[str], parameters: Sequence[str], suite: Suite
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the parameters of simulations after a comparison with their priors.

    Args:
        table: the table.
        simulations: ``n`` names; what precedes the first underscore is the set.
        parameters: ``P`` names.
        suite: whose simulations they are.

    Returns:
        Physical parameters ``[n, P]``, and what lies slightly outside a prior.

    Raises:
        TableError: values lie far outside the prior, or too many of them outside.
        UnknownSimulationError: the table lacks a simulation.
        MissingFieldError: the table lacks a parameter.
    """
    problems, warnings = range_problems(table, simulations, parameters, suite)
    if problems:
        raise TableError(problems[0])
    return table.truth(simulations, parameters), warnings


def range_problems(
    table: ParameterTable,
    simulations: Sequence[str],
    parameters: Sequence[str],
    suite: Suite | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare labels with the ranges that a suite gives.

    Args:
        table: the table.
        simulations: names in it.
        parameters: columns of it; those without a prior are passed over.
        suite: whose simulations they are; None compares with the standard priors, and strange
            feedback parameters, which differ between suites, are then only a warning.

    Returns:
        What makes the labels unusable, and what is odd.
    """
    problems: list[str] = []
    warnings: list[str] = []
    for parameter in parameters:
        known = PARAMETERS.get(canonical_name(parameter) or "")
        if known is None:
            continue
        text, usable = _outside(table, simulations, known, suite)
        if text and not usable and (suite is not None or not known.log):
            problems.append(
                f"{text} Check that table, header and suite belong together; a suite whose prior "
                "is wider gives it under `priors` in its YAML file."
            )
        elif text:
            warnings.append(text)
    return tuple(problems), tuple(warnings)


def _outside(
    table: ParameterTable, simulations: Sequence[str], known: Parameter, suite: Suite | None
) -> tuple[str, bool]:
    """Return which labels of a parameter lie outside its range, and whether they can be used."""
    sets = [simulation.split("_")[0] for simulation in simulations]
    standard = (known.low, known.high)
    ends = {name: suite.value_range(known.name, name) if suite else standard for name in sets}
    low, high = np.array([ends[name] for name in sets]).reshape(-1, 2).T
    values = table.truth(simulations, [known.name])[:, 0]
    place = position_in_range(values, low, high, known.log)
    outside = (place < -_ROUNDING) | (place > 1 + _ROUNDING)
    far = is_far_outside(place)
    wrong = np.flatnonzero(far if far.any() else outside)
    if not len(wrong):
        return "", True
    spelling = table.spellings[table.columns.index(known.name)]
    shown = ", ".join(f"{simulations[row]} {values[row]:g}" for row in wrong[:4])
    text = (
        f"{table.path}, column {spelling}: {len(wrong)} of {len(values)} values lie "
        f"{'far ' if far.any() else ''}outside the prior of {known.name}, {low[wrong[0]]:g} to "
        f"{high[wrong[0]]:g}: {shown}{', ...' if len(wrong) > 4 else ''}."
    )
    systematic = len(values) >= _FEW and outside.mean() > _SYSTEMATIC
    return text, not (far.any() or systematic)


def header_differences(header: Mapping[str, Any], labels: Mapping[str, float]) -> str:
    """Return where a header states another cosmology than the labels; nothing where it agrees.

    Args:
        header: attributes of a catalogue.
        labels: parameters of its simulation by canonical name.

    Example:
        >>> header_differences({"Omega0": 0.2}, {"Omega_m": 0.3, "sigma_8": 0.8})
        'Header/Omega0 is 0.2000 and Omega_m 0.3000'
    """
    stated = dict(header)
    if "Omega0" not in stated and "OmegaLambda" in stated:
        stated["Omega0"] = 1.0 - float(stated["OmegaLambda"])  # CAMELS are flat universes
    return ", ".join(
        f"Header/{attribute} is {float(stated[attribute]):.4f} and {name} {labels[name]:.4f}"
        for name, (attribute, tolerance) in _STATED.items()
        if name in labels
        and stated.get(attribute) is not None
        and not abs(float(stated[attribute]) - labels[name]) <= tolerance
    )


def check_header(catalog: Catalog, labels: Mapping[str, float]) -> Catalog:
    """Return the catalogue with a warning where its header disagrees with its labels.

    The table is believed: some SIMBA 1P headers are known to be wrong.
    """
    different = header_differences(catalog.header, labels)
    if not different:
        return catalog
    text = (
        f"{different} for {catalog.simulation} in the parameter table, which is used; the file is "
        f"{catalog.path}. Check that file and table belong together (some SIMBA 1P headers are "
        "known to be wrong)."
    )
    return replace(catalog, warnings=(*catalog.warnings, text))


def stated_labels(table: ParameterTable, simulation: str) -> dict[str, float]:
    """Return those parameters of a simulation that headers state as well."""
    names = [name for name in _STATED if name in table.columns]
    return dict(zip(names, table.values(simulation, names).tolist(), strict=True))


def header_problems(
    headers: Mapping[str, Mapping[str, Any]], table: ParameterTable, suite: Suite
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare the headers of a set's boxes with their labels.

    Args:
        headers: header of each simulation.
        table: with a row for each of them.
        suite: whose simulations they are.

    Returns:
        What makes the table unusable: most boxes are of another cosmology; and what is odd: a
        few are.
    """
    found = {
        simulation: header_differences(header, stated_labels(table, simulation))
        for simulation, header in headers.items()
    }
    different = {simulation: text for simulation, text in found.items() if text}
    if not different:
        return (), ()
    shown = "; ".join(f"{simulation}: {text}" for simulation, text in list(different.items())[:3])
    text = (
        f"{table.path}: the headers of {len(different)} of {len(found)} boxes of {suite.name} "
        f"state another cosmology than this table. {shown}."
    )
    known = {simulation.split("_")[0] for simulation in different} <= {*suite.wrong_headers}
    if known or len(different) <= max(1, _MOST * len(found)):
        return (), (text,)
    return (
        f"{text} It is not the table of these catalogues: put that of this suite and set in its "
        "place. Where headers are known to be wrong, list the set under `wrong_headers` in the "
        "suite's YAML file.",
    ), ()
