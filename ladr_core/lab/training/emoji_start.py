"""Begin the emoji model's training from the shapes model: its blocks know places, numbers, sides and two objects.

Nouns begin as one of the shapes each plus a direction of their own, backgrounds as tints, words that both worlds have
as they are, and the parts of codes as the mean effects of shape, color and cell on the shapes model's tables.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...models.builtin.layout import _FIRST_WORD
from ...models.builtin.model import BuiltinDLLM
from ...models.llada import LLaDATransformer
from ..worlds.emoji.nouns import NOUNS
from ..worlds.shapes.token_posterior import TokenPosterior as ShapesPosterior
from ..worlds.shapes.world import COLOURS, SHAPES, TINTS, ShapesWorld
from .factored_tables import FactoredTables

_WORDS = {"five": "four", "5": "4", "in": "on", "at": "on", "sea": "sky", "meadow": "mint", "night": "lavender",
          "sand": "cream", "snow": "white", "room": "lavender", "table": "cream"}  # fmt: skip
_TINTS = {"sky": "sky", "sea": "sky", "meadow": "mint", "night": "lavender", "sand": "cream", "snow": "white",
          "room": "gray", "table": "cream"}  # fmt: skip


@torch.no_grad()
def start_from_shapes(shapes: BuiltinDLLM, transformer: LLaDATransformer, tables: FactoredTables, names: list[str],
                      words: tuple[str, ...], seed: int = 0) -> None:
    """Copy the shapes model's blocks into the transformer and fill the tables."""
    random = torch.Generator().manual_seed(seed)
    source = shapes.transformer
    state = {k: v.float().clone() for k, v in source.state_dict().items() if ".wte." not in k and ".ff_out." not in k
             or ".blocks." in k}
    transformer.load_state_dict(state, strict=False)
    layout = shapes.layout
    wte, head = source.transformer["wte"].weight.float(), source.transformer["ff_out"].weight.float()
    old_words = {word: wte[_FIRST_WORD + i] for i, word in enumerate(layout.words) if word != "-"}

    def drift(scale: float) -> Tensor:
        return scale * torch.randn(wte.shape[1], generator=random)

    posterior = ShapesPosterior(ShapesWorld(("plain",)), shapes.vq)
    ids = torch.from_numpy(np.stack([posterior._object_codes[shape] for shape in SHAPES]))  # [S, C, V, P, 16]
    effects = {}
    for kind, table in (("embedding", wte), ("head", head)):
        rows = table[ids + layout.image_offset].mean((2, 3))  # [S, C, 16, d]
        empty = torch.stack([table[torch.from_numpy(codes) + layout.image_offset].mean(0)
                             for codes in posterior._empty_codes])
        mean = rows.mean((0, 1, 2))
        effects[kind] = {"mean": mean, "shape": rows.mean((1, 2)) - mean, "color": rows.mean((0, 2)) - mean,
                         "cell": rows.mean((0, 1)) - mean, "empty": empty.mean(0), "tint": empty - empty.mean(0)}
    shape_words = torch.stack([old_words[shape] for shape in SHAPES])
    plural_words = torch.stack([old_words[s + ("es" if s == "cross" else "s")] for s in SHAPES])
    own = {noun.name: torch.randn(wte.shape[1], generator=random) for noun in NOUNS}
    spread = shape_words.std(0).mean()
    for i, noun in enumerate(NOUNS):
        for word, source_words in ((noun.name, shape_words), (noun.plural_name, plural_words)):
            row = source_words.mean(0) + 0.7 * (source_words[i % len(SHAPES)] - source_words.mean(0))
            tables.words[_FIRST_WORD + words.index(word)] = row + spread * own[noun.name]
    nouns = {word for noun in NOUNS for word in (noun.name, noun.plural_name)}
    for i, word in enumerate(words):
        if word not in nouns:
            known = old_words.get(word, old_words.get(_WORDS.get(word, ""), old_words["the"]))
            tables.words[_FIRST_WORD + i] = known + (0 if word in old_words else drift(0.3 * float(spread)))
    tables.words[:_FIRST_WORD] = wte[:_FIRST_WORD]
    begin, new_begin = layout.begin_image, _FIRST_WORD + len(words)
    tables.words[new_begin : new_begin + 4] = wte[begin : begin + 4]  # begin, end, newline, mask
    colors, tints, noun_names = list(COLOURS), list(TINTS), [noun.name for noun in NOUNS]
    for kind, target in (("embedding", tables.part_embedding), ("head", tables.part_head)):
        effect = effects[kind]
        noise = 0.5 * float(effect["shape"].std())
        for row, name in enumerate(names):
            what, _, which = name.partition(" ")
            if what == "noun":
                vector = effect["shape"][noun_names.index(which) % len(SHAPES)] + noise * own[which]
            elif what == "color":
                vector = effect["color"][colors.index(which)] if which in colors else torch.zeros_like(effect["mean"])
            elif what == "cell":
                vector = effect["cell"][int(which)]
            elif what == "row":
                vector = drift(noise)
            elif which:
                vector = effect["tint"][tints.index(_TINTS[which])] + drift(noise)
            else:
                vector = effect["mean"] if what == "sprite" else effect["empty"]
            target[row] = vector
