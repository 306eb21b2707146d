"""From a trained network to an honest page: predictions, metrics, figures, report.

Read in this order: :mod:`~dagnn.evaluation.predict`,
:mod:`~dagnn.evaluation.metrics`, :mod:`~dagnn.evaluation.table`,
:mod:`~dagnn.evaluation.figures`, :mod:`~dagnn.evaluation.report`. A new metric
is one function and one line in :data:`dagnn.evaluation.metrics.METRICS`.
"""
