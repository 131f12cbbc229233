"""Comparison of this implementation with recorded data of the official ones."""
