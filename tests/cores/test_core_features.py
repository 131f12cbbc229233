"""What the pack asks its ComfyUI, and what it makes of the answers."""

from __future__ import annotations

import argparse
import sys
import types

import pytest


@pytest.fixture
def features(on_core):
    """The module, on a core that says nothing."""
    return on_core("nodes.core_features")


def _running(features, prompt, **extra):
    queue = types.SimpleNamespace(currently_running={0: (1, "p", prompt, extra, ["x"], {})})
    features.PromptServer.instance = types.SimpleNamespace(prompt_queue=queue)


def _typed(features, monkeypatch, *arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--preview-method", default="none")
    features.comfy.cli_args.parser, features.comfy.options.args_parsing = parser, True
    features.comfy.cli_args.args = parser.parse_args(list(arguments))
    features.comfy.cli_args.args.preview_size = 512
    monkeypatch.setattr(sys, "argv", ["main.py", *arguments])


def test_no_previews_by_default_is_nobodys_wish(features, monkeypatch):
    _typed(features, monkeypatch)
    assert not features.previews_refused()


@pytest.mark.parametrize("how", [("--preview-method", "none"), ("--preview-method=none",)])
def test_no_previews_by_the_command_line_is(features, monkeypatch, how):
    _typed(features, monkeypatch, *how)
    assert features.previews_refused()
    _typed(features, monkeypatch, "--preview-method", "auto")
    assert not features.previews_refused()


def test_no_previews_by_the_settings_of_the_page_is(features, monkeypatch):
    _typed(features, monkeypatch)
    _running(features, {}, preview_method="none")
    assert features.previews_refused()
    _running(features, {}, preview_method="default")
    assert not features.previews_refused()


def test_the_node_that_asks_is_known_by_the_name_on_its_head(features):
    kind = type("KSampler", (), {"RETURN_TYPES": ("LATENT",)})
    features.execution.nodes.NODE_CLASS_MAPPINGS["KSampler"] = kind
    _running(features, {"7": {"class_type": "KSampler"}})
    assert features.asking_node() is None  # nothing runs
    features.get_executing_context = lambda: types.SimpleNamespace(prompt_id="p", node_id="7")
    assert features.asking_node() == ("KSampler", kind)
    features.execution.nodes.NODE_DISPLAY_NAME_MAPPINGS["KSampler"] = "K Sampler"
    assert features.asking_node() == ("K Sampler", kind)
    features.get_executing_context = lambda: types.SimpleNamespace(prompt_id="p", node_id="7.0.1")  # expanded
    assert features.asking_node() is None


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ({"RETURN_TYPES": ("LATENT",)}, "Use LADR Sampler or Baseline dLLM Sampler in place of Asker"),
        ({"RETURN_TYPES": ("MODEL",)}, "Remove Asker: the dLLM samplers would not execute it"),
        ({"RETURN_TYPES": (), "OUTPUT_NODE": True}, "Remove Asker, and write one file of a model folder with "),
    ],
)
def test_the_remedy_fits_the_node_that_asks(on_core, monkeypatch, kind, remedy):
    refusals = on_core("nodes.refusals")
    monkeypatch.setattr(refusals, "asking_node", lambda: ("Asker", type("Asker", (), kind)))
    text = str(refusals.refuse_use("a model that removes noise"))
    assert text.startswith("model: got the MODEL of Load dLLM") and "as Asker needs one. " + remedy in text


def test_a_seed_of_a_name_is_found_in_either_place(on_core):
    old = on_core("nodes.core_features", patcher="old").text_seed("blocks.0")
    assert on_core("nodes.core_features", patcher="new").text_seed("blocks.0") == old
