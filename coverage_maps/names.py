"""A hotspot's readable name: two words and a number from its id. Names are for people: two may share one."""

from __future__ import annotations

ADJECTIVE_WORDS = (
    "amber ancient autumn blue bold brave bright bronze calm chalk clear cobalt copper crimson curious deep "
    "distant dusty early eager evening fair faithful far fine first free fresh gentle gilded glad golden "
    "grand green grey hazel high humble indigo ivory keen kind late light little lively lone lucky "
    "mellow mild misty morning mossy noble northern open patient polar proud quick quiet rapid red rosy"
)
NOUN_WORDS = (
    "alder ash badger bay beacon birch brook cedar cliff clover crane creek curlew dale dune eagle "
    "elm falcon fern field finch fjord forest fox glade grove harbor hare hawk heath heron hill "
    "island jay juniper kestrel lake lark lynx maple marsh meadow moor mountain oak orchid osprey otter "
    "owl pine plover prairie raven reef ridge robin sparrow spruce stone swift tern valley willow wren"
)
ADJECTIVES, NOUNS = ADJECTIVE_WORDS.split(), NOUN_WORDS.split()
NUMBERS = 100


def hotspot_name(hotspot_id: bytes) -> str:
    """Such as `Quiet Heron 27`; the same id has the same name everywhere."""
    drawn = int.from_bytes(hotspot_id[-8:], "big")
    drawn, number = divmod(drawn, NUMBERS)
    drawn, noun = divmod(drawn, len(NOUNS))
    return f"{ADJECTIVES[drawn % len(ADJECTIVES)].capitalize()} {NOUNS[noun].capitalize()} {number:02d}"
