"""Every sampler in the registry: what holds for all of them, and what each rival rule does."""

import pytest
import torch
from draw_tokens import sample_tokens
from fake_dllm import FakeDenoiser, FakeDLLM, logits_for_confidences
from fake_step import make_state

from ladr_core import sampling
from ladr_core.denoising_loop import denoise
from ladr_core.models.contract import Prompt
from ladr_core.noise import PerImageNoise
from ladr_core.samplers.cell_order import halton_ranks
from ladr_core.samplers.entropy_bound import EntropyBoundRule
from ladr_core.samplers.halton import HaltonRule
from ladr_core.samplers.klass import KlassRule
from ladr_core.samplers.registry import find_method, find_sampler, sampler_names
from ladr_core.samplers.threshold import ThresholdRule
from ladr_core.settings import SAMPLER_SETTINGS, RescueSettings, SamplerSettings
from ladr_core.step import Prediction
from ladr_core.token_draw import InverseCdfDraw
from ladr_core.token_grid import MASKED, TokenGrid

GRID = TokenGrid(6, 6)
PUBLISHED = ("lumina-dimoo", "mmada")  # their noise differs by construction


def sample(sampler, seeds=(1, 2), cells=None, settings=None, options=None, model=None):
    texts = [f"text {seed}" for seed in seeds]
    cells = None if cells is None else cells.expand(len(seeds), -1, -1)
    return sample_tokens(
        model or FakeDLLM(sharpness=1.0), [Prompt(t) for t in texts], [Prompt("")] * len(texts), GRID, sampler=sampler,
        seeds=seeds, settings=settings or SamplerSettings(steps=12, choice_temperature=1.0), codebook_indices=cells,
        editable=None if cells is None else cells == MASKED, options=options,
    )  # fmt: skip


def half_known():
    cells = torch.arange(36).reshape(1, 6, 6) % 8
    return torch.where(torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(0)) < 0.5, MASKED, cells)


@pytest.mark.parametrize("sampler", sampler_names())
def test_fills_every_cell_keeps_known_ones_and_counts_forwards(sampler):
    model, given = FakeDLLM(sharpness=1.0), half_known()
    tokens, report = sample(sampler, cells=given, model=model)
    known = (given != MASKED).expand_as(tokens)
    assert torch.equal(tokens[known], given.expand_as(tokens)[known])
    assert int(tokens.min()) >= 0 and int(tokens.max()) < 8
    assert report.nfe == model.bound[0].calls <= (report.most_nfe or 36) <= 36
    assert report.sampler == sampler
    assert all(0 <= r.time_before <= r.time_after <= 1 for r in report.steps)


@pytest.mark.parametrize("sampler", sampler_names())
def test_is_deterministic_and_independent_of_the_batch(sampler):
    torch.manual_seed(0)
    batch, _ = sample(sampler)
    torch.manual_seed(1)
    assert torch.equal(batch, sample(sampler)[0])
    assert torch.equal(batch.flip(0), sample(sampler, seeds=(2, 1))[0])
    assert torch.equal(batch[1:], sample(sampler, seeds=(2,))[0])


@pytest.mark.parametrize(
    ("sampler", "name", "value"),
    [
        ("halton", "roll", False),
        ("threshold", "threshold", 0.3),
        ("entropy_bound", "entropy_bound", 5.0),
        ("klass", "threshold", 0.3),
        ("klass", "largest_divergence", 5.0),
        ("klass", "settled_steps", 1),
        ("klass", "at_least", 6),
    ],
)
def test_every_option_has_an_effect(sampler, name, value):
    common = {} if sampler != "klass" else {"threshold": 0.5, "largest_divergence": 0.3}
    before, report = sample(sampler, options=common)
    after, other = sample(sampler, options=common | {name: value})
    assert not torch.equal(before, after) or report.nfe != other.nfe
    assert other.settings[name] == value


@pytest.mark.parametrize("sampler", [s for s in sampler_names() if find_sampler(s).ignores])
def test_ignored_settings_are_ignored(sampler):
    other = {"choice_temperature": 9.0, "steps": 11, "mask_schedule": "sqrt", "top_k": 2, "top_p": 0.4}
    other |= {"temperature": 0.3, "image_cfg": 5.0, "choose_then_sample": True, "cell_order": "halton"}
    for name in find_sampler(sampler).ignores:
        assert name in SAMPLER_SETTINGS
        values = {"steps": 12, "choice_temperature": 1.0}
        same = sample(sampler, settings=SamplerSettings(**values))[0]
        assert torch.equal(same, sample(sampler, settings=SamplerSettings(**values | {name: other[name]}))[0])


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (4, 4), (6, 10), (16, 16)])
def test_halton_order_visits_every_cell_once(size):
    grid = TokenGrid(*size)
    assert sorted(halton_ranks(grid).tolist()) == list(range(grid.cells))


def test_halton_order_spreads_over_the_grid():
    grid = TokenGrid(16, 16)
    first = (halton_ranks(grid) < 16).reshape(16, 16)
    quarters = first.reshape(2, 8, 2, 8).sum(dim=(1, 3))
    assert int(quarters.min()) >= 3
    steps = SamplerSettings(steps=8)
    fixed, rolled = HaltonRule(steps, roll=False), HaltonRule(steps)
    state = make_state(torch.ones(3, 256, dtype=torch.bool), PerImageNoise([1, 2, 3]), grid=grid)
    nothing = Prediction(*torch.zeros(3, 3, 256).unbind(0))
    same, own = fixed.choose(state, nothing).scheduled, rolled.choose(state, nothing).scheduled
    assert torch.equal(same[0], same[1]) and not torch.equal(own[0], own[1])
    assert torch.equal(same.sum(1), own.sum(1))


def run_once(rule, confidences, steps=8, **needs):
    base = logits_for_confidences(confidences)
    settings = SamplerSettings(steps=steps, temperature=0.0, cfg=1.0)
    cells, grid = torch.full((1, len(confidences)), MASKED), TokenGrid(1, len(confidences))
    return denoise(
        FakeDenoiser(base), cells, grid, editable=cells == MASKED, rule=rule, settings=settings,
        noise=PerImageNoise([0]), **needs,
    )[1]  # fmt: skip


def test_threshold_takes_all_above_it_and_else_the_most_confident():
    report = run_once(ThresholdRule(SamplerSettings(), threshold=0.8), [0.5, 0.9, 0.6, 0.85, 0.7])
    assert report.unmasked_at[0].tolist() == [3, 0, 2, 0, 1]
    expected = torch.acos(torch.tensor(3 / 5)) * 2 / torch.pi
    assert report.steps[0].time_after == pytest.approx(float(expected), abs=1e-6)


def test_entropy_bound_takes_the_longest_prefix():
    confidences = [0.99, 0.5, 0.97, 0.6, 0.98]
    entropy = [float(-(p.log_softmax(0) * p.softmax(0)).sum()) for p in logits_for_confidences(confidences)[0]]
    report = run_once(EntropyBoundRule(SamplerSettings(), entropy_bound=entropy[0] + entropy[4] + 1e-3), confidences)
    assert report.unmasked_at[0].tolist() == [0, 2, 0, 1, 0]
    report = run_once(EntropyBoundRule(SamplerSettings(), entropy_bound=0.0), confidences)
    assert report.unmasked_at[0].tolist() == [0, 4, 2, 3, 1]


def test_klass_waits_until_a_cell_has_settled():
    rule = KlassRule(SamplerSettings(), threshold=0.8, settled_steps=2)
    report = run_once(rule, [0.5, 0.9, 0.6, 0.85, 0.7])
    # Nothing is settled in the first two steps: the most confident cell goes. Then cells above the threshold all would.
    assert report.unmasked_at[0].tolist() == [4, 0, 3, 1, 2]
    report = run_once(KlassRule(SamplerSettings(), threshold=0.55, settled_steps=1), [0.5, 0.9, 0.6, 0.85, 0.7])
    assert report.unmasked_at[0].tolist() == [2, 0, 1, 1, 1]


WITHOUT_WAITING = [s for s in sampler_names() if s not in PUBLISHED]
RESCUES = [
    RescueSettings(risk_filter=risk_filter, spacing=spacing)
    for risk_filter in ("absolute", "budget", "entropy", "relative")
    for spacing in (1, 3)
]


@pytest.mark.parametrize(
    ("sampler", "rescue"),
    [(s, RescueSettings()) for s in WITHOUT_WAITING if s != "ladr"] + [("ladr", rescue) for rescue in RESCUES],
)
def test_no_step_waits_for_the_device(sampler, rescue):
    """On torch's device without data every look at a value is an error, as it would be a wait on a GPU."""
    is_masked = torch.ones(2, 36, dtype=torch.bool)
    state = make_state(is_masked, PerImageNoise([0, 1]), grid=GRID)
    object.__setattr__(state, "is_masked", is_masked.to("meta"))
    rule = find_sampler(sampler).recipe(SamplerSettings(), rescue, {}).rule
    draw = InverseCdfDraw(top_k=3, top_p=0.9, needs_entropy=rule.needs_entropy, needs_divergence=rule.needs_divergence)
    draws = draw.draw(torch.empty(72, 8, device="meta"), state, torch.empty(72, dtype=torch.int64, device="meta"))
    values = {name: None if value is None else value.reshape(2, 36).clone() for name, value in vars(draws).items()}
    choice = rule.choose(state, Prediction(**values))
    assert choice.scheduled.shape == (2, 36) and choice.scheduled.device.type == "meta"


@pytest.mark.parametrize("sampler", sampler_names())
def test_only_the_published_samplers_draw_their_noise_on_the_device(sampler, monkeypatch):
    asked = []
    noise = lambda seeds, device: asked.append(str(device)) or PerImageNoise(seeds)  # noqa: E731
    monkeypatch.setattr(sampling, "PerImageNoise", noise)
    model, prompts = FakeDLLM(), ([Prompt("a")], [Prompt("")])
    bind = model.bind
    monkeypatch.setattr(model, "bind", lambda *inputs, device: bind(*inputs, device="cpu"))
    sample_tokens(model, *prompts, GRID, sampler=sampler, settings=SamplerSettings(steps=2), device="cuda:0")
    assert asked == ["cuda:0" if sampler in PUBLISHED else "cpu"]


@pytest.mark.parametrize(
    ("method", "ml_cache", "expected"),
    [
        ("maskgit", False, ("baseline", {})),
        ("mmada", False, ("mmada", {})),
        ("lumina-dimoo", False, ("lumina-dimoo", {"ml_cache": False})),
        ("lumina-dimoo", True, ("lumina-dimoo", {"ml_cache": True})),
    ],
)
def test_the_methods_of_the_baseline_node(method, ml_cache, expected):
    assert find_method(method, ml_cache) == expected
    find_sampler(expected[0]).check_options(expected[1])
