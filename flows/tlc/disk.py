"""What a full disk is, and what to do about it."""

from __future__ import annotations

import errno

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
LARGER_DISK = "Free space there, or set TLC_CACHE_DIR to a folder on a larger disk."
