"""Datasets in memory, their splits, and the streams that training draws from."""
