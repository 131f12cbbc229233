"""Diffusion language models that draw images: one transformer, one small module per model family."""
