"""Scores: pure functions."""
