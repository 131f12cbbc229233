"""The tables on the emoji network's probabilities beside the exact ones."""

from __future__ import annotations

from .result_files import RESULTS, read, table

CONDITIONALS, CHOSEN_CELLS = RESULTS / "conditionals.json", RESULTS / "chosen_cells.json"


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


def chosen_cells_table() -> str:
    """How right the network is about the cells that are rescued, with several radii and risk bounds."""
    if not CHOSEN_CELLS.is_file():
        return "`python -m ladr_core.lab chosen_cells` measures it."
    result = read(CHOSEN_CELLS)
    starts = sorted({band["from"] for row in result["rows"] for band in row["rescued"]})
    rows = []
    for row in result["rows"]:
        found = {band["from"]: band for band in row["rescued"]}
        exact = [f"{100 * found[low]['exact']:.1f} ({found[low]['cells']})" if low in found else "" for low in starts]
        rows.append([row["sampler"], f"{row['nfe']:.1f}", f"{row['lost']} of {row['pictures']}", *exact])
    head = ["sampler", "NFE", "lost", *(f"sure to {100 * low:g} %" for low in starts)]
    words = (
        "The mean exact probability, in percent, of the rescued tokens of which the network was at least so sure (and "
        "less than in the next column); in brackets how many there are. A picture is lost when no scene fits it any "
        f"more, for whatever reason. {result['prompts']} tuning prompts with several things, {result['seeds']} seeds. "
        "[chosen_cells.json](results/chosen_cells.json), `python -m ladr_core.lab chosen_cells`."
    )
    return table(head, rows) + "\n\n" + words
