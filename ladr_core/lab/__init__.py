"""The laboratory: worlds, training, oracles, evaluation, verification, benchmarks and documents.

Nothing here is needed by a node, and none of it is in the packed archive. `python -m ladr_core.lab` lists the programs.
"""
