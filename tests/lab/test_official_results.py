"""Results beside the official implementations: sums that follow from the runs, and programs that start."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
ENTRIES = [
    pytest.param(entry, id=f"{path.stem}-{number}")
    for path in sorted(RESULTS.glob("official_*.json"))
    for number, entry in enumerate(json.loads(path.read_text(encoding="utf-8"))["results"])
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_shown_follows_from_the_runs(entry: dict):
    for part in ("time", "memory"):
        runs = entry.get(part, {}).get("runs", {"official": []})
        for kind, same in entry.get(part, {}).get("same_tokens", {}).items():
            tokens = [{run["tokens"] for run in runs[k]} for k in (kind, "official")]
            assert same == (tokens[0] == tokens[1])
    time = entry.get("time", {})
    for name in ("seconds_per_step", "seconds_end_to_end", "seconds_of_processor"):
        for kind, value in time.get(name, {}).items():
            assert value == statistics.median(run[name] for run in time["runs"][kind])
    for kind, ratio in time.get("speed_up_per_step", {}).items():
        assert ratio["median"] == time["seconds_per_step"]["official"] / time["seconds_per_step"][kind]
        assert ratio["least"] <= ratio["most"]


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if "computed_bytes" in entry.values[0].get("memory", {})])
def test_memory_is_what_was_computed(entry: dict):
    memory = entry["memory"]
    for kind, computed in memory["computed_bytes"].items():
        assert memory["peak_bytes"][kind] == pytest.approx(computed, rel=0.05)


@pytest.mark.parametrize("name", ["speed_lumina", "speed_mmada"])
def test_the_programs_start(name: str):
    done = subprocess.run(
        [sys.executable, "-m", "ladr_core.lab", name, "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert "--reference" in done.stdout
