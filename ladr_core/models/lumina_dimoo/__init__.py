"""Lumina-DiMOO: all that is its own."""
