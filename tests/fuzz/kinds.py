"""Values in every type that a Parquet file can have a column in: at the edges, and as other programs save them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.fuzz.oracle import Day, Like, Other, Stamp

TEXT_EDGES = [
    "", " ", "\t", "1", " 2 ", "1.0", "1.50", "+3", "-0", "-0.0", ".5", "5.", "1e2", "1E-400", "1e400", "0x1F", "1_000",
    "１２", "1,5", "nan", "NaN", "inf", "-Infinity", r"\N", "NULL", "n/a", "None", "-", "<NA>", "NaT", "Y", "n", "TRUE",
    "false", "0.0", "CASH", " cre ", "no charge", "HV0003", "N\0", "\xa05\xa0", "\u30007", "é", "😀", "ß", "\ufeff1",
    "32767", "32768", "-32768", "2147483648", "9007199254740993", "0.1", "179769313486231580793e289", "4.9e-324",
    "2020-12-01 00:00:00", "2020-12-01T23:59:59.123456789", "2020-12-01", "2020-12-01 07", "2016-12-31 23:59:60",
    "2020-02-30", "0000-01-01", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999999", "2020-12-01 00:00:00Z",
    "2020-12-01 00:00:00+01:00", "12/01/2020 12:29:37 AM", "2020-12-01 24:00:00", "1969-12-31 23:59:59.9999999",
    "2020-W40-4", "20201201", "2020-12-01 1:02:03", "2020-12-01  01:02:03", " 2020-12-01 01:02 ",
]  # fmt: skip
FLOAT_EDGES = [0.0, -0.0, 1.0, -1.5, 0.1, float("nan"), float("inf"), float("-inf"), 1e300, 5e-324, 32767.0, 32768.0]
FLOAT_EDGES += [-32768.0, 2147483648.0, 2.0**53, 25.9, 99.0, 65504.0, 1e-8, 264.0]
INT_EDGES = [0, 1, -1, 2, 99, 127, -128, 255, 256, 32767, 32768, -32768, -32769, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1]
INT_EDGES += [-(2**63), 2**64 - 1, 265]
SECONDS = [0, -1, 1_606_780_800, 1_483_228_799, -62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800]
SECONDS += [33_103_954_445, 951_782_400]
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
TEXT_KINDS = ["string", "large_string", "string_view", "dictionary", "binary", "large_binary", "fixed", "run_ends"]
FLOAT_KINDS = {"float16": "e", "float32": "f", "float64": "d"}
INT_KINDS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
TIME_KINDS = ["s", "ms", "us", "ns", "us UTC", "ns America/New_York"]
OTHER_KINDS = ["bool", "date32", "date64", "decimal", "wide_decimal", "time", "list", "struct", "null"]
KINDS = [*TEXT_KINDS, *FLOAT_KINDS, *INT_KINDS, *TIME_KINDS, *OTHER_KINDS]


NONE = object()


def as_kind(kind: str, value: Any) -> Any:
    """A value in another kind, as programs that save a file anew have it; ``NONE`` if it cannot be one."""
    number = float(value) if isinstance(value, int | float) else None
    if kind in TEXT_KINDS:
        return _spelt(value)
    if kind in FLOAT_KINDS and number is not None and abs(number) < 60_000:
        return number
    if kind in INT_KINDS and number is not None and 0 <= number < 128:
        return int(number)
    if kind.endswith("decimal") and number is not None and abs(number) < 1e6:
        return Decimal(f"{number:.2f}")
    if kind.split(maxsplit=1)[0] in PER_SECOND and isinstance(value, Stamp):
        return value.count * PER_SECOND[kind.split(maxsplit=1)[0]] // PER_SECOND[value.unit]
    return NONE


def _spelt(value: Any) -> str:
    if isinstance(value, Stamp):
        text = str(pa.scalar(value.count, pa.timestamp(value.unit)).as_py())
        return text[:26]
    return str(value)


def edges_of(kind: str) -> list[Any]:
    if kind in TEXT_KINDS:
        return TEXT_EDGES
    if kind in FLOAT_KINDS:
        return FLOAT_EDGES
    if kind in INT_KINDS:
        bits, low = int(kind.lstrip("uint")), 0 if kind.startswith("u") else 1
        return [edge for edge in INT_EDGES if -low << bits - 1 <= edge < 1 << bits - low]
    if (unit := kind.split(maxsplit=1)[0]) in PER_SECOND:
        counts = [second * PER_SECOND[unit] + extra for second in SECONDS for extra in (0, 1, -1)]
        return [count for count in counts if abs(count) < 2**62 // (1 if unit != "s" else 1_000)]
    return {
        "bool": [True, False],
        "date32": [0, 18_000, -719_162, -719_163, 2_932_896, 2_932_897, -(2**31), 2**31 - 1],
        "date64": [0, 18_000, -719_162, 2_932_896, 2_932_897],
        "decimal": [Decimal("0.00"), Decimal("25.90"), Decimal("-0.10"), Decimal("32768.00"), Decimal("99999999.99")],
        "wide_decimal": [Decimal(text) for text in ("1E-10", "0.1", "12345678901234567890.123456789", "7")],
        "time": [0, 3_600_000_000],
        "list": [[1], []],
        "struct": [{"a": 1}],
        "null": [None],
    }[kind]


def build(kind: str, raws: list[Any]) -> tuple[pa.Array, list[Any]]:  # noqa: PLR0911 - one for each kind
    """Values of one kind as Arrow has them, and as the oracle has them."""
    unit, _, zone = kind.partition(" ")
    if kind in TEXT_KINDS:
        return _build_texts(kind, raws)
    if kind in FLOAT_KINDS:
        rounded = [None if raw is None else _rounded(raw, FLOAT_KINDS[kind]) for raw in raws]
        return pa.array(rounded, pa.float64()).cast(pa.type_for_alias(kind), safe=False), rounded
    if kind in INT_KINDS:
        return pa.array(raws, pa.type_for_alias(kind)), raws
    if unit in PER_SECOND:
        counts = pa.array(raws, pa.int64()).view(pa.timestamp(unit, zone or None))
        return counts, _each(lambda raw: Stamp(raw, unit, zone or None), raws)
    if kind == "date64":
        days = pa.array(_each(lambda raw: raw * 86_400_000, raws), pa.int64()).view(pa.date64())
        return days, _each(Day, raws)
    if kind == "date32":
        return pa.array(raws, pa.int32()).view(pa.date32()), _each(Day, raws)
    if kind == "time":
        return pa.array(raws, pa.int64()).view(pa.time64("us")), _each(lambda _raw: Like(bool), raws)
    arrow = {
        "bool": pa.bool_(),
        "decimal": pa.decimal128(12, 2),
        "wide_decimal": pa.decimal256(50, 12),
        "list": pa.list_(pa.int64()),
        "struct": pa.struct([("a", pa.int64())]),
        "null": pa.null(),
    }[kind]
    if kind == "null":
        raws = [None] * len(raws)
    return pa.array(raws, arrow), _each(lambda _raw: Other(), raws) if kind in ("list", "struct") else raws


def _each(make: Callable[[Any], Any], raws: list[Any]) -> list[Any]:
    return [None if raw is None else make(raw) for raw in raws]


def _build_texts(kind: str, raws: list[Any]) -> tuple[pa.Array, list[Any]]:
    if kind in ("binary", "large_binary"):
        encoded = [raw.encode("latin-1" if raw == "é" else "utf-8") if raw is not None else None for raw in raws]
        return pa.array(encoded, pa.type_for_alias(kind)), encoded
    if kind == "fixed":  # filled up with NUL, as numpy does
        encoded = [raw.encode() if raw is not None else None for raw in raws]
        size = max((len(raw) for raw in encoded if raw is not None), default=1) or 1
        padded = [raw.ljust(size, b"\0") if raw is not None else None for raw in encoded]
        # Which of its NULs a value had itself nobody can tell.
        return pa.array(padded, pa.binary(size)), [raw.rstrip(b"\0") if raw is not None else None for raw in encoded]
    texts = pa.array(raws, pa.string())
    if kind == "dictionary":
        return texts.dictionary_encode(), raws
    return texts if kind in ("string", "run_ends") else texts.cast(getattr(pa, kind)()), raws


def _rounded(number: float, code: str) -> float:
    try:
        return struct.unpack(code, struct.pack(code, number))[0]
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
