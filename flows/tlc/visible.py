"""Text of strangers, as it may be shown."""

from __future__ import annotations


def visible(text: str) -> str:
    """The text with whatever would steer a terminal, or turn its writing round, as an escape that can be read."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
