"""A sweep: one prompt and seed drawn over a grid of values of two settings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from torch import Tensor

from .errors import InputError
from .report import SamplingReport
from .report_reading import read_json
from .sampler_setup import SamplerSetup
from .sampling import ImageRequest
from .setting import Setting
from .settings import RESCUE_SETTINGS, SAMPLER_SETTINGS

NOT_SWEPT = "none"  # the choice of a second setting that does not change
SWEEPABLE: dict[str, Setting] = {
    name: setting for name, setting in {**SAMPLER_SETTINGS, **RESCUE_SETTINGS}.items() if name != "image_cfg"
}
MOST_RUNS = 100
_SWITCH = {"true": True, "on": True, "false": False, "off": False}
_NUMBERS: dict[str, Any] = {"int": int, "float": float}
_ALLOWED = "the sweep_json of LADR Sweep, or sweep.json of the command sweep"


@dataclass(frozen=True)
class SweepAxis:
    """A setting and the values it takes; the name "" is of no setting and has one empty value."""

    name: str
    values: tuple[Any, ...]

    @property
    def words(self) -> tuple[str, list[str]]:
        """Name and values as a sheet shows them."""
        return self.name, [_shown(value) for value in self.values]


NO_AXIS = SweepAxis("", ("",))


@dataclass(frozen=True)
class SweepPoint:
    """One run of a sweep: its place across and down, and how it is drawn."""

    place: tuple[int, int]
    setup: SamplerSetup


def read_axis(number: int, name: str, text: str) -> SweepAxis:
    """The axis of a setting's name and its values, separated by commas; InputError names what is wrong."""
    if name == NOT_SWEPT and number > 1:
        return NO_AXIS
    if name not in SWEEPABLE:
        allowed = "one of " + ", ".join(SWEEPABLE)
        raise InputError(f"setting_{number}", repr(name), allowed, "Choose one of these settings")
    setting, input_name = SWEEPABLE[name], f"values_{number}"
    words = [word.strip() for word in str(text).split(",") if word.strip()]
    if not words:
        example = f"Write values such as {setting.default}"
        raise InputError(input_name, repr(text), f"values of {name} separated by commas: {setting.allowed}", example)
    values = tuple(_value(setting, input_name, word) for word in words)
    if len(set(values)) < len(values):
        raise InputError(input_name, repr(text), "every value once", "Remove the values that are there twice")
    return SweepAxis(name, values)


def sweep_points(setup: SamplerSetup, across: SweepAxis, down: SweepAxis) -> list[SweepPoint]:
    """Every run of a sweep, row by row; InputError where there are too many or both axes are one setting."""
    if across.name == down.name:
        raise InputError("setting_2", repr(down.name), "another setting than setting_1", "Choose another, or none")
    count = len(across.values) * len(down.values)
    if count > MOST_RUNS:
        raise InputError("values_1", f"{count} runs", f"at most {MOST_RUNS} runs", "Give fewer values")
    return [
        SweepPoint((x, y), _changed(_changed(setup, across.name, a), down.name, d))
        for y, d in enumerate(down.values)
        for x, a in enumerate(across.values)
    ]


def overall_progress(done: int, runs: int, step: int, steps: int) -> tuple[int, int]:
    """Value and end of one bar over all runs, when `done` are finished and the next is at `step` of `steps`."""
    share = 1000
    return done * share + share * step // max(1, steps), runs * share


class KeptRuns:
    """Finished runs of sweeps, so that an interrupted sweep goes on where it stopped; the oldest are dropped."""

    def __init__(self, most: int = 4 * MOST_RUNS) -> None:
        self._most = most
        self._runs: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any) -> Any:
        """What was kept under a key, or None."""
        if key in self._runs:
            self._runs.move_to_end(key)
        return self._runs.get(key)

    def keep(self, key: Any, run: Any) -> None:
        """Keep a finished run."""
        self._runs[key] = run
        while len(self._runs) > self._most:
            self._runs.popitem(last=False)


def setup_key(setup: SamplerSetup) -> tuple[Any, ...]:
    """What a setup draws by, hashable."""
    return (setup.sampler, setup.settings, setup.rescue, tuple(sorted(setup.options.items())))


def request_key(request: ImageRequest) -> tuple[Any, ...]:
    """What a request asks for, hashable: the tensors by their contents."""
    prompts = [
        (prompt.text, prompt.task, *map(_contents, prompt.reference_indices))
        for prompt in (*request.positive, *request.negative)
    ]
    return (
        request.grid, tuple(request.seeds), *prompts, _contents(request.codebook_indices), _contents(request.editable)
    )  # fmt: skip


@dataclass(frozen=True)
class SweepRecord:
    """A sweep as JSON tells it: the axes, what all runs share, and the counts of each run by its place."""

    across: SweepAxis
    down: SweepAxis
    title: str
    subtitle: str
    runs: dict[tuple[int, int], tuple[int, float]]  # NFE and seconds

    def table(self) -> list[tuple[str, list[str]]]:
        """The axes as a sheet shows them."""
        return [self.across.words, self.down.words]


def write_sweep(
    across: SweepAxis, down: SweepAxis, reports: Mapping[tuple[int, int], SamplingReport]
) -> dict[str, Any]:
    """A sweep ready for JSON; reports without their cells."""
    return {
        "sweep": {"across": asdict(across), "down": asdict(down)},
        "runs": [{"across": x, "down": y, "report": reports[x, y].to_dict(cells=False)} for x, y in reports],
    }


def read_sweep(name: str, text: Any) -> SweepRecord:
    """The sweep in a JSON text; InputError names the input where it is none."""
    data = read_json(name, text)
    if "sweep" not in data or "runs" not in data:
        given = "the report of one run" if "unmasked_at" in data else "JSON without a sweep"
        raise InputError(name, given, _ALLOWED, "Connect the sweep_json output of LADR Sweep")
    try:
        across, down = (
            SweepAxis(str(data["sweep"][side]["name"]), tuple(data["sweep"][side]["values"]))
            for side in ("across", "down")
        )
        runs = {
            (int(run["across"]), int(run["down"])): (int(run["report"]["nfe"]), float(run["report"]["seconds"]))
            for run in data["runs"]
        }
        if any(not (0 <= x < len(across.values) and 0 <= y < len(down.values)) for x, y in runs):
            raise ValueError("a run outside its axes")
        first = data["runs"][0]["report"] if data["runs"] else {}
        return SweepRecord(across, down, *_title(first, (across.name, down.name)), runs)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        given = "a sweep that is cut off, changed or of another program"
        raise InputError(name, given, _ALLOWED, "Connect the sweep_json output of LADR Sweep") from error


def _title(report: Mapping[str, Any], swept: Sequence[str]) -> tuple[str, str]:
    """The prompt, and sampler, model, seed and steps in a line."""
    if not report:
        return "", ""
    parts = [str(report["sampler"]), str(report["model"]), f"seed {report['seeds'][0]}"]
    parts += [f"{name} {report['settings'][name]}" for name in ("steps", "cfg") if name not in swept]
    return str(report["prompts"][0]), ", ".join(parts)


def _changed(setup: SamplerSetup, name: str, value: Any) -> SamplerSetup:
    """The setup with one setting changed; the empty name changes nothing."""
    if not name:
        return setup
    if name in _names(setup.settings):
        return replace(setup, settings=replace(setup.settings, **{name: value}))
    return replace(setup, rescue=replace(setup.rescue, **{name: value}))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _contents(values: Tensor | None) -> Any:
    return None if values is None else (tuple(values.shape), values.cpu().contiguous().numpy().tobytes())


def _names(settings: Any) -> Iterator[str]:
    return (field.name for field in fields(settings))


def _value(setting: Setting, input_name: str, word: str) -> Any:
    """A typed value; the error names the widget it was typed into."""
    value: Any = word
    if setting.kind == "bool":
        value = _SWITCH.get(word.lower(), word)
    elif setting.kind in _NUMBERS:
        try:
            value = _NUMBERS[setting.kind](word)
        except ValueError:
            value = word
    try:
        return setting.check(value)
    except InputError as error:
        allowed = f"values of {setting.name} separated by commas: {error.allowed}"
        raise InputError(input_name, repr(word), allowed, f"Correct {word!r}, or remove it") from error
