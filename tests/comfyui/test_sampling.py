"""Sampling in the real server: pictures, reports, progress, previews, seeds, interruption."""

import io
import json

from comfyui.conftest import graph
from PIL import Image, ImageChops, ImageStat


def test_each_sampler_draws_a_picture_and_a_report(play):
    for name in ("ladr", "baseline"):
        result = play(graph(name))
        latent, report = result.json("show"), result.json("report")
        assert latent["dtype"] == "torch.float32"
        codes = {value for row in latent["samples"][0][0] for value in row}
        assert min(codes) >= 0 and max(codes) < 1024 and all(value == int(value) for value in codes)
        assert report["sampler"] == name and report["seeds"] == [1] and report["nfe"] <= 12
        assert result.outputs["save"]["images"]


def test_progress_is_one_step_per_network_evaluation_with_previews(play):
    for name in ("ladr", "baseline"):
        result = play(graph(name).set("sampler", seed=2))
        nfe = result.json("report")["nfe"]
        values = [value for value, _ in result.progress["sampler"]]
        # Newer cores leave out what follows too fast.
        assert values[0] == 1 and values[-1] == nfe and values == sorted(set(values))
        assert 1 <= len(result.previews["sampler"]) <= nfe
        assert all(b"\xff\xd8\xff" in picture[:32] for picture in result.previews["sampler"])


def test_the_last_preview_is_the_whole_picture(server, play):
    """It stays on the node when the run is over."""
    result = play(graph("ladr").set("sampler", seed=46))
    part, [saved] = result.previews["sampler"][-1], result.outputs["save"]["images"]
    drawn = Image.open(server.base / saved["type"] / saved["subfolder"] / saved["filename"]).convert("RGB")
    shown = Image.open(io.BytesIO(part[part.index(b"\xff\xd8") :])).convert("RGB").resize(drawn.size)
    difference = ImageStat.Stat(ImageChops.difference(drawn, shown)).mean
    assert max(difference) < 12, difference  # of a JPEG of random tokens


def test_previews_can_be_turned_off_without_changing_the_tokens(play):
    on, off = (play(graph("ladr").set("sampler", seed=3, preview=preview)) for preview in (True, False))
    assert on.previews and not off.previews
    assert on.json("show")["samples"] == off.json("show")["samples"]


def test_the_node_shows_its_result(play):
    prompt = graph("ladr").set("sampler", seed=45)
    prompt.add("words", "PreviewAny", source=["sampler", 1])
    result = play(prompt)
    shown = result.result("sampler")
    assert shown["nfe"] == result.json("report")["nfe"] <= shown["most_nfe"] == result.starts["sampler"]["most_nfe"]
    assert f"{shown['nfe']} network evaluations of at most {shown['most_nfe']}" in result.text("words")


def test_the_result_is_in_the_saved_picture(server, play):
    from PIL import Image

    prompt = graph("ladr").set("sampler", seed=46)
    result = play(prompt, metadata={"workflow": {"nodes": [], "links": [], "version": 0.4}})
    (saved,) = result.outputs["save"]["images"]
    with Image.open(server.base / "output" / saved["filename"]) as picture:
        texts = {name: json.loads(text) for name, text in picture.text.items()}
    assert texts["ladr_result"] == {"sampler": result.result("sampler")}
    assert texts["workflow"]["extra"]["ladr_result"] == texts["ladr_result"]


def test_rescue_off_is_the_baseline(play):
    baseline = play(graph("baseline").set("sampler", seed=5))
    off = play(graph("ladr").set("sampler", seed=5, rescue=False))
    assert baseline.json("show")["samples"] == off.json("show")["samples"]


def test_seeds_follow_the_batch_index(play):
    batch = graph("ladr").set("grid", batch_size=3).set("sampler", seed=10)
    whole = play(batch)
    assert whole.json("report")["seeds"] == [10, 11, 12]
    one = graph("ladr").set("grid", batch_size=3).set("sampler", seed=10)
    one.add("pick", "LatentFromBatch", samples=["grid", 0], batch_index=2, length=1).set(
        "sampler", latent_image=["pick", 0]
    )
    picked = play(one)
    assert picked.json("report")["seeds"] == [12]
    assert picked.json("show")["samples"][0] == whole.json("show")["samples"][2]


def test_repeat_latent_batch_and_seed_behavior(play):
    repeated = graph("ladr").set("sampler", seed=20)
    repeated.add("repeat", "RepeatLatentBatch", samples=["grid", 0], amount=2).set(
        "sampler", latent_image=["repeat", 0]
    )
    assert play(repeated).json("report")["seeds"] == [20, 21]
    fixed = graph("ladr").set("sampler", seed=20)
    fixed.add("repeat", "RepeatLatentBatch", samples=["grid", 0], amount=2)
    fixed.add("same", "LatentBatchSeedBehavior", samples=["repeat", 0], seed_behavior="fixed")
    result = play(fixed.set("sampler", latent_image=["same", 0]))
    assert result.json("report")["seeds"] == [20, 20]
    first, second = result.json("show")["samples"]
    assert first == second


def test_the_largest_seed_works_and_wraps_around(play):
    largest = 2**64 - 1
    result = play(graph("ladr").set("sampler", seed=largest).set("grid", batch_size=2))
    assert result.json("report")["seeds"] == [largest, 0]


def test_prompt_negative_and_cfg_have_an_effect(play):
    plain = play(graph("ladr").set("sampler", seed=6)).json("show")["samples"]
    for change in (
        graph("ladr").set("sampler", seed=6, cfg=1.0),
        graph("ladr").set("sampler", seed=6).set("positive", text="two green triangles"),
        graph("ladr").set("sampler", seed=6).set("negative", text="a red background"),
    ):
        assert play(change).json("show")["samples"] != plain


def test_zeroed_and_empty_conditioning_are_the_unconditional_prompt(play):
    empty = play(graph("ladr").set("sampler", seed=7)).json("show")["samples"]
    zeroed = graph("ladr").set("sampler", seed=7).set("negative", text="a red background")
    zeroed.add("zero", "ConditioningZeroOut", conditioning=["negative", 0]).set("sampler", negative=["zero", 0])
    assert play(zeroed).json("show")["samples"] == empty


def test_an_average_of_a_prompt_with_itself_is_that_prompt(play):
    plain = play(graph("ladr").set("sampler", seed=8)).json("show")["samples"]
    average = graph("ladr").set("sampler", seed=8, positive=["average", 0])
    average.add(
        "average", "ConditioningAverage", conditioning_to=["positive", 0], conditioning_from=["positive", 0],
        conditioning_to_strength=0.3,
    )  # fmt: skip
    assert play(average).json("show")["samples"] == plain


def test_interrupt_stops_at_the_next_evaluation_and_leaves_the_server_usable(play):
    long = graph("baseline").set("sampler", seed=30, steps=200)
    result = play(long, fails=True, interrupt_at=3)
    assert result.status == "interrupted"
    assert len(result.progress["sampler"]) < 150
    assert play(graph("baseline").set("sampler", seed=31)).status == "success"


def test_unknown_words_are_named_on_the_node(play):
    result = play(graph("ladr").set("sampler", seed=9).set("positive", text="a red dragon"))
    assert any("dragon" in notice for notice in result.result("sampler")["notices"])


def test_a_prompt_of_10000_words_is_cut_with_a_notice(play):
    result = play(graph("ladr").set("sampler", seed=9).set("positive", text="red circle " * 5000))
    assert any("10000" in notice for notice in result.result("sampler")["notices"])


def test_every_widget_has_an_effect_on_tokens_or_report(play):
    reference = play(graph("ladr").set("sampler", seed=40))
    changes = {
        "seed": 41, "steps": 9, "cfg": 1.5, "denoise": 0.5, "mask_schedule": "linear", "temperature": 0.0,
        "choice_temperature": 0.0, "top_k": 3, "top_p": 0.3, "rescue": False, "frontier_shape": "cross", "radius": 3,
        "min_neighbors": 4, "spacing": 3, "risk_filter": "absolute", "risk_bound": 0.05, "rescue_cap": 0.5,
        "rescue_start": 0.6, "inverse_scheduling": False, "choose_then_sample": True, "count_fresh_as_observed": True,
    }  # fmt: skip
    widgets = set(graph("ladr")["sampler"]["inputs"]) - {"model", "positive", "negative", "latent_image", "preview"}
    assert widgets == set(changes)
    jumping = play(graph("ladr").set("sampler", seed=40, rescue_scheduling="jump"))
    for name, value in changes.items():
        if name == "inverse_scheduling":  # of the scheduling `jump` alone, as its tooltip says
            changed = play(graph("ladr").set("sampler", seed=40, rescue_scheduling="jump", inverse_scheduling=False))
            assert changed.json("show")["samples"] != jumping.json("show")["samples"]
            continue
        changed = play(graph("ladr").set("sampler", **{"seed": 40, name: value}))
        assert changed.json("show")["samples"] != reference.json("show")["samples"], json.dumps({name: value})
