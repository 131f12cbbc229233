"""Begin the emoji model's training from the shapes model: its blocks know places, numbers, sides and two objects.

Nouns begin as one of the shapes each, their words and embeddings with a direction of their own; backgrounds begin as
tints, and words that both worlds have as they are. So the model begins by drawing, of all the nouns that share a shape,
any one, and has to learn which.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...models.builtin.layout import FIRST_WORD
from ...models.builtin.model import BuiltinDLLM
from ...models.llada import LLaDATransformer
from ..worlds.emoji.nouns import NOUNS
from ..worlds.shapes.token_posterior import TokenPosterior as ShapesPosterior
from ..worlds.shapes.world import COLORS, SHAPES, TINTS, ShapesWorld
from .factored_tables import FactoredTables

OWN = 0.5
"""Size of a noun's own direction, in units of how far shapes differ."""
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
    own_tables = ("transformer.wte.weight", "transformer.ff_out.weight")
    state = {name: value.float().clone() for name, value in source.state_dict().items() if name not in own_tables}
    transformer.load_state_dict(state)
    layout = shapes.layout
    wte, head = source.transformer["wte"].weight.float(), source.transformer["ff_out"].weight.float()
    old_words = {word: wte[FIRST_WORD + i] for i, word in enumerate(layout.words) if word != "-"}

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
        effects[kind] = {"rows": rows, "mean": mean, "shape": rows.mean((1, 2)) - mean,
                         "color": rows.mean((0, 2)) - mean, "cell": rows.mean((0, 1)) - mean,
                         "empty": empty.mean(0), "tint": empty - empty.mean(0)}
    shape_words = torch.stack([old_words[shape] for shape in SHAPES])
    plural_words = torch.stack([old_words[s + ("es" if s == "cross" else "s")] for s in SHAPES])
    own = {noun.name: torch.randn(wte.shape[1], generator=random) for noun in NOUNS}
    spread = shape_words.std(0).mean()
    for i, noun in enumerate(NOUNS):
        for word, source_words in ((noun.name, shape_words), (noun.plural_name, plural_words)):
            row = source_words[i % len(SHAPES)] + OWN * spread * own[noun.name]
            tables.words[FIRST_WORD + words.index(word)] = row
    nouns = {word for noun in NOUNS for word in (noun.name, noun.plural_name)}
    for i, word in enumerate(words):
        if word not in nouns:
            known = old_words.get(word, old_words.get(_WORDS.get(word, ""), old_words["the"]))
            tables.words[FIRST_WORD + i] = known + (0 if word in old_words else drift(0.3 * float(spread)))
    tables.words[:FIRST_WORD] = wte[:FIRST_WORD]
    begin, new_begin = layout.begin_image, FIRST_WORD + len(words)
    tables.words[new_begin : new_begin + 4] = wte[begin : begin + 4]  # begin, end, newline, mask
    _fill_parts(tables, names, effects, own, random)


def _fill_parts(tables: FactoredTables, names: list[str], effects: dict, own: dict[str, Tensor],
                random: torch.Generator) -> None:
    """The part vectors, and each sprite code's own: what the sum of its parts lacks of the shapes model's row."""
    colors, tints, nouns = list(COLORS), list(TINTS), [noun.name for noun in NOUNS]
    kinds = (("embedding", tables.part_embedding, tables.own_embedding, OWN),
             ("head", tables.part_head, tables.own_head, 0.0))  # fmt: skip
    for kind, target, rest, share in kinds:
        effect = effects[kind]
        rows = effect["rows"]  # [shapes, colors, 16, d]
        natural = rows.mean(1)
        noise = share * float(effect["shape"].std())
        places = {name: row for row, name in enumerate(names)}
        for name, row in places.items():
            what, _, which = name.partition(" ")
            drift = torch.randn(target.shape[1], generator=random)
            if what == "noun":
                target[row] = effect["shape"][nouns.index(which) % len(SHAPES)] + noise * own[which]
            elif what == "color":
                target[row] = effect["color"][colors.index(which)] if which in colors else 0 * drift
            elif what == "cell":
                target[row] = effect["cell"][int(which)]
            elif what == "row":
                target[row] = noise * drift
            elif which:
                target[row] = effect["tint"][tints.index(_TINTS[which])] + noise * drift
            else:
                target[row] = effect["mean"] if what == "sprite" else effect["empty"]
        for code, parts in enumerate(tables.parts):
            of = [names[part] for part in parts.nonzero()[:, 0].tolist()]
            if "sprite" not in of:
                continue
            wanted = torch.stack([
                (natural[nouns.index(n) % len(SHAPES), int(k)] if c == "natural" else
                 rows[nouns.index(n) % len(SHAPES), colors.index(c), int(k)])
                for n in _which(of, "noun") for c in _which(of, "color") for k in _which(of, "cell")
            ]).mean(0)  # fmt: skip
            nothing_own = parts @ target - sum(parts[places["noun " + n]] * noise * own[n] for n in _which(of, "noun"))
            rest[code] = wanted - nothing_own


def _which(names: list[str], what: str) -> list[str]:
    return [name.partition(" ")[2] for name in names if name.startswith(what + " ")]
