"""Sizes of images to edit."""

from __future__ import annotations

import pytest

from ladr_core.models.lumina_dimoo.image_sizes import choose_size, edit_sizes, overhang, size_notice


def test_sizes_keep_to_patches_area_and_shape():
    for width, height in edit_sizes():
        assert width % 32 == 0 and height % 32 == 0 and width * height <= 512 * 512
        assert max(width, height) <= 4 * min(width, height)


@pytest.mark.parametrize("size", [(512, 512), (1920, 1080), (700, 3000), (123, 457), (64, 64), (5000, 20)])
def test_any_image_covers_the_size_most_like_it(size):
    assert min(overhang(size, choose_size(size, edit_sizes()))) >= 0


def test_an_image_of_another_size_is_told_the_nearest_and_how_to_get_there():
    assert size_notice((512, 512)) is None
    notice = size_notice((1920, 1080))
    assert "1920 x 1080" in notice and "672 x 384" in notice and "Upscale Image" in notice
