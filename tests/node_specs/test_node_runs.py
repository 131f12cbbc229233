"""What the nodes do with values that reach them past ComfyUI's own checks, and what a run says on its node."""

from __future__ import annotations

import importlib.util
import json
import sys
import types

import pytest
import torch
from comfyui.tiny_model import write_tiny
from node_specs.comfyui_stub import PACK, load_pack

pack = load_pack()
nodes = {node.__name__: node for node in pack.nodes.NODES}
InputError = sys.modules[f"{pack.__name__}.ladr_core.errors"].InputError  # the pack's own copy


def test_a_task_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="task: got 'edit_all'; allowed: one of edit_add, .*Set task to edit_add"):
        nodes["EditTask"].execute([], "edit_all", 1.0)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((-16, 128, 1), "width: got -16; allowed: a whole number from 16 to 4096"),
        ((128, 0, 1), "height: got 0"),
        ((128, 128, -1), "batch_size: got -1"),
        ((128, 128, 0), "batch_size: got 0"),
        ((10**9, 10**9, 1), "width: got 1000000000"),
        ((float("nan"), 128, 1), "width: got nan"),
        ((4096, 4096, 4096), "batch_size: got 4096 pictures of 4096 x 4096 pixels; allowed: at most 64 "),
    ],
)  # fmt: skip
def test_sizes_that_come_through_a_wire_are_checked_before_anything_is_allocated(size, message):
    with pytest.raises(InputError, match=message):
        nodes["EmptyTokenGrid"].execute(*size)


def test_an_empty_grid_has_the_finest_cells():
    (latent,) = nodes["EmptyTokenGrid"].execute(512, 128, 3)
    assert latent["samples"].shape == (3, 1, 16, 64) and bool((latent["samples"] == -1).all())


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the baseline on a tiny model: what the page is told at the start and at the end, and the three outputs."""
    write_tiny(tmp_path / "tiny.safetensors")
    dllm = sys.modules[f"{pack.__name__}.ladr_core.models.builtin.loading"].load_builtin(tmp_path / "tiny.safetensors")
    module = sys.modules[f"{pack.__name__}.nodes.sampler_run"]
    text_side = sys.modules[f"{pack.__name__}.nodes.clip"]
    vae = types.SimpleNamespace(first_stage_model=None)
    model = types.SimpleNamespace(load_device="cpu")
    inner = types.SimpleNamespace(dllm=dllm, vae=vae, run_memory=lambda *inputs: 0)
    management = sys.modules["comfy.model_management"]
    bar = types.SimpleNamespace(update_absolute=lambda *values: None)
    starts: list[dict] = []
    server = types.SimpleNamespace(client_id="page", send_sync=lambda name, data, client: starts.append(data))
    monkeypatch.setattr(module, "get_dllm_model", lambda model: inner)
    monkeypatch.setattr(management, "load_models_gpu", lambda *a, **k: None, raising=False)
    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", lambda: None, raising=False)
    monkeypatch.setattr(management, "module_size", lambda module: 0, raising=False)
    monkeypatch.setattr(sys.modules["comfy.utils"], "ProgressBar", lambda steps: bar, raising=False)
    monkeypatch.setattr(sys.modules["server"].PromptServer, "instance", server)

    def conditioning(text):
        return [[text_side.text_tensor(text), {text_side.TEXT_KEY: text}]]

    baseline, metadata = nodes["BaselineSampler"], {"workflow": {"nodes": []}}
    monkeypatch.setattr(baseline, "hidden", types.SimpleNamespace(unique_id="7", extra_pnginfo=metadata), raising=False)

    def play(positive="a red circle", negative="", noise_mask=None, samples=None, **settings):
        latent = {"samples": torch.full((1, 1, 16, 16), -1.0) if samples is None else samples}
        if noise_mask is not None:
            latent["noise_mask"] = noise_mask
        starts.clear()
        result = baseline.execute(
            model=model, seed=1, positive=conditioning(positive), latent_image=latent, preview=False,
            negative=conditioning(negative), **{"method": "maskgit", "ml_cache": False, "steps": 4, **settings},
        )  # fmt: skip
        (start,), end = starts, json.loads(result.ui["ladr_result"][0])
        assert start["node"] == "7" and metadata["ladr_result"] == {"7": end}
        assert metadata["workflow"]["extra"]["ladr_result"] == {"7": end}
        return (start, end), result

    return play


def test_the_node_shows_the_most_evaluations_then_the_result(run):
    (first, last), (_, report, data) = run()
    assert first["most_nfe"] == last["most_nfe"] == last["nfe"] == 4 and last["speedup"] == 1.0
    assert last["images"] == [{"seed": "1", "nfe": 4, "scheduled": 256, "rescued": 0, "given": 0}]
    assert report.startswith("baseline: 4 network evaluations of at most 4,")
    data = json.loads(data)
    assert data["model"] == "builtin-shapes" and data["prompts"] == ["a red circle"]
    assert len(data["unmasked_at"][0]) == 16 and data["unmasked_by"][0][0] == "s" * 16


def test_denoise_counts_in_the_most_evaluations(run):
    (first, _), (_, report, _) = run(samples=torch.zeros(1, 1, 16, 16), steps=64, denoise=0.1)
    assert first["most_nfe"] == 7 and "7 network evaluations of at most 7," in report


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"positive": ""}, "The prompt is empty"),
        ({"positive": "a (red:1.2) circle"}, "(red:1.2) is plain text"),
        ({"positive": "a red dragon"}, "does not know: dragon"),
        ({"negative": "a green dragon"}, "Negative prompt: The built-in model does not know: dragon"),
        ({"samples": torch.zeros(1, 1, 16, 16), "noise_mask": torch.zeros(1, 128, 128)}, "Nothing is drawn"),
    ],
)
def test_what_has_no_effect_is_said_on_the_node_and_in_both_reports(run, values, words):
    (first, last), (_, report, data) = run(**values)
    assert all(any(words in notice for notice in said["notices"]) for said in (first, last)) and words in report
    assert any(words in notice for notice in json.loads(data)["notices"])


@pytest.mark.parametrize("method", ["lumina-dimoo", "mmada"])
def test_the_published_samplers_run_on_every_model(run, method):
    _, (latent, report, data) = run(method=method)
    assert report.startswith(f"{method}: 4 network evaluations of at most 4,")
    assert json.loads(data)["sampler"] == method and int(latent["samples"].min()) >= 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ml_cache": True}, "ml_cache: got true; allowed: false for the method maskgit. Turn ml_cache off, or set "),
        ({"ml_cache": True, "method": "mmada"}, "ml_cache: got true; allowed: false for the method mmada"),
        ({"ml_cache": True, "method": "lumina-dimoo"}, "allowed: false for builtin-shapes. Turn ml_cache off, or load"),
        ({"method": "mmada", "mask_schedule": "arccos"}, "mask_schedule: got 'arccos'.*for mmada. Set mask_schedule"),
        ({"method": "halton"}, "method: got 'halton'; allowed: one of maskgit, lumina-dimoo, mmada"),
    ],
)
def test_what_a_method_cannot_do_is_one_sentence(run, values, message):
    with pytest.raises(InputError, match=message):
        run(**values)


def test_the_usual_inputs_need_no_notice(run):
    assert json.loads(run()[1][2])["notices"] == []


@pytest.mark.parametrize(("version", "refused"), [("0.3.40", True), (None, True), ("0.3.64", False), ("0.4.0", False)])
def test_an_old_comfyui_gets_a_sentence_when_it_imports_the_pack(monkeypatch, version, refused):
    known = None if version is None else types.SimpleNamespace(__version__=version)
    monkeypatch.setitem(sys.modules, "comfyui_version", known)  # None: cannot be imported
    spec = importlib.util.spec_from_file_location("pack_in_old_comfyui", PACK / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    if refused:
        with pytest.raises(ImportError, match=r"needs ComfyUI 0\.3\.64 or newer\. Update ComfyUI"):
            spec.loader.exec_module(module)
    else:
        spec.loader.exec_module(module)


def test_outside_comfyui_the_pack_can_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "folder_paths", None)
    monkeypatch.setitem(sys.modules, "comfyui_version", None)
    spec = importlib.util.spec_from_file_location("pack_without_comfyui", PACK / "__init__.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.fixture
def wrap(tmp_path, monkeypatch):
    """Make a MODEL of a tiny model on a card that is good at the dtypes given only."""
    write_tiny(tmp_path / "tiny.safetensors")
    dllm = sys.modules[f"{pack.__name__}.ladr_core.models.builtin.loading"].load_builtin(tmp_path / "tiny.safetensors")
    module, management = sys.modules[f"{pack.__name__}.nodes.model"], sys.modules["comfy.model_management"]
    card = torch.device("cuda")
    monkeypatch.setattr(management, "get_torch_device", lambda: card, raising=False)
    monkeypatch.setattr(management, "unet_offload_device", lambda: torch.device("cpu"), raising=False)
    monkeypatch.setattr(module, "make_patcher", lambda model, *devices: types.SimpleNamespace(model=model))

    def make(stored, *good):
        def cast(dtype, device, supported):  # the rule of core's function of this name
            if device != card or dtype in (torch.float32, *good):
                return None
            return next((d for d in supported if d in good), torch.float32)

        monkeypatch.setattr(management, "unet_manual_cast", cast, raising=False)
        dllm.transformer.to(stored)
        return module.make_model(dllm, None).model

    return make


@pytest.mark.parametrize(
    ("stored", "good", "computed"),
    [
        (torch.bfloat16, [torch.bfloat16, torch.float16], torch.bfloat16),
        (torch.bfloat16, [torch.float16], torch.float32),  # not float16, whose range is too small
        (torch.float16, [torch.bfloat16, torch.float16], torch.float16),
        (torch.float16, [], torch.float32),
        (torch.float32, [torch.bfloat16, torch.float16], torch.float32),
        (torch.float8_e4m3fn, [torch.bfloat16], torch.bfloat16),
        (torch.float8_e4m3fn, [torch.float16], torch.float32),
    ],
)
def test_a_model_computes_in_a_dtype_its_card_is_good_at(wrap, stored, good, computed):
    model = wrap(stored, *good)
    assert model.get_dtype() == stored and model.compute_dtype() == computed
    if stored != torch.float8_e4m3fn:  # torch's own embedding cannot read 8 bits
        assert model.diffusion_model.embed(*torch.zeros(2, 1, dtype=torch.int64)).dtype == computed


def test_a_run_asks_for_the_memory_of_its_own_branches(wrap):
    model, core = wrap(torch.float32), pack.nodes.__name__.split(".")[0] + ".ladr_core."
    prompt = sys.modules[core + "models.contract"].Prompt("a red circle")
    settings, grid = sys.modules[core + "settings"].SamplerSettings, model.dllm.default_grid
    guided = model.run_memory([prompt], grid, settings(), {})
    alone = model.run_memory([prompt], grid, settings(cfg=1.0), {})
    shape = [1, 1, grid.height, grid.width]
    assert alone < guided < model.memory_required(shape)
    assert model.run_memory([prompt], grid, settings(), {"ml_cache": True}) > guided


def test_inputs_that_a_saved_prompt_lacks_take_their_defaults(run):
    """`play` gives none of the inputs after denoise but the preview."""
    (_, report, data) = run(steps=4)[1]
    settings = json.loads(data)["settings"]
    assert settings["temperature"] == 1.0 and settings["mask_schedule"] == "cosine"
