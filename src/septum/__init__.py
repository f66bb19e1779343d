"""Interpretable representations of the beating heart."""

__version__ = "0.1.0"
