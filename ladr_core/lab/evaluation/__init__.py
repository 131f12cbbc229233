"""Measuring samplers: prompts, picture checker, runner and an exact oracle; not imported by the nodes."""
