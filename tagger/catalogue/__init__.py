"""Catalogue files in and out: every row and column comes back, in order, unchanged."""
