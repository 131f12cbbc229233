"""Lumina-DiMOO and MMaDA stored in 8 bits by `convert`: exact bytes, LoRA and merging."""

import math

import pytest
from comfyui.large_models import (
    LUMINA,
    MMADA,
    in_part,
    large_graph,
    loaded_model,
    logits_graph,
    put_before_sampler,
    show_loaded,
    tokens,
    with_lora,
    without_picture,
)
from safetensors import safe_open
from tiny_checkpoints import LUMINA_ROWS, MMADA_ROWS, lora_factors, write_lora, write_lumina, write_mmada

from ladr_core.command_line import main

EIGHT, SIXTEEN = "float8_e4m3fn", "bfloat16"
FAMILIES = {LUMINA: (LUMINA_ROWS, write_lumina), MMADA: (MMADA_ROWS, write_mmada)}
LAYERS = ("transformer.blocks.0.q_proj", "transformer.blocks.1.ff_out")
CLOSE = 0.3  # of the length of the logits: 8 bits alone cost these random models a fifth
both = pytest.mark.parametrize("model", [LUMINA, MMADA])


def _eight(name):
    return f"{name} 8 bit.safetensors"


@pytest.fixture(scope="module", autouse=True)
def files(server, large_models):
    """Each model in 8 bits, another with half the spread and so with other scales, both ways, and a LoRA."""
    for model, (rows, write) in FAMILIES.items():
        write(large_models / f"{model} narrow", seed=1, spread=0.2)
        for name in (model, f"{model} narrow"):
            assert main(["convert", str(large_models / name), str(large_models / _eight(name)), "--dtype", EIGHT]) == 0
        write_lora(server.base / "models" / "loras" / _eight(model), lora_factors(LAYERS, rows), alpha=0.3)


def _logits(play, prompt):
    return play(prompt).json("logits")


def _lora(model, checkpoint, dtype, strength=1.0):
    return with_lora(logits_graph(checkpoint, dtype), _eight(model), strength)


def _distance(found, expected):
    return math.dist(found, expected) / math.hypot(*expected)


def _shapes(folder):
    """Shapes of the tensors of a published folder."""
    shapes = {}
    for shard in folder.glob("model-*.safetensors"):
        with safe_open(shard, "pt") as file:
            shapes |= {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    return shapes


@both
def test_exact_bytes_of_16_and_8_bits(play, large_models, model):
    shapes = _shapes(large_models / model)
    layers = [shape for name, shape in shapes.items() if ".blocks." in name and len(shape) == 2]
    assert len(shapes) == 2 * 9 + 3 and len(layers) == 2 * 7
    tables = ("transformer.wte.weight", "transformer.ff_out.weight")
    on_card = [shape for name, shape in shapes.items() if not name.endswith(tables)]
    sixteen = 2 * sum(map(math.prod, on_card))
    scales = 4 * len(layers)  # a float32 for each
    eight = sixteen - sum(map(math.prod, layers)) + scales
    for checkpoint, dtype, expected in (
        (model, SIXTEEN, sixteen), (model, EIGHT, eight), (_eight(model), EIGHT, eight),
    ):  # fmt: skip
        prompt = show_loaded(without_picture(large_graph("ladr", model)).set("sampler", steps=1))
        assert loaded_model(play(prompt.set("load", checkpoint=checkpoint, dtype=dtype)))["bytes"] == expected


@both
def test_a_lora_does_what_it_does_in_16_bits(play, model):
    plain, wanted = _logits(play, logits_graph(model, SIXTEEN)), _logits(play, _lora(model, model, SIXTEEN))
    found = _logits(play, _lora(model, _eight(model), EIGHT))
    assert _distance(found, wanted) < CLOSE < _distance(plain, wanted) / 2
    assert _logits(play, _lora(model, _eight(model), EIGHT, 0.0)) == _logits(play, logits_graph(_eight(model), EIGHT))


@both
def test_a_lora_on_a_model_loaded_in_part(play, model):
    whole, part = (_lora(model, _eight(model), EIGHT) for _ in range(2))
    assert _logits(play, in_part(part)) == _logits(play, whole)


@both
def test_a_lora_changes_the_tokens(play, model):
    prompt = without_picture(large_graph("ladr", model)).set("load", checkpoint=_eight(model), dtype=EIGHT)
    plain = tokens(play(prompt))
    assert tokens(play(with_lora(prompt, _eight(model)))) != plain


@both
@pytest.mark.parametrize(("first", "second"), [(EIGHT, EIGHT), (EIGHT, SIXTEEN), (SIXTEEN, EIGHT)])
def test_a_merge_is_that_of_the_weights_in_16_bits(play, model, first, second):
    def merge(first, second):
        """Logits of the mean of the two models, each in its dtype."""
        checkpoint, other = (
            _eight(name) if dtype == EIGHT else name for name, dtype in ((model, first), (f"{model} narrow", second))
        )
        prompt = logits_graph(checkpoint, first)
        prompt.add("other", "LADR_LoadDLLM", checkpoint=other, dtype=second)
        prompt.add("merge", "ModelMergeSimple", model1=["load", 0], model2=["other", 0], ratio=0.5)
        return _logits(play, put_before_sampler(prompt, "merge"))

    wanted = merge(SIXTEEN, SIXTEEN)
    ends = [_logits(play, logits_graph(name, SIXTEEN)) for name in (model, f"{model} narrow")]
    assert _distance(merge(first, second), wanted) < CLOSE < min(_distance(end, wanted) for end in ends) / 2
