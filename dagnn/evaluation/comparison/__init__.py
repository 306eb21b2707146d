"""Many finished runs on one page: seeds, settings, suites, and what differs between them.

Read in this order: :mod:`~dagnn.evaluation.comparison.runs` (runs that differ by
seed only form a group), :mod:`~dagnn.evaluation.comparison.summary` (mean ± sd),
:mod:`~dagnn.evaluation.comparison.differences` (paired where the items are the
same), :mod:`~dagnn.evaluation.comparison.matrix` (suite × suite),
:mod:`~dagnn.evaluation.comparison.stamps` (what must not be overlooked),
:mod:`~dagnn.evaluation.comparison.notes` (what is not comparable),
:mod:`~dagnn.evaluation.comparison.page`.
"""
