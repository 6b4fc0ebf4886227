"""Mutated CSV files, and a second reading of any bytes as CSV: line by line, letter by letter."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.bases import Base
from tests.fuzz.columns import schema
from tests.fuzz.damage import damage
from tests.fuzz.kinds import TEXT_EDGES

GZIP = b"\x1f\x8b"
NASTY = [*TEXT_EDGES, 'a"b', '"', '""', "a,b", "a\nb", "a\rb", "a;b", "N" * 300]


@dataclass
class Reading:
    """What a file of lines holds; ``doubtful`` headers may be refused, and ``broken`` files have to be."""

    header: list[str]
    rows: list[list[bytes | None]]
    lost: int = 0
    doubtful: bool = False
    broken: str = ""


def make(random: Random, base: Base, *, damaged: bool) -> bytes:
    """The file's bytes; if they are ``damaged``, then mostly before they are packed, which gzip would notice."""
    header, *lines = [next_fields(line) or [] for line in base.lines]
    rows = [[value.decode() for value in row] for row in lines]
    names = [name.decode() for name in header]
    change = random.random()
    if change < 0.2:
        rows = rows[: random.choice([0, 1, 2, 17])]
    elif change < 0.4:
        start = random.randrange(len(rows))
        rows[start:start] = rows[start : start + random.randrange(1, 40)] * 2
    for _ in range(random.choice([0, 1, 1, 3, 10])):
        if rows:
            row = random.choice(rows)
            row[random.randrange(len(row))] = random.choice(NASTY)
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        _change_columns(random, names, rows, base)
    for _ in range(random.choice([0, 0, 0, 1, 3])):
        if rows:
            row = random.choice(rows)
            row[len(row) - random.choice([0, 1, 2, 50]) :] = random.choice([[], ["1", "2", "3"]])
    content = _written(random, names, rows)
    if damaged and random.random() < 0.7:
        return _packed(random, damage(random, content))
    return damage(random, _packed(random, content)) if damaged else _packed(random, content)


def _change_columns(random: Random, names: list[str], rows: list[list[str]], base: Base) -> None:
    place, other = random.randrange(len(names)), random.randrange(len(names))
    change = random.randrange(6)
    if change == 0:
        names[place], names[other] = names[other], names[place]
    elif change == 1:
        known = [name for column in schema(base.dataset)["columns"].values() for name in column["source_names"]]
        names[place] = random.choice([names[place].upper(), f" {names[place]} ", random.choice(known), "fee_2027", ""])
    elif change == 2 and len(names) > 1:
        for row in [names, *rows]:
            del row[place : place + 1]
    elif change == 3:
        for row in [names, *rows]:
            row.insert(other, row[place] if place < len(row) else "")
    elif change == 4:
        for row in [names, *rows]:
            row.append("")
    else:
        value = random.choice(["", "x", "7"])
        for row in rows:
            row.insert(place, value)
        names.insert(place, random.choice(["fee_2027", "Unnamed: 0", "", "ctid"]))


def _written(random: Random, names: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    delimiter = random.choice([","] * 12 + [";", "\t", "|"])
    quoting = random.choice(["needed", "needed", "all", "none"])
    end = random.choice(["\n", "\n", "\n", "\r\n", "\r\n", "\r"])
    lines = [delimiter.join(_quoted(value, quoting) for value in row) for row in [names, *rows]]
    if random.random() < 0.15:
        lines.insert(random.randrange(len(lines) + 1), random.choice(["", " ", '"', ",", "\ufeff"]))
    text = end.join(lines) + random.choice([end, end, end, "", end * 3])
    encoded = text.encode(random.choice(["utf-8"] * 10 + ["latin-1", "utf-16"]), "replace")
    return random.choice([b""] * 8 + [b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf", b"\n", b" \r\n"]) + encoded


def _quoted(value: str, quoting: str) -> str:
    if quoting == "all" or (quoting == "needed" and re.search(r'[",\r\n]', value)):
        return '"' + value.replace('"', '""') + '"'
    return value


def _packed(random: Random, content: bytes) -> bytes:
    """Plain, or gzipped in one member or several, with zeros or rubbish after the last."""
    if random.random() < 0.3:
        return content
    cuts = sorted(random.randrange(len(content) + 1) for _ in range(random.choice([0, 0, 1, 3])))
    pieces = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    packed = b"".join(gzip.compress(piece, random.choice([0, 1, 9])) for piece in pieces)
    return packed + random.choice([b""] * 8 + [b"\0" * 9, b"rubbish"])


def read(content: bytes) -> Reading:
    """The lines of a file as whoever wrote it meant them: no value holds a line's end."""
    if content.startswith(GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            return Reading([], [], broken=f"gzip: {error}")
    start = re.match(rb"(\xef\xbb\xbf|[ \t]*[\r\n])*", content)
    assert start is not None
    header, *lines = [line for line in re.split(rb"[\r\n]", content[start.end() :]) if line] or [b""]
    names = next_fields(header)
    if names is None or b"\0" in header:
        return Reading([], [], broken="the header is no line of CSV")
    try:
        found = Reading([name.decode().strip() for name in names], [])
    except UnicodeDecodeError:
        return Reading([], [], broken="the header is no UTF-8")
    text = header.decode()
    found.doubtful = any(text.count(delimiter) for delimiter in ";\t|") or re.search(r"\d[-/]\d", text) is not None
    for line in lines:
        fields = next_fields(line)
        if fields is None or len(fields) != len(names):
            found.lost += 1
        else:
            found.rows.append([field or None for field in fields])
    return found


def next_fields(line: bytes) -> list[bytes] | None:
    """The fields of one line; None if a quote stands anywhere but around a whole field, or doubled within one."""
    if b'"' not in line:
        return line.split(b",")
    fields, place = [], 0
    while True:
        if line[place : place + 1] == b'"':
            value = bytearray()
            place += 1
            while True:
                end = line.find(b'"', place)
                if end < 0:
                    return None
                value += line[place:end]
                place = end + 1
                if line[place : place + 1] != b'"':
                    break
                value += b'"'
                place += 1
        else:
            end = line.find(b",", place)
            value = bytearray(line[place : end if end >= 0 else len(line)])
            place += len(value)
            if b'"' in value:
                return None
        fields.append(bytes(value))
        if place == len(line):
            return fields
        if line[place] != ord(","):
            return None
        place += 1


def packed_zones(random: Random, content: bytes) -> bytes:
    """The zones' file in other spellings: line ends, marks, odd numbers."""
    content = content.replace(b"\r\n", b"\n")
    if random.random() < 0.3:
        number = random.choice(["1_0", "１２", " 7 ", "+8", "-1", "1.0", "", "99999999999", "0x1", "2"])
        content = re.sub(rb"(?m)^%d," % random.randrange(1, 266), number.encode() + b",", content, count=1)
    content = content.replace(b"\n", random.choice([b"\n", b"\r\n", b"\r"]))
    return random.choice([b"", b"", b"\xef\xbb\xbf", b"\n"]) + content


def read_zones(content: bytes) -> list[tuple[int, str, str, str]] | None:
    """The zones of such a file; None if it is none."""
    try:
        lines = content.removeprefix(b"\xef\xbb\xbf").decode().encode()
    except UnicodeDecodeError:
        return None
    found = [next_fields(line) for line in re.split(rb"[\r\n]", lines) if line]
    if not found or found[0] is None:
        return None
    header = [name.decode().strip().lower() for name in found[0]]
    zones = []
    for fields in found[1:]:
        if fields is None or len(fields) != 4 or not re.fullmatch(rb" *[0-9]{1,5} *", fields[0]):
            return None
        number, *texts = [field.decode() for field in fields]
        zones.append((int(number), *texts))
        if "\0" in "".join(texts):
            return None
    numbers = {zone[0] for zone in zones}
    is_sound = header == ["locationid", "borough", "zone", "service_zone"] and zones and len(numbers) == len(zones)
    return zones if is_sound else None
