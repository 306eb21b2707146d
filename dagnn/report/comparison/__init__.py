"""Many finished runs on one page: seeds, settings, suites, and what differs between them.

Read in this order: :mod:`~dagnn.report.comparison.runs` (runs that differ by seed only form a
group), :mod:`~dagnn.report.comparison.summary` (mean ± sd, what qualifies it, and suite × suite
matrices), :mod:`~dagnn.report.comparison.differences` (paired where the items are the same;
``comparison.csv``), :mod:`~dagnn.report.comparison.notes` (what is not comparable),
:mod:`~dagnn.report.comparison.page`.
"""
