"""sample_tokens: checks, denoise, seeds, every setting has an effect; and the report."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from draw_tokens import sample_tokens
from fake_dllm import FakeDLLM

import ladr_core
from ladr_core.errors import InputError
from ladr_core.models.contract import Prompt
from ladr_core.run_notices import HASTY_SCHEDULES
from ladr_core.settings import MASK_SCHEDULES, RESCUE_SETTINGS, SAMPLER_SETTINGS, RescueSettings, SamplerSettings
from ladr_core.token_grid import MASKED, TokenGrid

GRID = TokenGrid(6, 8)


def sample(seeds=(0,), model=None, texts=None, grid=GRID, **values):
    texts = texts or ["a red circle"] * len(seeds)
    prompts = [Prompt(text) for text in texts]
    return sample_tokens(model or FakeDLLM(), prompts, [Prompt("")] * len(prompts), grid, seeds=seeds, **values)


def given_tokens(batch=1, seed=0):
    return torch.randint(0, 8, (batch, GRID.height, GRID.width), generator=torch.Generator().manual_seed(seed))


def test_returns_grids_of_tokens_and_a_report():
    tokens, report = sample(seeds=(3, 4))
    assert tokens.shape == (2, 6, 8) and tokens.dtype == torch.int64
    assert int(tokens.min()) >= 0 and int(tokens.max()) < 8
    assert report.seeds == [3, 4] and report.sampler == "ladr" and report.grid == GRID
    assert report.seconds >= sum(report.step_seconds) > 0 and len(report.step_seconds) == report.nfe


def test_an_image_of_a_batch_is_the_image_alone():
    texts = ["one", "two", "three"]
    for sampler in ("ladr", "baseline"):
        same = {"sampler": sampler, "settings": SamplerSettings(denoise=0.7, steps=12)}
        start = given_tokens()
        batch, _ = sample(seeds=(5, 6, 7), texts=texts, codebook_indices=start.expand(3, -1, -1), **same)
        for i, text in enumerate(texts):
            alone, _ = sample(seeds=(5 + i,), texts=[text], codebook_indices=start, **same)
            assert torch.equal(batch[i], alone[0])


def test_seed_zero_twice_is_equal_and_other_seeds_differ():
    assert torch.equal(sample()[0], sample()[0])
    assert not torch.equal(sample()[0], sample(seeds=(1,))[0])
    assert not torch.equal(sample()[0], sample(seeds=(2**64 - 1,))[0])


# For each setting another value, which must change the tokens or the number of evaluations.
OTHER = {
    "steps": 7, "cfg": 1.0, "denoise": 0.5, "mask_schedule": "sqrt", "temperature": 0.3,
    "choice_temperature": 0.0, "top_k": 1, "top_p": 0.3, "image_cfg": 4.0, "rescue": False,
    "frontier_shape": "cross", "radius": 3, "min_neighbors": 3, "spacing": 3,
    "risk_filter": "budget", "risk_bound": 0.9, "risk_quantile": 0.0, "rescue_cap": 0.5,
    "rescue_start": 0.5, "inverse_scheduling": False, "choose_then_sample": True,
    "count_fresh_as_observed": True, "cell_order": "halton", "rescue_scheduling": "jump", "rescue_floor": 0.9,
    "cfg_start": 0.3, "cfg_end": 0.2,
}  # fmt: skip


# Those of the KV cache act on a network: tests/models/test_kv_cache.py. finish_sure waits for sure cells, which this
# fake model never has: tests/core/test_finish_sure.py.
ELSEWHERE = ("kv_cache", "kv_cache_refresh", "finish_sure")


@pytest.mark.parametrize("name", [name for name in (*SAMPLER_SETTINGS, *RESCUE_SETTINGS) if name not in ELSEWHERE])
def test_every_setting_has_an_effect(name):
    value = OTHER[name]
    jumps = {"risk_filter": "relative", "risk_bound": 0.3, "rescue_cap": 4.0, "rescue_scheduling": "jump", "radius": 1}
    runs = {"risk_bound": 0.5, "rescue_floor": 0.3}
    settings = SamplerSettings(steps=16)
    rescue = RescueSettings(**(runs if name in ("rescue_scheduling", "rescue_floor") else jumps))
    start = {"codebook_indices": given_tokens(), "model": FakeDLLM(sharpness=0.7, branches=3)}
    before, report = sample(settings=settings, rescue=rescue, **start)
    if name in SAMPLER_SETTINGS:
        settings = replace(settings, **{name: value})
    else:
        rescue = replace(rescue, **{name: value})
    after, other = sample(settings=settings, rescue=rescue, **start)
    assert not torch.equal(before, after) or report.nfe != other.nfe
    assert report.settings[name] != other.settings[name] == value


def test_denoise_masks_the_share_of_the_schedule_and_shortens_the_run():
    tokens = given_tokens()
    for denoise, mask_ratio, nfe in ((1.0, 1.0, 10), (0.5, 0.5, 5), (0.3, 0.3, 3)):
        settings = SamplerSettings(steps=10, denoise=denoise, mask_schedule="linear")
        result, report = sample(codebook_indices=tokens, settings=settings, sampler="baseline")
        assert report.nfe == nfe
        assert report.steps[0].masked == int(torch.tensor(48.0) * mask_ratio)
        assert report.steps[0].time_before == pytest.approx(1 - denoise)
        kept = report.unmasked_at.reshape(tokens.shape) == -1
        assert torch.equal(result[kept], tokens[kept]) and int(kept.sum()) == 48 - report.steps[0].masked


def test_denoise_zero_returns_the_input_and_a_trace_of_it_draws_one_cell():
    tokens = given_tokens()
    result, report = sample(codebook_indices=tokens, settings=SamplerSettings(denoise=0.0))
    assert torch.equal(result, tokens) and report.nfe == 0
    _, report = sample(codebook_indices=tokens, settings=SamplerSettings(denoise=0.01, steps=4))
    assert report.nfe == 1 and report.steps[0].masked == 1


def test_cells_that_come_masked_count_first_and_set_the_clock():
    settings = SamplerSettings(steps=10, denoise=0.5, mask_schedule="linear")
    tokens = given_tokens().flatten()
    tokens[:40] = MASKED
    _, report = sample(codebook_indices=tokens.reshape(1, 6, 8), settings=settings, sampler="baseline")
    assert report.steps[0].masked == 40
    assert report.steps[0].time_before == pytest.approx(1 - 40 / 48)
    _, report = sample(settings=settings, sampler="baseline")
    assert report.steps[0].masked == 48 and report.steps[0].time_before == 0
    tokens[8:] = 0
    _, report = sample(codebook_indices=tokens.reshape(1, 6, 8), settings=settings, sampler="baseline")
    assert report.steps[0].masked == 24 and bool((report.unmasked_at[0, :8] >= 0).all())


def test_only_editable_cells_change_but_masked_ones_are_always_drawn():
    tokens, editable = given_tokens(), torch.zeros(1, 6, 8, dtype=torch.bool)
    editable[0, 2:4, 2:6] = True
    tokens[0, 0, 0] = MASKED
    result, report = sample(codebook_indices=tokens, editable=editable)
    fixed = ~editable & (tokens != MASKED)
    assert torch.equal(result[fixed], tokens[fixed]) and int(result.min()) >= 0
    assert report.steps[0].masked == 9 and report.steps[0].mask_ratio == 1.0


def test_progress_and_preview():
    events, calls = [], []
    settings = SamplerSettings(steps=12, denoise=0.5)
    hooks = {"on_step": events.append, "before_forward": lambda: calls.append(1)}
    sample(settings=settings, codebook_indices=given_tokens(), **hooks)
    assert len(calls) == len(events) == events[-1].step
    assert all(e.steps == 6 for e in events)
    assert events[-1].time == 1 and events[-1].mask_ratio == 0
    assert all(a.time < b.time and a.mask_ratio > b.mask_ratio for a, b in zip(events, events[1:]))
    shares = [float((e.codebook_indices == MASKED).float().mean()) for e in events]
    assert shares == [pytest.approx(e.mask_ratio) for e in events]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": ()}, "batch size: got 0"),
        ({"seeds": (1, 2), "texts": ["a"]}, "seeds: got 2 for 1 images"),
        ({"seeds": (-1,)}, "seed: got -1"),
        ({"sampler": "euler"}, "sampler: got 'euler'"),
        ({"grid": TokenGrid(0, 4)}, "grid: got 0 x 4"),
        ({"codebook_indices": torch.zeros(1, 4, 4, dtype=torch.int64)}, r"codebook_indices: got shape \[1, 4, 4\]"),
        ({"codebook_indices": torch.full((1, 6, 8), 8)}, "codebook_indices: got 8; allowed: -1 .masked. to 7"),
        ({"codebook_indices": torch.full((1, 6, 8), -2)}, "codebook_indices: got -2"),
        ({"codebook_indices": torch.zeros(1, 6, 8)}, "codebook_indices: got torch.float32"),
        ({"editable": torch.zeros(1, 6, 8)}, "editable: got torch.float32"),
        ({"editable": torch.zeros(6, 8, dtype=torch.bool)}, r"editable: got shape \[6, 8\]"),
        ({"options": {"magic": 1}}, "options: got 'magic'"),
    ],
)
def test_wrong_input_is_named(values, message):
    with pytest.raises(InputError, match=message):
        sample(**values)


def test_numbers_of_prompts_must_agree():
    with pytest.raises(InputError, match="negative prompts: got 2 for 1"):
        sample_tokens(FakeDLLM(), [Prompt("a")], [Prompt("")] * 2, GRID)


def test_settings_of_the_report_reproduce_the_tokens():
    tokens, report = sample(
        seeds=(9,), settings=SamplerSettings(steps=9, cfg=2.0), rescue=RescueSettings(risk_bound=0.6)
    )
    stored = json.loads(report.to_json())
    settings = SamplerSettings(**{k: v for k, v in stored["settings"].items() if k in SAMPLER_SETTINGS})
    rescue = RescueSettings(**{k: v for k, v in stored["settings"].items() if k in RESCUE_SETTINGS})
    again, _ = sample(seeds=stored["seeds"], sampler=stored["sampler"], settings=settings, rescue=rescue)
    assert torch.equal(tokens, again)


def test_report_as_dict_and_text():
    _, report = sample(seeds=(0, 1))
    data = report.to_dict()
    assert json.loads(report.to_json(indent=1)) == json.loads(json.dumps(data))
    assert set(data["settings"]) == set(SAMPLER_SETTINGS) | set(RESCUE_SETTINGS)
    assert len(data["unmasked_at"]) == 2 and len(data["unmasked_at"][0]) == 6 and len(data["unmasked_at"][0][0]) == 8
    letters = "".join("".join(image) for image in data["unmasked_by"])
    assert letters.count("r") == sum(r["rescued"] for r in data["steps"]) > 0
    assert letters.count("s") == sum(r["scheduled"] for r in data["steps"])
    assert asdict(report.steps[0]) == data["steps"][0]
    assert "unmasked_at" not in report.to_dict(cells=False)
    text = report.to_text()
    assert text.startswith(f"ladr: {report.nfe} network evaluations of at most 48")  # the grid has 48 cells
    assert "image 2, seed 1" in text and len(text.splitlines()) == 3
    assert "rescue" not in sample(sampler="baseline")[1].settings


def test_the_report_names_model_prompts_and_the_most_evaluations():
    tokens = given_tokens()
    values = {"settings": SamplerSettings(steps=8, denoise=0.5, mask_schedule="linear"), "codebook_indices": tokens}
    _, report = sample(sampler="baseline", **values)
    data = report.to_dict()
    assert (data["model"], data["prompts"], data["negative_prompts"]) == ("fake", ["a red circle"], [""])
    assert report.nfe == report.most_nfe == data["most_nfe"] == 4
    for sampler in ("threshold", "entropy_bound", "klass"):
        _, report = sample(sampler=sampler, **values)
        assert report.most_nfe is None and "of at most" not in report.to_text()
    starts = []
    sample(sampler="baseline", on_start=starts.append, **values)
    assert [(start.most_nfe, start.notices) for start in starts] == [(4, [])]


def notices(texts=("a red circle",), negative="", **values):
    prompts = [Prompt(text) for text in texts]
    seeds = range(len(texts))
    _, report = sample_tokens(FakeDLLM(), prompts, [Prompt(negative)] * len(texts), GRID, seeds=seeds, **values)
    assert json.loads(report.to_json())["notices"] == report.notices
    return report.notices


def test_inputs_without_an_effect_are_noted(caplog):
    assert notices() == []
    assert "prompt is empty" in notices((" ",))[0] and caplog.text.count("prompt is empty") == 1
    assert notices(("a (red:1.2) circle",))[0].startswith("(red:1.2) is plain text")
    assert notices(("a (red) circle, 1:2",)) == []
    assert notices(negative="embedding:bad")[0].startswith("Negative prompt: embedding:b")


def test_settings_that_make_an_input_idle_or_work_against_the_rescue_are_said():
    without = SamplerSettings(cfg=1.0)
    assert notices(negative="embedding:bad", settings=without) == [
        "The negative prompt has no effect, as cfg is 1: raise cfg to use it."
    ]
    assert notices(settings=without) == []
    for schedule in MASK_SCHEDULES:
        given = {"settings": SamplerSettings(mask_schedule=schedule)}
        said = notices(rescue=RescueSettings(), **given)
        assert bool(said) == (schedule in HASTY_SCHEDULES) and all(schedule in notice for notice in said)
        assert notices(rescue=RescueSettings(rescue=False), **given) == notices(sampler="baseline", **given) == []


def test_images_in_which_nothing_is_drawn_are_noted():
    tokens = given_tokens(2)
    editable = torch.zeros(2, 6, 8, dtype=torch.bool)
    texts, given = ("one", "two"), {"codebook_indices": tokens}
    assert notices(texts, editable=editable, **given) == [
        "Nothing is drawn in all images, as the noise mask frees no cell: the input is returned as it is."
    ]
    editable[0, 0, 0] = True
    assert "in image 2, as" in notices(texts, editable=editable, **given)[0]
    assert "denoise is 0" in notices(texts, settings=SamplerSettings(denoise=0.0), **given)[0]


def test_public_names_are_there_and_imported_late():
    for name in ladr_core.__all__:
        assert getattr(ladr_core, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ladr_core.nothing


def test_a_reference_image_of_another_size_is_noted_with_the_nearest_trained_size():
    model, square, odd = FakeDLLM(), torch.zeros(64, 64, dtype=torch.int64), torch.zeros(60, 80, dtype=torch.int64)
    prompts = [Prompt("Add a hat.", "edit_add", (square, odd)), Prompt("Add a tie.", "edit_add", (odd,))]
    _, report = sample_tokens(model, prompts, [Prompt("")] * 2, GRID, seeds=(0, 1))
    (notice,) = report.notices
    assert "640 x 480 pixels" in notice and "here 576 x 448: set Upscale Image, crop center" in notice
