"""The lake: Parquet objects and a manifest a month, in a bucket or a folder.

Writing (``month``), summing (``totals``) and Cloud Storage (``gcs``) bring libraries that readers of a manifest do not
need, and are imported by their modules.
"""

from flows.load.lake.folder import FolderLake
from flows.load.lake.manifest import Manifest
from flows.load.lake.protocol import Lake

__all__ = ["FolderLake", "Lake", "Manifest"]
