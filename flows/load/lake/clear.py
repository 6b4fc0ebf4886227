"""Remove what a new version does not have, and every temporary object: after a load, and after one that was killed."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from flows.load.lake.manifest import Manifest
from flows.load.lake.protocol import TEMPORARY, Lake

_WORKERS = 8

logger = logging.getLogger(__name__)


def home_name(key: str, name: str) -> str | None:
    """The name of the object that a temporary one is a copy of: what follows ``.tmp/<key>/<load>/<new or old>/``.

    None for the lock's mark, which lies beside them.
    """
    parts = name.removeprefix(f"{TEMPORARY}{key}/").split("/", 2)
    return parts[2] if len(parts) > 2 else None  # noqa: PLR2004


def has_leftovers(lake: Lake, key: str) -> bool:
    """Whether a load of the month is under way, or was killed."""
    return bool(lake.list(f"{TEMPORARY}{key}/"))


def clear_or_warn(
    lake: Lake, key: str, manifest: Manifest, *, before: Manifest | None = None, own: str | None = None
) -> None:
    """``remove_temporary``; what cannot be removed fails no load, as the version is in place: the next removes it."""
    try:
        remove_temporary(lake, key, manifest, before=before, own=own)
    except Exception:
        logger.warning("%s is in the lake; what it replaced could not all be removed yet", key, exc_info=True)


def remove_temporary(
    lake: Lake, key: str, manifest: Manifest, *, before: Manifest | None = None, own: str | None = None
) -> None:
    """Leave of the month what ``manifest`` names, and what other running loads have sent; ``own`` is this load's id.

    ``before`` is the manifest that it replaced. The caller holds the lock. Temporary objects go last: until then their
    names say what else a killed load may have left.
    """
    items = lake.list(f"{TEMPORARY}{key}/")
    homes = {item: home for item in items if (home := home_name(key, item.name))}
    named = _names(manifest)
    touched = set(homes.values())
    touched |= {name for name in _names(before) if not name.startswith(TEMPORARY)}

    def remove_named(name: str) -> None:
        found = lake.find(name)
        if found is not None:
            lake.delete(found)

    with ThreadPoolExecutor(_WORKERS, "clear") as pool:
        list(pool.map(remove_named, sorted(touched - named)))
        loads = {load_id for item in items if (load_id := _load_id(key, item.name))}
        living = {load_id for load_id in loads - {own} if lake.is_staging(f"{TEMPORARY}{key}/{load_id}/")}
        list(
            pool.map(
                lake.delete,
                [item for item in homes if item.name not in named and _load_id(key, item.name) not in living],
            )
        )


def _load_id(key: str, name: str) -> str | None:
    """The load that a temporary object is of; None for the lock's mark."""
    load_id, slash, _ = name.removeprefix(f"{TEMPORARY}{key}/").partition("/")
    return load_id if slash else None


def names_temporary(manifest: Manifest) -> bool:
    """Whether a load was killed while it replaced this version, whose objects are copies until the next one."""
    return any(name.startswith(TEMPORARY) for name in _names(manifest))


def _names(manifest: Manifest | None) -> set[str]:
    if manifest is None:
        return set()
    return {item.name for item in (*manifest.objects, *((manifest.rejected,) if manifest.rejected else ()))}
