"""Every node of ComfyUI that takes a MODEL, given ours: honoured, or refused in one sentence that names a node."""

from __future__ import annotations

from typing import Any

from comfyui.client import run
from comfyui.conftest import graph

LORA = {"LoraLoader", "LoraLoaderModelOnly"}  # weight patches, which our loop executes, as it does merges
UNCHANGED = {  # hand our MODEL on as it is: at their defaults, on a machine without a card, or where no weight matches
    "ChromaRadianceOptions", "GetICLoRAParameters", "MultiGPU_WorkUnits", "SelectModelDevice",
    "UNetCrossAttentionMultiply", "UNetSelfAttentionMultiply", "UNetTemporalAttentionMultiply", "wanBlockSwap",
}  # fmt: skip
# Detectors look for a part of their own model first, or want more than defaults; the last speaks about the LATENT.
IN_WORDS_OF_THEIR_OWN = {"SDPoseKeypointExtractor", "SAM3_Detect", "SAM3_VideoTrack", "SeedVR2Conditioning"}
SOURCES = {
    "MODEL": ["load", 0], "CLIP": ["load", 1], "VAE": ["load", 2], "CONDITIONING": ["positive", 0],
    "LATENT": ["grid", 0], "IMAGE": ["picture", 0], "MASK": ["picture", 1], "NOISE": ["noise", 0],
    "SAMPLER": ["how", 0], "SIGMAS": ["when", 0],
}  # fmt: skip
HELD = {
    "picture": (
        "LADRProbe_MakePicture",
        {"width": 64, "height": 64, "batch": 1, "x": 8, "y": 8, "side": 16},
    ),
    "noise": ("RandomNoise", {"noise_seed": 0}),
    "how": ("KSamplerSelect", {"sampler_name": "euler"}),
    "when": ("KarrasScheduler", {"steps": 1, "sigma_max": 1.0, "sigma_min": 0.1, "rho": 7.0}),
}
WIDGETS = {"INT": 1, "FLOAT": 1.0, "STRING": "x", "BOOLEAN": True}


def _inputs(info: dict[str, Any]) -> dict[str, Any] | None:
    """Inputs for a node, all of them made or at their defaults; None where that cannot be done."""
    found: dict[str, Any] = {}
    for name, spec in (info["input"].get("required") or {}).items():
        kind, facts = spec[0], (spec[1] if len(spec) > 1 else {})
        if isinstance(kind, list) or kind == "COMBO":
            options = kind if isinstance(kind, list) else facts.get("options") or []
            if not options:
                return None
            found[name] = facts.get("default", options[0])
        elif kind in WIDGETS:
            found[name] = facts.get("default", WIDGETS[kind])
        elif kind in SOURCES:
            found[name] = SOURCES[kind]
        else:
            return None
    return found


def _prompt(known: dict[str, Any], node: str, inputs: dict[str, Any]):
    prompt = graph("ladr").set("sampler", steps=1)
    for name in ("report", "decode", "save"):
        prompt.pop(name, None)
    for name, (kind, values) in HELD.items():
        if any(value == [name, 0] or value == [name, 1] for value in inputs.values()) and kind in known:
            prompt.add(name, kind, **values)
    prompt.add("asked", node, **inputs)
    outputs = known[node]["output"]
    if "GUIDER" in outputs:
        for name in ("noise", "how", "when"):
            prompt.add(name, HELD[name][0], **HELD[name][1])
        prompt.add(
            "sampler", "SamplerCustomAdvanced", guider=["asked", 0], latent_image=["grid", 0],
            noise=["noise", 0], sampler=["how", 0], sigmas=["when", 0],
        )  # fmt: skip
    elif "MODEL" in outputs:
        prompt.set("sampler", model=["asked", outputs.index("MODEL")])
    elif outputs and not known[node]["output_node"]:
        prompt.add("shown", "PreviewAny", source=["asked", 0])
    return prompt


def test_every_core_node_that_takes_a_model_honours_ours_or_is_refused_by_name(server):
    known = server.get("/object_info")
    wrong, tried = {}, 0
    for node, info in known.items():
        is_core = info.get("python_module", "").split(".")[0] in ("nodes", "comfy_extras")
        takes = any(spec[0] == "MODEL" for spec in (info["input"].get("required") or {}).values())
        inputs = _inputs(info) if is_core and takes and node not in IN_WORDS_OF_THEIR_OWN else None
        if inputs is None:
            continue
        tried += 1
        result = run(server, _prompt(known, node, inputs))
        name = info.get("display_name") or node
        if node.startswith("ModelMerge") or node in LORA | UNCHANGED:
            fine = result.status == "success"
        else:
            names = (node, name, "a MODEL changed by", "SamplerCustomAdvanced")
            is_named = any(part in result.error for part in names)
            fine = "; allowed: " in result.error and "\n" not in result.error and is_named
        if not fine:
            wrong[node] = f"{result.status} in {result.error_node}: {result.error[:300]}"
    assert tried > 40
    assert not wrong, "\n".join(f"{node}: {what}" for node, what in wrong.items())
