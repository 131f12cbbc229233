"""Settings: defaults, ranges, wording; errors: one sentence with input, value, range and remedy."""

import math
import pickle
from dataclasses import fields

import pytest

from ladr_core.errors import InputError
from ladr_core.presets import PRESETS, find_preset
from ladr_core.samplers.registry import find_sampler
from ladr_core.settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, SEED, RescueSettings, SamplerSettings

EVERY = [*SAMPLER_SETTINGS.values(), *RESCUE_SETTINGS.values(), SEED]


@pytest.mark.parametrize("setting", EVERY, ids=lambda s: s.name)
def test_setting_is_complete_and_its_default_allowed(setting):
    assert setting.check(setting.default) == setting.default
    assert (
        type(setting.check(setting.default)) is {"int": int, "float": float, "bool": bool, "choice": str}[setting.kind]
    )
    assert setting.meaning and not setting.meaning.endswith(".")
    assert 2 <= setting.tooltip.replace("e.g.", "").count(". ") + 1 <= 6
    assert setting.tooltip.endswith(".")
    if setting.kind in ("int", "float"):
        assert setting.minimum <= setting.default <= setting.maximum
        assert setting.step > 0


@pytest.mark.parametrize(
    ("record", "dataclass"), [(SAMPLER_SETTINGS, SamplerSettings), (RESCUE_SETTINGS, RescueSettings)]
)
def test_dataclasses_hold_exactly_the_settings(record, dataclass):
    assert [f.name for f in fields(dataclass)] == list(record)
    assert all(getattr(dataclass(), name) == setting.default for name, setting in record.items())


@pytest.mark.parametrize("setting", EVERY, ids=lambda s: s.name)
def test_wrong_values_are_refused_with_the_name_of_the_setting(setting):
    wrong = {"int": [1.5, "3", True, None, math.nan], "float": ["1", True, None, math.inf, math.nan]}
    wrong |= {"bool": [0, 1, "on", None], "choice": ["", "nothing", 0, None]}
    values = wrong[setting.kind]
    if setting.minimum is not None:
        values = [*values, setting.minimum - 1, setting.maximum + 1]
    for value in values:
        with pytest.raises(InputError) as caught:
            setting.check(value)
        assert caught.value.input == setting.name
        assert setting.name in str(caught.value)


def test_numbers_are_brought_to_their_own_type():
    settings = SamplerSettings(steps=16.0, cfg=3)
    assert (settings.steps, type(settings.steps)) == (16, int)
    assert (settings.cfg, type(settings.cfg)) == (3.0, float)
    assert SEED.check(2**64 - 1) == 2**64 - 1


def test_nearest_value_is_the_remedy():
    with pytest.raises(InputError, match=r"steps: got 0; allowed: a whole number from 1 to 1000\. Set steps to 1\."):
        SamplerSettings(steps=0)
    with pytest.raises(InputError, match="risk_bound: got -1"):
        RescueSettings(risk_bound=-1)


def test_input_error_is_one_text_and_keeps_its_parts():
    error = InputError("steps", 0, "1 or more.", "Set it to 1.")
    assert str(error) == "steps: got 0; allowed: 1 or more. Set it to 1."
    assert (error.input, error.given, error.allowed, error.remedy) == ("steps", "0", "1 or more", "Set it to 1")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_presets_are_named_values():
    assert set(PRESETS) == {
        "quality", "balanced", "fast", "lumina-dimoo", "lumina-dimoo-edit", "lumina-dimoo-ladr", "mmada", "mmada-ladr"
    }  # fmt: skip
    for name, preset in PRESETS.items():
        assert preset.name == name and preset.meaning
        find_sampler(preset.sampler)
    with pytest.raises(InputError, match="one of quality, balanced, fast"):
        find_preset("best")


def test_unknown_sampler_and_option_are_named():
    with pytest.raises(InputError, match="ladr, baseline"):
        find_sampler("euler")
    with pytest.raises(InputError, match="options"):
        find_sampler("baseline").check_options({"threshold": 1})


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_the_values_of_presets_survive_the_rounding_of_widgets(preset):
    for name, value in (vars(preset.settings) | vars(preset.rescue)).items():
        setting = (SAMPLER_SETTINGS | RESCUE_SETTINGS)[name]
        if setting.kind == "float":
            assert round(value / setting.step) * setting.step == pytest.approx(value, abs=1e-9), name
