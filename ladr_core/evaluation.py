"""Moved: the evaluation is a program of the laboratory."""

raise SystemExit("`python -m ladr_core.evaluation` is now `python -m ladr_core.lab evaluate`.")
