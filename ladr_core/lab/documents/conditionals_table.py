"""The table of docs/emoji_world.md on the network's probabilities beside the exact ones."""

from __future__ import annotations

from .result_files import RESULTS, read, table

CONDITIONALS = RESULTS / "conditionals.json"


def conditionals_table() -> str:
    """How likely a thing is at an open place: exactly, and for the network at several scales of guidance."""
    if not CONDITIONALS.is_file():
        return "`python -m ladr_core.lab conditionals` measures it."
    result = read(CONDITIONALS)
    found = {(row["category"], row["hidden"], row["cfg"]): row for row in result["rows"]}
    scales = sorted({cfg for _, _, cfg in found})
    rows = []
    for category, hidden in dict.fromkeys((row["category"], row["hidden"]) for row in result["rows"]):
        entries = [found[category, hidden, cfg] for cfg in scales]
        shares = [f"{100 * entry['network']:.1f}" for entry in entries]
        divergences = [f"{entry['divergence']:.3f}" for entry in entries]
        rows.append([category, str(hidden), f"{100 * entries[0]['exact']:.1f}", *shares, *divergences])
    head = ["scene", "things missing", "exact, %"]
    head += [*(f"cfg {cfg}, %" for cfg in scales), *(f"nats, cfg {cfg}" for cfg in scales)]
    words = (
        f"{result['states']} states a row, scenes as in training. \"Nats\" is the mean divergence of the "
        "network's probability from the exact one, over the open places. "
        "[conditionals.json](results/conditionals.json), `python -m ladr_core.lab conditionals`."
    )
    return table(head, rows) + "\n\n" + words
