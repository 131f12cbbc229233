"""Latents and core's latent nodes in the real server: inpainting, denoise, save and load, pixel upscaling."""

from comfyui.conftest import graph


def _grid(result, node="show"):
    return result.json(node)["samples"][0][0]


def test_inpainting_changes_only_cells_under_the_mask(play):
    result = play(graph("inpaint"))
    given, drawn = _grid(result, "given"), _grid(result)
    # The mask covers pixels 32 to 71 on both sides: cells 4 to 8.
    hole = {(row, column) for row in range(4, 9) for column in range(4, 9)}
    changed = {(r, c) for r in range(16) for c in range(16) if given[r][c] != drawn[r][c]}
    assert changed and changed <= hole
    assert result.json("report")["steps"][0]["masked"] == len(hole)


def test_a_cell_is_editable_if_any_of_its_pixels_is_masked(play):
    for x, side, count in ((47, 1, 1), (47, 2, 4), (40, 8, 1)):
        result = play(graph("inpaint").set("picture", x=x, y=x, side=side))
        assert result.json("report")["steps"][0]["masked"] == count, (x, side)


def test_a_mask_of_another_size_is_laid_over_the_grid(play):
    small = graph("inpaint").add("mask", "SolidMask", value=1.0, width=64, height=64)
    result = play(small.set("hole", mask=["mask", 0]))
    assert result.json("report")["steps"][0]["masked"] == 256


def test_an_empty_mask_returns_the_input(play):
    nothing = graph("inpaint").add("mask", "SolidMask", value=0.0, width=128, height=128)
    result = play(nothing.set("hole", mask=["mask", 0]))
    assert _grid(result) == _grid(result, "given") and result.json("report")["nfe"] == 0


def test_denoise_keeps_a_part_and_zero_returns_the_input(play):
    half = graph("inpaint").set("sampler", latent_image=["encode", 0], denoise=0.4)
    result = play(half)
    same = sum(
        a == b for x, y in zip(_grid(result), _grid(result, "given"), strict=True) for a, b in zip(x, y, strict=True)
    )
    assert 30 < same < 256
    none = play(graph("inpaint").set("sampler", latent_image=["encode", 0], denoise=0.0))
    assert _grid(none) == _grid(none, "given") and none.json("report")["nfe"] == 0


def test_vae_encode_for_inpainting_and_crop_of_a_batch(play):
    batch = graph("inpaint").set("picture", batch=3)
    batch.add(
        "hole", "VAEEncodeForInpaint", pixels=["picture", 0], vae=["load", 2], mask=["picture", 1], grow_mask_by=0
    )
    assert play(batch).json("report")["seeds"] == [1, 2, 3]


def test_save_and_load_latent_keep_every_code(play, server):
    keep = graph("ladr").add("keep", "SaveLatent", samples=["sampler", 0], filename_prefix="kept")
    first = play(keep)
    name = first.outputs["keep"]["latents"][0]["filename"]
    (server.base / "input" / name).write_bytes((server.base / "output" / name).read_bytes())
    again = graph("vae").add("load latent", "LoadLatent", latent=name)
    again.add("given", "LADRProbe_ShowLatent", latent=["load latent", 0]).set("decode", samples=["load latent", 0])
    assert _grid(play(again), "given") == _grid(first)


def test_a_loaded_empty_grid_of_the_models_own_size_is_drawn(play, server):
    keep = graph("ladr").add("keep", "SaveLatent", samples=["grid", 0], filename_prefix="empty")
    first = play(keep)
    name = first.outputs["keep"]["latents"][0]["filename"]
    (server.base / "input" / name).write_bytes((server.base / "output" / name).read_bytes())
    again = graph("ladr").add("grid", "LoadLatent", latent=name)
    assert _grid(play(again)) == _grid(first)


def test_pixel_upscale_nodes_take_the_picture(play):
    big = graph("ladr").add(
        "big", "ImageScaleBy", image=["decode", 0], upscale_method="lanczos", scale_by=4.0
    )  # fmt: skip
    big.add("image", "LADRProbe_ShowImage", image=["big", 0])
    assert play(big).json("image")["shape"] == [1, 512, 512, 3]


def test_a_drawn_grid_can_be_drawn_again_in_part(play):
    """A variation: the output LATENT of one sampler is the input of the next."""
    second = graph("ladr")
    second["again"] = {"class_type": "LADR_Sampler", "inputs": {**second["sampler"]["inputs"]}}
    second.set("again", latent_image=["sampler", 0], seed=5, denoise=0.3)
    second.add("after", "LADRProbe_ShowLatent", latent=["again", 0])
    result = play(second)
    before, after = _grid(result), _grid(result, "after")
    same = sum(a == b for x, y in zip(before, after, strict=True) for a, b in zip(x, y, strict=True))
    assert 30 < same < 256
