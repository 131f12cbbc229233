"""Runner and results on a stand-in model: resuming, pairing, tables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from lab.fake_model import KnowingModel

from ladr_core.command_line.machine import describe_machine, read_commit
from ladr_core.errors import InputError
from ladr_core.lab.evaluation.ceiling import measure_ceiling
from ladr_core.lab.evaluation.configurations import configuration_grid, from_preset
from ladr_core.lab.evaluation.diversity import color_entropy, token_disagreement
from ladr_core.lab.evaluation.plot import draw_plot
from ladr_core.lab.evaluation.power import detectable_difference, pairs_needed, power_sentence
from ladr_core.lab.evaluation.prompts import HALVES, PER_CATEGORY, evaluation_prompts, truth_scenes
from ladr_core.lab.evaluation.record import PictureRecord, RecordFile, pack_tokens
from ladr_core.lab.evaluation.results import best_of_each, summarize
from ladr_core.lab.evaluation.runner import model_fingerprint, run_benchmark
from ladr_core.lab.evaluation.statistics import mean_of_categories, wilson
from ladr_core.lab.evaluation.tables import to_markdown
from ladr_core.lab.worlds.scene import CATEGORIES
from ladr_core.presets import PRESETS
from ladr_core.settings import SamplerSettings


@pytest.fixture(scope="module")
def prompts():
    return evaluation_prompts("tuning", 2)


@pytest.fixture(scope="module")
def model(prompts):
    return KnowingModel(prompts)


def grid(*steps: int, samplers=("baseline",), **varied):
    return configuration_grid(samplers, steps, varied)


def test_prompts_are_fixed_and_halves_do_not_mix():
    both = {half: evaluation_prompts(half) for half in HALVES}
    for prompts in both.values():
        for category in CATEGORIES:
            own = [p for p in prompts if p.category == category]
            assert len(own) == PER_CATEGORY
            assert sum(p.held_out for p in own) == (0 if category == "single" else 4)
    texts = [{p.text for p in both[half] if p.category != "single"} for half in HALVES]
    assert not texts[0] & texts[1]
    seeds = [p.seed(s) for prompts in both.values() for p in prompts for s in range(5)]
    assert len(set(seeds)) == len(seeds)
    again = [(p.number, p.text) for p in evaluation_prompts("reporting")]
    assert again == [(p.number, p.text) for p in both["reporting"]]


def test_truth_scenes_fit_their_prompts():
    for prompt in evaluation_prompts("reporting", 6):
        scenes = truth_scenes(prompt, 3)
        assert scenes == truth_scenes(prompt, 3)
        for scene in scenes:
            assert [t.shape for t in scene.objects] == [t.shape for t in prompt.scene.objects]
            assert scene.relation == prompt.scene.relation


def test_a_sure_model_passes_everything(prompts, model, tmp_path):
    configurations = grid(8)
    file = RecordFile(tmp_path / "r.jsonl", "m")
    run_benchmark(model, prompts, configurations, 2, file, batch=5)
    (summary,) = summarize(prompts, configurations, 2, file.records)
    assert summary["overall"]["value"] == 1.0
    assert summary["nfe"] == 8
    assert {c: v["asked"] for c, v in summary["categories"].items()} == dict.fromkeys(CATEGORIES, 4)
    assert summary["passes"] == dict.fromkeys(CATEGORIES, "1111")


def test_an_unsure_model_fails(prompts, tmp_path):
    configurations = grid(8)
    file = RecordFile(tmp_path / "r.jsonl", "m")
    run_benchmark(KnowingModel(prompts, lead=1.0), prompts, configurations, 1, file)
    (summary,) = summarize(prompts, configurations, 1, file.records)
    assert summary["overall"]["value"] < 0.2


def test_a_stopped_run_goes_on_and_ends_the_same(prompts, model, tmp_path):
    configurations = grid(6, 3)
    whole = RecordFile(tmp_path / "whole.jsonl", "m")
    run_benchmark(model, prompts, configurations, 2, whole, batch=5)

    class Stopped(Exception):
        pass

    def stop(line: str) -> None:
        if "baseline 3: 10 of" in line:
            raise Stopped

    path = tmp_path / "parts.jsonl"
    with pytest.raises(Stopped):
        run_benchmark(model, prompts, configurations, 2, RecordFile(path, "m"), batch=5, progress=stop)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"configuration": "cut sho')  # the kill came in the middle of a line
    asked_before = model.pictures_asked
    parts = RecordFile(path, "m")
    assert len(parts.records) == 24 + 10
    run_benchmark(model, prompts, configurations, 2, parts, batch=7)
    assert model.pictures_asked - asked_before == 24 - 10
    assert RecordFile(path, "m").records.keys() == whole.records.keys()
    for key, record in whole.records.items():
        assert (record.tokens, record.passed) == (parts.records[key].tokens, parts.records[key].passed)
    run_benchmark(model, prompts, configurations, 2, parts)
    assert model.pictures_asked - asked_before == 24 - 10


def test_records_of_another_model_are_refused(tmp_path, prompts, model):
    RecordFile(tmp_path / "r.jsonl", model_fingerprint(model))
    RecordFile(tmp_path / "r.jsonl", model_fingerprint(KnowingModel(prompts)))
    with pytest.raises(InputError, match="another model"):
        RecordFile(tmp_path / "r.jsonl", model_fingerprint(KnowingModel(prompts, lead=7.0)))


def test_configurations_are_every_combination_once():
    found = grid(64, 16, samplers=("baseline", "ladr"), choice_temperature=[2.0, 4.0], risk_bound=[0.1, 0.2, 0.3])
    assert len(found) == 2 * 2 + 2 * 2 * 3
    assert found[0].name == "baseline 64, choice_temperature 2.0"
    assert "risk_bound" not in found[0].values
    assert len({c.key for c in found}) == len(found)
    assert len(grid(64, 16, samplers=("entropy_bound",))) == 1  # it ignores steps
    tuned = [{"sampler": "baseline", "steps": 16, "choice_temperature": 9.0}]
    first, second = configuration_grid(["baseline"], [64, 16], {}, tuned)
    assert first.settings.choice_temperature == SamplerSettings().choice_temperature
    assert second.settings.choice_temperature == 9.0
    assert second.name == "baseline 16"
    assert all(from_preset(preset).values["sampler"] == preset.sampler for preset in PRESETS.values())


def record(key: str, prompt: int, s: int, passed: bool) -> PictureRecord:
    tokens = pack_tokens(np.array([prompt, s, 1023, 40000]))
    return PictureRecord(key, prompt, s, passed, 4, 0.5, ["red circle 4 4", "blue ? 9 9"], tokens)


def test_rivals_are_the_nearest_baselines_of_either_order():
    prompts = evaluation_prompts("reporting", 2)
    baselines = grid(64, 16, 12, choose_then_sample=[False, True])
    (ladr,) = grid(64, samplers=("ladr",))
    records = {}
    for configuration in [*baselines, ladr]:
        nfe = 17 if configuration is ladr else configuration.settings.steps
        for prompt in prompts:
            made = record(configuration.key, prompt.number, 0, configuration is ladr)
            records[configuration.key, prompt.number, 0] = replace(made, nfe=nfe)
    *_, summary = summarize(prompts, [*baselines, ladr], 1, records)
    assert [d["to"] for d in summary["differences"]] == ["baseline 64", "baseline 16", "baseline 16, cells first"]
    assert all(d["overall"]["value"] == 1 for d in summary["differences"])
    second = configuration_grid(["baseline"], [16], {}, [c.values for c in baselines])
    assert [c.name for c in second] == ["baseline 16", "baseline 16, cells first"]


def test_ladr_is_compared_with_every_rival_of_about_as_many_evaluations(prompts):
    plain, ladr = *grid(64), *grid(64, samplers=("ladr",))
    rivals = grid(64, samplers=("threshold", "klass", "halton"))
    evaluations = {"baseline": 64, "ladr": 10, "threshold": 12, "klass": 8, "halton": 15}
    configurations, records = [plain, *rivals, ladr], {}
    for configuration in configurations:
        for prompt in prompts:
            made = record(configuration.key, prompt.number, 0, configuration is ladr)
            records[configuration.key, prompt.number, 0] = replace(made, nfe=evaluations[configuration.sampler])
    _, threshold, *_, own = summarize(prompts, configurations, 1, records)
    assert [d["to"] for d in own["differences"]] == ["baseline 64", "threshold 64", "klass 64"]
    assert [d["to"] for d in threshold["differences"]] == ["baseline 64"]


def test_differences_are_paired_and_tables_show_them(prompts):
    configurations = grid(64, 8)
    records = {}
    for prompt in prompts:
        for s in range(2):
            for configuration in configurations:
                passed = configuration.settings.steps == 64 or prompt.category != "position"
                key = configuration.key, prompt.number, s
                records[key] = record(configuration.key, prompt.number, s, passed)
    slow, fast = summarize(prompts, configurations, 2, records)
    assert slow["differences"] == []
    (difference,) = fast["differences"]
    assert difference["to"] == "baseline 64"
    assert difference["position"]["value"] == -1.0
    assert difference["overall"]["value"] == pytest.approx(-1 / 6, abs=1e-3)
    assert fast["overall"]["value"] == pytest.approx(5 / 6, abs=1e-3)
    assert fast["categories"]["position"]["passed"] == 0
    assert fast["token_disagreement"] == 0.25
    assert fast["color_entropy"] == 0.0
    assert best_of_each([slow, fast]) == [slow["values"], fast["values"]]
    rates = {c: wilson(4, 4).rounded() for c in CATEGORIES}
    result = {
        "model": "m", "half": "tuning", "prompts": 12, "repetitions": 2, "batch": 4, "dtype": "float32",
        "machine": describe_machine(),
        "reference": "baseline 64", "configurations": [slow, fast],
        "ceiling": {"rendered": rates, "reconstructed": rates, "overall": 1.0, "token_disagreement": 0.5,
                    "color_entropy": 3.0},
    }  # fmt: skip
    table = to_markdown(result)
    line = next(line for line in table.splitlines() if line.startswith("| baseline 8 | 4.0 | 0.50"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[3 + CATEGORIES.index("position")].startswith("0.0 (0-49)")
    assert cells[-1].startswith("83.3 (")
    assert "-16.7 (-16.7 to -16.7)" in table
    widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
    assert widths == {4 + len(CATEGORIES) + 1, 7, 8}
    assert draw_plot(result).size == (960, 600)


def test_tokens_survive_packing():
    tokens = np.array([0, 1, 255, 256, 1023, 8191, 65535])
    packed = PictureRecord("k", 1, 0, True, 1, 0.1, [], pack_tokens(tokens))
    assert packed.codebook_indices.tolist() == tokens.tolist()


def test_intervals():
    rate = wilson(85, 100)
    assert (round(rate.low, 3), round(rate.high, 3)) == (0.767, 0.907)
    assert math.isnan(wilson(0, 0).value)
    outcomes = {"a": {f"p{i}": [i % 2, i % 2] for i in range(40)}, "b": {"q": [1, 1]}}
    mean = mean_of_categories(outcomes)
    assert mean.value == 0.75
    # 40 captions, not 80 pictures: the standard error of `a` is 0.5 / sqrt(40), halved by the mean over two categories.
    assert 0.75 - mean.low == pytest.approx(1.96 * 0.5 / math.sqrt(40) / 2, rel=0.15)


def test_diversity():
    a, b = np.array([1, 2, 3, 4]), np.array([1, 2, 0, 0])
    assert token_disagreement([[a, b], [a, a]]) == 0.25
    assert token_disagreement([[a]]) is None
    assert color_entropy(["red", "blue"]) == 1.0
    assert color_entropy(["red", "red"]) == 0.0
    assert color_entropy([]) is None


def test_ceiling_of_a_lossless_tokenizer(prompts, model):
    ceiling = measure_ceiling(model, prompts, 1)
    assert all(rate["value"] == 1.0 for rate in ceiling["rendered"].values())
    assert ceiling["pictures"] == len(prompts)


def test_commit_is_read_from_files(tmp_path):
    assert read_commit(tmp_path / ".git") is None
    (tmp_path / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "packed-refs").write_text("# pack-refs\nabc123 refs/heads/main\n")
    assert read_commit(tmp_path) == "abc123"
    (tmp_path / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "refs" / "heads" / "main").write_text("def456\n")
    assert read_commit(tmp_path) == "def456"


def test_power_agrees_with_simulated_benchmarks():
    unequal, pairs = 0.25, 600
    gain = detectable_difference(pairs, unequal)
    draws = np.random.default_rng(0).random((4000, pairs))
    up = (unequal + gain) / 2
    differences = np.where(draws < up, 1.0, np.where(draws < unequal, -1.0, 0.0))
    error = differences.std(axis=1) / math.sqrt(pairs)
    assert np.mean(differences.mean(axis=1) > 1.96 * error) == pytest.approx(0.8, abs=0.03)
    assert pairs_needed(gain, unequal) == pytest.approx(pairs, abs=1)
    assert power_sentence(1200).startswith("power: with 1200 pictures")
