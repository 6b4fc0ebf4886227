"""From a URL to a whole, verified file on disk, whatever the web server does.

``find_file`` says whether the file is there and which version, ``download`` brings it. The parts: ``request`` (one
request), ``retry`` (when to retry), ``find``, ``transfer`` (a download over many requests), ``part`` (its unfinished
file), ``content_encoding`` (what a server did to it for the transfer), ``verify`` (is it what its name says), ``cache``
(where files lie, and how many), ``download`` (all of these, one after the other).
"""

from __future__ import annotations

from flows.extract.download.cache import discard, disk_errors, prune
from flows.extract.download.download import Downloaded, cached_version, download
from flows.extract.download.find import SourceFile, find_file, find_files
from flows.extract.download.retry import RetryPolicy

__all__ = [
    "Downloaded",
    "RetryPolicy",
    "SourceFile",
    "cached_version",
    "discard",
    "disk_errors",
    "download",
    "find_file",
    "find_files",
    "prune",
]
