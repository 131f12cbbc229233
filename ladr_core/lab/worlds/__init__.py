"""Worlds: rendered scenes with exact truth, on which the built-in model is trained and every sampler is judged."""
