"""Figures: each function returns a matplotlib figure and writes nothing.

Marks (MOCK, ORACLE) are put on finished figures by :func:`~dagnn.report.figures.style.stamp`;
:func:`~dagnn.report.figures.style.save_figure` is the one place that writes files.
"""
