"""Figures, pages and tables for readers."""
