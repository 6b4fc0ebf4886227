"""Text of strangers (a file's columns and values, a server's words), as it may be shown: one function for each way out.

``visible`` in a terminal, a log, an error, a table of Prefect's; ``in_markdown`` in the markdown of an artifact;
``in_json`` in JSON; ``FORMULA`` is for CSV, which spreadsheets open. All leave ordinary text as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any

# What begins or ends anything but text in markdown: code, emphasis, links, pictures, HTML, cells; and addresses, which
# become links by themselves.
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|~&#!@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
# A text that begins so is a formula to a spreadsheet, which may then fetch a URL or run a program:
# https://owasp.org/www-community/attacks/CSV_Injection, with the wide forms that some take for the same.
FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"


def visible(text: str) -> str:
    """The text with whatever would steer a terminal, or turn its writing round, as an escape that can be read."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def visible_lines(text: str) -> str:
    """``visible`` of a text that may have several lines: their ends stay."""
    return "\n".join(visible(line.expandtabs()) for line in text.replace("\r\n", "\n").split("\n"))


def in_markdown(text: object) -> str:
    """The text as markdown that shows just it, in one line."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(" ".join(str(text).split())))


def in_json(value: Any, **options: Any) -> str:
    """JSON of ``value`` with letters of all languages, and nothing that would steer a terminal; ``options``: json's."""
    text = json.dumps(value, ensure_ascii=False, **options)
    if text.isprintable():
        return text
    # Beyond the line ends of "indent" these are within texts, where JSON takes an escape for the same.
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)
