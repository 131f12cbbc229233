"""LADR Sweep in the real server: one bar over all runs, and what an interrupted sweep keeps."""

from __future__ import annotations

from comfyui.conftest import Graph, graph

STEPS = "3, 4, 150"


def sweep(**inputs) -> Graph:
    """A sweep over steps, its JSON on a Preview Any."""
    made = graph("ladr")
    shared = {name: made["sampler"]["inputs"][name] for name in ("model", "positive", "negative", "latent_image")}
    made.pop("report", None)
    inputs = {
        "seed": 5, "steps": 4, "cfg": 1.0, "denoise": 1.0, "setting_1": "steps", "values_1": STEPS, "setting_2": "none",
        "values_2": "", **inputs,
    }  # fmt: skip
    return Graph({name: node for name, node in made.items() if name in _needed(made)}).add(
        "sampler", "LADR_Sweep", **shared, **inputs
    ).add("report", "PreviewAny", source=["sampler", 1])


def _needed(prompt: Graph) -> set[str]:
    """The nodes that the sampler's inputs come from."""
    found, open_ = set(), ["sampler"]
    while open_:
        for value in prompt[open_.pop()]["inputs"].values():
            if isinstance(value, list) and value[0] not in found:
                found.add(value[0])
                open_.append(value[0])
    return found


def _seconds(result) -> list[float]:
    return [run["report"]["seconds"] for run in result.json("report")["runs"]]


def test_an_interrupted_sweep_goes_on_where_it_stopped(play):
    stopped = play(sweep(rescue=False), fails=True, interrupt_at=2100)
    assert stopped.status == "interrupted"
    whole = play(sweep(rescue=False))
    inside = [value for value, _ in whole.progress["sampler"] if value % 1000]
    assert inside and min(inside) > 2000, "the two runs that were finished are drawn again"
    assert [run["report"]["nfe"] for run in whole.json("report")["runs"]] == [3, 4, 150]
    again = play(sweep(rescue=False, values_1="3, 4"))
    assert _seconds(again) == _seconds(whole)[:2], "another sweep over the same values draws them again"


def test_another_seed_or_model_is_another_sweep(play):
    first = play(sweep(values_1="3, 4"))
    other = play(sweep(values_1="3, 4", seed=6))
    assert _seconds(first) != _seconds(other)


def test_a_batch_and_a_wrong_value_are_refused_in_a_sentence(play):
    batch = play(sweep().set("grid", batch_size=2), fails=True)
    assert "latent_image" in batch.error and "batch_size" in batch.error
    wrong = play(sweep(values_1="3, soon"), fails=True)
    assert "values_1" in wrong.error and "soon" in wrong.error
