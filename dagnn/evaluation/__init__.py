"""From a trained network to an honest page: predictions, metrics, figures, report.

Read in this order: :mod:`dagnn.evaluation.predict`, :mod:`dagnn.evaluation.measure`,
:mod:`dagnn.report.figures`, :mod:`dagnn.report.page`. A new metric is one function and
one line in :mod:`dagnn.tasks.regression_metrics` or
:mod:`dagnn.tasks.classification_metrics`.
"""
