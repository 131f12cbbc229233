"""Samplers: each is a small rule that says which cells the one denoising loop unmasks next."""
