"""The styles in which the emoji world is drawn: the artwork of each, and what its natural colors are.

A style changes pictures only: nouns, places, codes and captions are the same in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Style:
    """A pinned npm package of icons, and how its colors are read.

    looks: the named color that the artwork of a recolored thing has anyway; main_hues: the hue (0 ... 1) that is moved
    where it is not the one with the most saturated pixels.
    """

    name: str
    package: str
    icons_sha256: str
    view_box: int  # side of every icon
    looks: Mapping[str, str]
    main_hues: Mapping[str, float] = field(default_factory=dict)

    @property
    def archive(self) -> str:
        """File that `npm pack` writes."""
        return self.package.removeprefix("@").replace("/", "-").replace("@", "-") + ".tgz"


NOTO = Style(
    "noto", "@iconify-json/noto@1.2.9", "9eac6ef4e7ec122b6f0e7ac281d61008afdbc720d0ce861e398b939daaa347c6", 128,
    {"butterfly": "blue", "fish": "blue", "apple": "red", "tulip": "pink", "mushroom": "red", "car": "red",
     "bus": "yellow", "balloon": "red", "book": "red", "guitar": "red", "backpack": "red"},
)  # fmt: skip
"""Noto Emoji (Google, Apache-2.0): shaded. The style that the codes are assigned by."""

FLAT = Style(
    "flat", "@iconify-json/fluent-emoji-flat@1.2.6",
    "f5f4cf457c0db2ad5a2e42e033e02e0c87d10e43d0164cfffb3bb84914970a63", 32,
    {"fish": "blue", "apple": "red", "tulip": "pink", "mushroom": "red", "car": "red", "bus": "yellow",
     "umbrella": "purple", "balloon": "red", "gift": "yellow", "book": "red", "guitar": "red", "backpack": "red"},
    {"bus": 0.11, "sailboat": 0.13},  # else the bus would change its windows and the sailboat its sea
)  # fmt: skip
"""Fluent Emoji, flat (Microsoft, MIT): few colors, no shading."""

STYLES = {style.name: style for style in (NOTO, FLAT)}
