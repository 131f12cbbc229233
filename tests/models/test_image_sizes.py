"""Sizes of images to edit."""

from __future__ import annotations

import pytest
from PIL import Image

from ladr_core.models.image_sizes import choose_size, edit_sizes, fit_image, overhang


def test_sizes_keep_to_patches_area_and_shape():
    for width, height in edit_sizes():
        assert width % 32 == 0 and height % 32 == 0 and width * height <= 512 * 512
        assert max(width, height) <= 4 * min(width, height)


@pytest.mark.parametrize("size", [(512, 512), (1920, 1080), (700, 3000), (123, 457), (64, 64), (5000, 20)])
def test_any_image_becomes_the_size_most_like_it(size):
    target = choose_size(size, edit_sizes())
    assert fit_image(Image.new("RGB", size, "red"), target).size == target
    assert min(overhang(size, target)) >= 0


def test_the_middle_is_kept():
    image = Image.new("RGB", (600, 300), "black")
    image.paste("white", (250, 0, 350, 300))
    fitted = fit_image(image, (300, 300))
    assert fitted.getpixel((150, 150)) == (255, 255, 255)
    assert fitted.getpixel((5, 150)) == fitted.getpixel((294, 150)) == (0, 0, 0)
