"""The emoji world, on sprites drawn for the test: scenes, captions, codes, exact conditionals, checker."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest
from drawn_sprites import NOUNS, drawn_sprites

from ladr_core.errors import InputError
from ladr_core.lab.evaluation.prompts import HALVES, evaluation_prompts, truth_scenes
from ladr_core.lab.evaluation.verdict import shows_scene
from ladr_core.lab.worlds.emoji import artwork, nouns
from ladr_core.lab.worlds.emoji.backgrounds import BACKGROUNDS, background_pixels
from ladr_core.lab.worlds.emoji.captions import SYNONYMS, VOCABULARY
from ladr_core.lab.worlds.emoji.codes import EMPTY, assign_codes, split_cells
from ladr_core.lab.worlds.emoji.judged import JudgedEmoji
from ladr_core.lab.worlds.emoji.sprites import render_sprites
from ladr_core.lab.worlds.emoji.styles import FLAT, STYLES
from ladr_core.lab.worlds.emoji.token_posterior import TokenPosterior
from ladr_core.lab.worlds.emoji.world import PLACES, is_held_out, names_held_out, stand_in_relation
from ladr_core.lab.worlds.scene import CATEGORIES, Background, Caption, Scene, SceneObject
from ladr_core.models.builtin.layout import BuiltinLayout

WORLD = JudgedEmoji(drawn_sprites())
CODES = assign_codes(WORLD.sprites)
POSTERIOR = TokenPosterior(CODES)
LAYOUT = BuiltinLayout(VOCABULARY, CODES.count, world="emoji", synonyms=SYNONYMS, skips_unknown=True)


def scenes(count: int, seed: int = 0) -> list[tuple[Scene, Caption]]:
    rng = np.random.default_rng(seed)
    return [WORLD.sample_with_caption(rng, CATEGORIES[i % len(CATEGORIES)]) for i in range(count)]


def test_the_world_is_as_large_as_promised():
    assert len(nouns.NOUNS) >= 40 and len(nouns.COLORS) >= 6 and len(BACKGROUNDS) >= 8
    assert sum(noun.recolored for noun in nouns.NOUNS) >= 12
    assert len({noun.icon for noun in nouns.NOUNS}) == len(nouns.NOUNS) == len(nouns.BY_NAME)
    for style in STYLES.values():
        assert set(style.looks) <= {noun.name for noun in nouns.NOUNS if noun.recolored}
        assert set(style.looks.values()) <= set(nouns.COLORS)


def test_captions_use_known_words_and_name_nothing_held_out():
    for scene, caption in scenes(300):
        assert all(known for _, known in LAYOUT.known_words(caption.text)), caption.text
        assert not names_held_out(scene)
        assert len(LAYOUT.word_ids(caption.text)) <= 24


def test_synonyms_stand_for_known_words_and_hide_none():
    assert set(SYNONYMS.values()) <= set(VOCABULARY)
    assert not set(SYNONYMS) & set(VOCABULARY)
    same = [("a kitty and an auto", "a cat and an car"), ("Bunny, in the  snow", "rabbit in the snow")]
    for given, meant in same:
        assert LAYOUT.encode_text(given) == LAYOUT.encode_text(meant)


def test_unknown_words_are_named_and_skipped():
    words = LAYOUT.known_words("a fluffy fox")
    assert words == [("a", True), ("fluffy", False), ("fox", True)]
    assert LAYOUT.encode_text("a fluffy fox") == LAYOUT.encode_text("a fox")
    assert LAYOUT.encode_text("fluffy") == LAYOUT.encode_text("")


def test_plurals_with_articles_read_as_english():
    octopus, apple = (SceneObject(noun, nouns.NATURAL, 1, 1, 4) for noun in ("octopus", "apple"))
    sky = Background("sky")
    assert WORLD.plain_caption(Scene("counting", (octopus,) * 3, sky)) == "three octopuses"
    assert WORLD.plain_caption(Scene("two", (octopus, apple), sky)) == "an octopus and an apple"
    red = replace(apple, color="red")
    text = WORLD.plain_caption(Scene("position", (octopus, red), sky, "left"))
    assert text == "an octopus to the left of a red apple"


def test_relations_hold_in_the_pictures():
    for scene, _ in scenes(200, seed=1):
        if scene.relation:
            first, second = ((thing.row, thing.column) for thing in scene.objects)
            assert stand_in_relation(first, second, scene.relation)


def test_a_part_of_a_sprite_has_one_code_on_every_background():
    for key, sprite in CODES.sprites.items():
        shown = set()
        for background in BACKGROUNDS:
            scene = Scene("single", (SceneObject(*key, 6, 6, 4),), Background(background))
            tokens = POSTERIOR.tokens(scene).reshape(16, 16)[6:10, 6:10].ravel()
            empty = CODES.backgrounds[background].reshape(16, 16)[6:10, 6:10].ravel()
            assert (tokens[sprite == EMPTY] == empty[sprite == EMPTY]).all()
            shown.add(tuple(tokens[sprite != EMPTY]))
        assert len(shown) == 1


def test_codes_hold_what_is_rendered():
    for background in BACKGROUNDS:
        cells = split_cells(background_pixels(background) / 255)
        stored = CODES.patches[CODES.backgrounds[background]][..., :3]
        assert np.abs(cells - stored).max() < 0.12 and ((cells - stored) ** 2).mean() < 2e-4


def every_scene(scene: Scene, caption: Caption) -> list[Scene]:
    """All scenes that the caption of `scene` describes, by plain loops."""
    count, found = len(scene.objects), []
    choose = itertools.combinations if scene.category == "counting" else itertools.permutations
    for background in BACKGROUNDS:
        if caption.names_background and background != scene.background.tint:
            continue
        for boxes in choose(PLACES, count):
            if scene.relation and not stand_in_relation(boxes[0], boxes[1], scene.relation):
                continue
            things = tuple(replace(t, row=r, column=c) for t, (r, c) in zip(scene.objects, boxes))
            found.append(replace(scene, objects=things, background=Background(background)))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_conditionals_equal_an_enumeration_of_all_scenes(seed: int):
    rng = np.random.default_rng((5, seed))
    scene, caption = WORLD.sample_with_caption(rng, CATEGORIES[seed % len(CATEGORIES)])
    tokens = POSTERIOR.tokens(scene)
    for share in (1.0, 0.97, 0.8):
        masked = np.where(rng.random(256) < share, -1, tokens)
        all_tokens = np.stack([POSTERIOR.tokens(other) for other in every_scene(scene, caption)])
        fitting = all_tokens[((all_tokens == masked) | (masked < 0)).all(1)]
        expected = np.zeros((256, CODES.count))
        for row in fitting:
            expected[np.arange(256), row] += 1 / len(fitting)
        entries = POSTERIOR.entries(scene, caption, masked)
        assert entries is not None
        free = masked < 0
        np.testing.assert_allclose(entries.dense(CODES.count)[free], expected[free], atol=1e-9)
        assert not np.isin(entries.cells, np.flatnonzero(~free)).any()


def test_states_that_no_scene_fits_are_known():
    scene, caption = scenes(1)[0]
    masked = np.full(256, -1)
    masked[0] = CODES.sprites["bear", nouns.NATURAL].max()  # a part of a thing between the places
    assert POSTERIOR.entries(scene, caption, masked) is None


def minimally_wrong(scene: Scene) -> list[Scene]:
    """Scenes that ask for something else than the picture shows, by one word."""
    first, *rest = scene.objects
    missing = next(noun for noun in NOUNS if noun not in {thing.shape for thing in scene.objects})
    other = tuple(replace(thing, shape=missing) if thing.shape == first.shape else thing for thing in scene.objects)
    wrong = [replace(scene, objects=other)]
    if scene.category == "counting":
        wrong += [replace(scene, objects=(*scene.objects, first)), replace(scene, objects=tuple(rest))]
    if scene.category == "color":
        wrong.append(replace(scene, objects=(replace(first, color="green" if first.color != "green" else "blue"),)))
    if scene.category == "attribution":
        second = rest[0]
        swapped = (replace(first, color=second.color), replace(second, color=first.color))
        wrong.append(replace(scene, objects=swapped))
    if scene.category == "position":
        wrong.append(replace(scene, objects=(rest[0], first)))
    return wrong


def test_the_checker_agrees_with_rendered_truth_and_refuses_wrong_prompts():
    drawn = [scene for scene, _ in scenes(120, seed=3)]
    found = WORLD.find_objects(np.stack([WORLD.render(scene) for scene in drawn]))
    assert np.mean([shows_scene(scene, things) for scene, things in zip(drawn, found)]) >= 0.98
    wrong = [shows_scene(other, things) for scene, things in zip(drawn, found) for other in minimally_wrong(scene)]
    assert np.mean(wrong) <= 0.02


def test_half_a_thing_is_none_and_counts_as_a_fragment():
    thing = SceneObject("bear", nouns.NATURAL, 6, 6, 4)
    scene = Scene("counting", (thing, replace(thing, column=11)), Background("sea"))
    picture = WORLD.render(scene)
    assert shows_scene(scene, WORLD.find_objects(picture[None])[0])
    empty = background_pixels("sea")
    for rows in (slice(96, 128), slice(128, 160)):
        broken = picture.copy()
        broken[rows, 96:160] = empty[rows, 96:160]
        (things,) = WORLD.find_objects(broken[None])
        assert sum(thing.shape == "bear" for thing in things) == 1 and any(thing.shape is None for thing in things)
        assert not shows_scene(scene, things) and not shows_scene(replace(scene, objects=(thing,)), things)


def test_a_part_between_the_places_is_a_fragment():
    thing = SceneObject("bear", nouns.NATURAL, 6, 6, 4)
    scene = Scene("counting", (thing, replace(thing, column=11)), Background("snow"))
    picture = WORLD.render(scene)
    picture[80:96, 80:96] = picture[112:128, 112:128]
    assert not shows_scene(scene, WORLD.find_objects(picture[None])[0])


def test_prompts_of_the_two_halves_differ_and_truth_fits():
    both = {half: evaluation_prompts(half, 6, WORLD) for half in HALVES}
    texts = [{prompt.text for prompt in prompts if prompt.category == "two"} for prompts in both.values()]
    assert not texts[0] & texts[1]
    for prompt in both["reporting"]:
        assert prompt.held_out == WORLD.is_unseen(prompt.category, _content(prompt.scene))
        for scene in truth_scenes(prompt, 2, WORLD):
            assert WORLD.plain_caption(scene) == prompt.text


def _content(scene: Scene) -> tuple:
    things = scene.objects
    if scene.category == "counting":
        return things[0].shape, len(things)
    if scene.category == "color":
        return things[0].shape, things[0].color
    if scene.category == "attribution":
        return (*(thing.shape for thing in things), *(thing.color for thing in things))
    return tuple(thing.shape for thing in things)  # `single` has nothing to hold out


def test_held_out_combinations_do_not_depend_on_order():
    assert is_held_out("fox", "car") == is_held_out("car", "fox")


def test_missing_artwork_is_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv(artwork.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match="npm pack @iconify-json/noto"):
        render_sprites(nouns.NOUNS[:1])


def test_missing_renderer_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setattr(artwork, "_icons", lambda *names: {"fox": {"body": ""}})
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(InputError, match="pip install resvg-py"):
        artwork.render_icon("fox", 64)


@pytest.mark.skipif(not artwork.has_artwork(FLAT), reason="the flat artwork (npm package) is not on this machine")
def test_the_flat_style_shows_the_same_things_in_the_same_colors():
    flat = render_sprites(style=FLAT)
    assert flat.nouns == tuple(noun.name for noun in nouns.NOUNS)
    # What is recolored is the body: a red bus is redder than a blue one in most of its opaque pixels.
    red, blue = (flat.pixels["bus", color] for color in ("red", "blue"))
    body = (red[..., 0] > blue[..., 0] + 0.2) & (red[..., 3] > 0.5)
    assert body.sum() > 0.25 * (red[..., 3] > 0.5).sum()


@pytest.mark.skipif(not artwork.has_artwork(), reason="the artwork (npm package, resvg-py) is not on this machine")
def test_every_noun_is_rendered_in_its_colors():
    sprites = render_sprites()
    assert sprites.nouns == tuple(noun.name for noun in nouns.NOUNS)
    for (noun, color), pixels in sprites.pixels.items():
        assert pixels.shape == (64, 64, 4) and 0.1 < pixels[..., 3].mean() < 0.95, (noun, color)
    codes = assign_codes(sprites)
    assert codes.count == 1629  # docs/emoji_world.md says so
