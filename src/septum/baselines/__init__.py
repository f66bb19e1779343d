"""Baselines, on the same contract as the models."""
