"""Moved: the training is a program of the laboratory."""

raise SystemExit("`python -m ladr_core.training` is now `python -m ladr_core.lab train`.")
