"""Inputs: their table, formats and problems."""
