"""Image tokenizers against recorded data and against the diffusers library."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from ladr_core.errors import InputError
from ladr_core.vq.amused_vq import VQModel, VQModelConfig
from ladr_core.vq.magvit2 import LookupFreeQuantizer, MAGVITv2, MAGVITv2Config

TINY = {
    "block_out_channels": [16, 32, 32, 48],
    "layers_per_block": 1,
    "latent_channels": 8,
    "num_vq_embeddings": 64,
    "norm_num_groups": 8,
    "mid_block_add_attention": False,
}


@pytest.fixture
def lumina_vq(golden):
    folder = golden("lumina_dimoo/vq/diffusion_pytorch_model.safetensors").parent
    model = VQModel(VQModelConfig.from_dict(json.loads((folder / "config.json").read_text())))
    model.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return model.eval(), load_file(folder / "io.safetensors")


@pytest.fixture
def magvit(golden):
    folder = golden("mmada/magvitv2/model.safetensors").parent
    model = MAGVITv2(MAGVITv2Config.from_dict(json.loads((folder / "config.json").read_text())))
    state = load_file(folder / "model.safetensors")
    assert all(torch.equal(model.state_dict()[key].float(), state[key].float()) for key in state if "quantize" in key)
    model.load_state_dict(state)
    return model.eval(), load_file(folder / "io.safetensors")


@pytest.mark.parametrize("name", ["exact", "odd", "square"])
@torch.inference_mode()
def test_vqmodel_gives_the_recorded_indices_and_pixels(lumina_vq, name):
    model, data = lumina_vq
    features = model.features(data[f"{name}.input"])
    torch.testing.assert_close(features, data[f"{name}.latents"], atol=1e-3, rtol=0)
    indices = model.to_indices(features)
    assert torch.equal(indices[0], data[f"{name}.indices"].long())
    torch.testing.assert_close(model.decode_unclipped(indices), data[f"{name}.decoded"], atol=1e-4, rtol=0)
    as_bytes = (model.decode(indices) * 255).round().to(torch.uint8)[0].movedim(0, -1)
    assert (as_bytes.int() - data[f"{name}.recon_uint8"].int()).abs().max() <= 1


@pytest.mark.parametrize("name", ["sq32", "rect"])
@torch.inference_mode()
def test_magvit_gives_the_recorded_indices_and_pixels(magvit, name):
    model, data = magvit
    pixels = data[f"{name}.image_u8"].movedim(-1, 1).float() / 255
    features = model.features(pixels)
    torch.testing.assert_close(features, data[f"{name}.encoder_out"], atol=1e-3, rtol=0)
    indices = model.to_indices(features)
    assert torch.equal(indices.flatten(1), data[f"{name}.indices"].long())
    torch.testing.assert_close(model.decode_unclipped(indices), data[f"{name}.decoded"], atol=1e-3, rtol=0)
    as_bytes = (model.decode(indices) * 255).to(torch.uint8).movedim(1, -1)
    assert (as_bytes.int() - data[f"{name}.decoded_u8"].int()).abs().max() <= 1


@torch.inference_mode()
def test_magvit_decodes_grids_that_are_not_square(magvit):
    model, data = magvit
    indices = data["random_codes.indices"].long()
    for name, shape in (("random_codes", (2, 4, 4)), ("random_codes_2x8", (2, 2, 8))):
        decoded = model.decode_unclipped(indices.view(shape))
        torch.testing.assert_close(decoded, data[f"{name}.decoded"], atol=1e-3, rtol=0)


def test_magvit_has_exactly_the_published_tensors(golden):
    published = json.loads(golden("mmada/magvitv2/full_size_keys.json").read_text())
    model = MAGVITv2(MAGVITv2Config(), device="meta")
    ours = {k: [list(v.shape), str(v.dtype).removeprefix("torch.")] for k, v in model.state_dict().items()}
    assert ours == published["keys"]
    assert sum(p.numel() for p in model.parameters()) == published["parameters"]


def test_vqmodel_has_the_published_number_of_parameters():
    model = VQModel(VQModelConfig(), device="meta")
    assert sum(p.numel() for p in model.parameters()) == 146_244_675
    assert model.state_dict()["decoder.up_blocks.4.resnets.0.conv_shortcut.weight"].shape == (128, 256, 1, 1)


@torch.inference_mode()
def test_vqmodel_equals_the_diffusers_library():
    diffusers = pytest.importorskip("diffusers", reason="test dependency: pip install diffusers")
    torch.manual_seed(0)
    kinds = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    reference = diffusers.VQModel(**TINY, **kinds, lookup_from_codebook=True).eval()
    reference.quantize.embedding.weight.normal_(std=0.5)
    model = VQModel(VQModelConfig.from_dict({**TINY, "lookup_from_codebook": True})).eval()
    model.load_state_dict(reference.state_dict())
    pixels = torch.rand(2, 3, 32, 48)
    features = reference.encode(pixels).latents
    torch.testing.assert_close(model.features(pixels), features, atol=1e-5, rtol=1e-5)
    expected = reference.quantize(features)[2][2].view(2, 4, 6)
    indices = model.encode(pixels)
    assert torch.equal(indices, expected) and indices.unique().numel() > 5
    shape = (2, 4, 6, TINY["latent_channels"])
    decoded = reference.decode(indices.flatten(), force_not_quantize=True, shape=shape).sample
    torch.testing.assert_close(model.decode_unclipped(indices), decoded, atol=1e-5, rtol=1e-5)


def test_first_channel_is_the_most_significant_bit():
    features = torch.tensor([1.0, -1.0, 0.0, 0.1]).view(1, 4, 1, 1)
    assert LookupFreeQuantizer.index(features).item() == 0b1001
    assert LookupFreeQuantizer.entry(torch.tensor([[[0b1001]]]), 4).flatten().tolist() == [1, -1, -1, 1]


def test_masked_and_foreign_indices_are_refused_before_the_lookup():
    model = VQModel(VQModelConfig.from_dict({**TINY, "lookup_from_codebook": True}))
    with pytest.raises(InputError, match="still masked"):
        model.decode(torch.tensor([[[1, -1]]]))
    with pytest.raises(InputError, match="0 to 63"):
        model.decode(torch.tensor([[[1, 64]]]))


def test_tokenizers_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="mid_block_add_attention"):
        VQModelConfig.from_dict({"mid_block_add_attention": True})
