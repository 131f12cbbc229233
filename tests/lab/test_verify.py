"""`verify` accepts the recorded data and notices any change of it."""

from __future__ import annotations

import json
import shutil

import pytest
from golden_data import golden_folders, golden_path
from safetensors.torch import load_file, save_file

from ladr_core.lab.verify.command_line import main
from ladr_core.lab.verify.folders import verify

NEEDED = ("config.json", "model.safetensors", "meta.json")
CASE = "generate_8x8_T8_cfg4.json"


def failures(folder, only=""):
    checks = list(verify(folder, only))
    assert checks
    return [f"{check.file}: {failure}" for check in checks for failure in check.failures]


@pytest.fixture
def copied(golden, tmp_path):
    """A writable folder with some files of a golden folder."""

    def copy(folder, *names):
        for name in (*NEEDED, *names):
            shutil.copy(golden(f"{folder}/{name}"), tmp_path / name)
            (tmp_path / name).chmod(0o644)
        return tmp_path

    return copy


def recorded_folders():
    """Every folder of recorded data that is here, the full set's and the repository's own."""
    roots = [root for root in golden_folders() if root.is_dir()]
    return sorted({path.parent for root in roots for path in root.rglob("*.safetensors")})


@pytest.mark.parametrize("folder", recorded_folders(), ids=lambda path: "/".join(path.parts[-4:]))
def test_recorded_data_is_reproduced(folder):
    assert failures(folder, r"^[^/]*$") == []


def integers(value, path=()):
    """Paths of one integer in every field, the first of a list and the first and last of the steps."""
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from integers(inner, (*path, key))
    elif isinstance(value, list) and value:
        for place in {0, len(value) - 1}:
            yield from integers(value[place], (*path, place))


def changed(case, path):
    for part in path[:-1]:
        case = case[part]
    case[path[-1]] += 1


SMALL_CASES = [
    "lumina_dimoo/generate_4x4_T4_cfg0.json",
    "lumina_dimoo/generate_cache_6x6_T8_cfg3_alwaysrefresh.json",
    "mmada/tiny/generate_one_step.json",
]
EXPECTED = {
    "vq_ids", "vq_codes", "vq_codes_without_cache", "n_codes_changed_by_cache", "n_steps_run", "n_distinct_codes",
    "steps", "final_codes", "step_masked_count",
}  # fmt: skip


def expected_integers():
    """File and path of the expected integers of some small cases, which are also in the repository."""
    for name in SMALL_CASES:
        found = golden_path(name)
        if found is not None:
            case = json.loads(found.read_text())
            for path in integers({key: value for key, value in case.items() if key in EXPECTED}):
                yield name, path


@pytest.mark.parametrize("name, path", list(expected_integers()), ids=lambda value: str(value).rpartition("/")[2])
def test_every_expected_integer_is_compared(copied, name, path):
    folder, file = name.rsplit("/", 1)
    extra = [file.replace(".json", ".safetensors")] if folder.startswith("mmada") else []
    here = copied(folder, file, *extra)
    case = json.loads((here / file).read_text())
    changed(case, path)
    (here / file).write_text(json.dumps(case))
    assert failures(here)


@pytest.mark.parametrize("key", ["final_input_ids", "step00.masking", "step00.sampled_raw", "step00.mask_len"])
def test_every_tensor_of_a_last_step_is_compared(copied, key):
    name = "generate_one_step.safetensors"
    folder = copied("mmada/tiny", name, name.replace(".safetensors", ".json"))
    data = load_file(folder / name)
    data[key].view(-1)[-1] = 1 - data[key].view(-1)[-1]
    save_file(data, folder / name)
    assert failures(folder)


@pytest.mark.parametrize("step, field", [(0, "sampled_codes"), (3, "still_masked_positions")])
def test_one_changed_token_of_a_step_is_noticed(copied, step, field):
    folder = copied("lumina_dimoo", CASE)
    case = json.loads((folder / CASE).read_text())
    case["steps"][step][field][5] += 1
    (folder / CASE).write_text(json.dumps(case))
    (failure,) = failures(folder)
    assert f"step {step}" in failure and "1 of" in failure


@pytest.mark.parametrize("step, label", [(4, "cond"), (9, "uncond")])
@pytest.mark.parametrize("where", ["a known cell", "a place outside the grid"])
def test_a_changed_logit_of_ml_cache_is_noticed_wherever_it_stands(copied, step, label, where):
    name = "generate_cache_8x8_T12_cfg4_r0.9_i5_w0.3.json"
    logits = name.replace(".json", ".logits.safetensors")
    folder = copied("lumina_dimoo", name, logits)
    case, data = json.loads((folder / name).read_text()), load_file(folder / logits)
    # The grid follows the prompt of each sequence and two marks; after step 3 some of its cells are known.
    start = case["code_start"] if label == "cond" else len(case["uncon_ids"]) + 2
    masked = set(case["steps"][step - 1]["still_masked_positions"])
    places = [9 * row + column for row in range(8) for column in range(8)]  # each row is closed by a newline
    known = next(place for place in places if case["code_start"] + place not in masked)
    data[f"step{step}.{label}_logits"][0 if "outside" in where else start + known] += 5.0
    save_file(data, folder / logits)
    found = failures(folder)
    expected = "highest at every place" if "outside" in where else "at every cell"
    assert any(f"step {step} {label} {expected}: differs by 5" in failure for failure in found)


def test_one_changed_final_token_is_noticed_and_makes_the_command_fail(copied, capsys):
    folder = copied("lumina_dimoo", CASE)
    assert main([str(folder)]) == 0
    case = json.loads((folder / CASE).read_text())
    case["vq_codes"][-1] = (case["vq_codes"][-1] + 1) % case["codebook_size"]
    (folder / CASE).write_text(json.dumps(case))
    capsys.readouterr()
    assert main([str(folder), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert not result["agrees"] and result["failed"] == 1
    assert "final codebook indices: 1 of 64 differ" in result["files"][0]["failures"][0]


def test_a_changed_draw_of_mmada_is_noticed(copied):
    name = "generate_one_step.safetensors"
    folder = copied("mmada/tiny", name, name.replace(".safetensors", ".json"))
    data = load_file(folder / name)
    data["final_codes"][0, 0] += 1
    save_file(data, folder / name)
    assert any("final codebook indices" in failure for failure in failures(folder))


def test_a_changed_weight_is_noticed(copied):
    folder = copied("lumina_dimoo", "forward.safetensors")
    weights = load_file(folder / "model.safetensors")
    weights["model.transformer.blocks.1.up_proj.weight"][3, 3] += 0.5
    save_file(weights, folder / "model.safetensors")
    assert any("logits" in failure for failure in failures(folder))


def test_a_file_that_nothing_reads_is_a_failure(copied):
    folder = copied("lumina_dimoo", CASE)
    (folder / "unknown.json").write_text("{}")
    assert failures(folder) == ["unknown.json: no check reads this file"]


def test_block_wise_text_is_skipped_with_a_reason(golden):
    folder = golden("lumina_dimoo/generate_text_g20_b10_s6_cfg1.5.json").parent
    (check,) = verify(folder, "generate_text_g20")
    assert check.skipped and check.passed and "block-wise" in check.to_text()


def test_an_empty_folder_is_refused(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "no files" in capsys.readouterr().err


def test_a_damaged_file_is_one_failed_line(copied):
    folder = copied("lumina_dimoo", CASE)
    (folder / CASE).write_text("{")
    (failure,) = failures(folder)
    assert "cannot be checked" in failure
