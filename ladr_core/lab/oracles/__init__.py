"""Exactly known distributions in place of a network: every error is then the sampler's."""
