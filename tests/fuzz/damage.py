"""Bytes flipped, cut, repeated, swapped, overwritten: what happens to files on the way."""

from __future__ import annotations

from random import Random


def damage(random: Random, content: bytes, *, from_end: int | None = None) -> bytes:
    """``content`` with one to three faults, all of them in its last ``from_end`` bytes if that is given."""
    damaged = bytearray(content)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if damaged:
            low = 0 if from_end is None else max(0, len(damaged) - from_end)
            random.choice([_flip, _flip, _flip, _cut, _drop, _repeat, _swap, _overwrite, _zero])(random, damaged, low)
    return bytes(damaged)


def _block(random: Random, damaged: bytearray, low: int) -> tuple[int, int]:
    start = random.randrange(low, len(damaged))
    return start, min(len(damaged), start + random.choice([1, 2, 8, 64, 512]))


def _flip(random: Random, damaged: bytearray, low: int) -> None:
    damaged[random.randrange(low, len(damaged))] ^= 1 << random.randrange(8)


def _cut(random: Random, damaged: bytearray, low: int) -> None:
    del damaged[random.randrange(low, len(damaged)) :]


def _drop(random: Random, damaged: bytearray, low: int) -> None:
    start, end = _block(random, damaged, low)
    del damaged[start:end]


def _repeat(random: Random, damaged: bytearray, low: int) -> None:
    start, end = _block(random, damaged, low)
    damaged[start:start] = damaged[start:end]


def _swap(random: Random, damaged: bytearray, low: int) -> None:
    one, other = sorted(random.randrange(low, len(damaged)) for _ in range(2))
    size = min(random.choice([1, 16, 256]), other - one, len(damaged) - other)
    damaged[one : one + size], damaged[other : other + size] = damaged[other : other + size], damaged[one : one + size]


def _overwrite(random: Random, damaged: bytearray, low: int) -> None:
    start, end = _block(random, damaged, low)
    damaged[start:end] = random.randbytes(end - start)


def _zero(random: Random, damaged: bytearray, low: int) -> None:
    start, end = _block(random, damaged, low)
    damaged[start:end] = bytes(end - start)
