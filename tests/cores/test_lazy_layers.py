"""Each load on a core that makes layers without weights: the same tensors, and no second copy of the file's."""

from __future__ import annotations

import pytest
import torch
from tiny_checkpoints import write_lumina, write_magvit, write_mmada

from ladr_core.checkpoint.loading import load_dllm
from ladr_core.command_line import main
from ladr_core.models.builtin.loading import SHAPES_WEIGHTS

FLOAT8 = torch.float8_e4m3fn


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Both models as folders, and the first as single files in 16 and 8 bits."""
    folder = tmp_path_factory.mktemp("models")
    write_lumina(folder / "lumina")
    write_mmada(folder / "mmada")
    write_magvit(folder / "magvitv2")
    for dtype in ("bfloat16", "float8_e4m3fn"):
        target = folder / f"{dtype}.safetensors"
        assert main(["convert", str(folder / "lumina"), str(target), "--dtype", dtype]) == 0
    return {"built-in": SHAPES_WEIGHTS, **{path.stem: path for path in folder.iterdir()}}


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16, torch.float16, FLOAT8])
@pytest.mark.parametrize("name", ["built-in", "lumina", "mmada", "bfloat16", "float8_e4m3fn"])
def test_every_load_gives_the_weights_that_a_core_with_whole_layers_gives(on_core, files, name, dtype):
    found = [
        load_dllm(files[name], operations=on_core("nodes.layers", lazy=lazy).Layers, dtype=dtype)
        for lazy in (True, False)
    ]
    for part in ("transformer", "vq"):
        lazy, whole = (getattr(dllm, part).state_dict() for dllm in found)
        assert lazy.keys() == whole.keys() and lazy
        for key, value in lazy.items():
            assert value.dtype == whole[key].dtype and value.device.type == "cpu", key
            assert torch.equal(value.float(), whole[key].float()), key


@pytest.mark.parametrize("name", ["lumina", "bfloat16", "float8_e4m3fn"])
def test_layers_without_weights_keep_the_mapped_tensors_of_the_file(on_core, files, name, monkeypatch):
    """The weights are the very tensors that came out of the file, so an 8B model costs what its file does."""
    from ladr_core.checkpoint.tensor_files import TensorFiles

    read = {}
    tensors = TensorFiles.tensors

    def recorded(self, *how):
        for key, value in tensors(self, *how):
            read[key] = value.data_ptr()
            yield key, value

    monkeypatch.setattr(TensorFiles, "tensors", recorded)
    dllm = load_dllm(files[name], operations=on_core("nodes.layers", lazy=True).Layers)
    state = dllm.transformer.state_dict()
    weights = [key for key in state if key.endswith(".weight")]
    assert len(weights) > 10 and all(state[key].data_ptr() == read[key] for key in weights)


def test_an_empty_layer_takes_no_memory(on_core):
    layers = on_core("nodes.layers", lazy=True).Layers
    assert layers.Linear(4, 4, bias=False, device="meta").weight.device.type == "meta"
