"""What the environment says: every variable that the project reads, its default and its meaning, once."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

TLC_SITE = "https://d37ci6vzurychx.cloudfront.net"
MIRROR_SITE = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download"
# For the server that Prefect starts if no API is configured: its own default, 20 s, is too short for the first start
# with a new database on a slow machine.
SERVER_STARTUP_SECONDS = 120
_OWNER_ONLY = 0o700


def local_folder() -> Path:
    """``.local`` of a checkout; of an installed package, the user's folder for data."""
    checkout = Path(__file__).resolve().parents[1]
    return checkout / ".local" if (checkout / "pyproject.toml").is_file() else user_data_path("nyc-taxi-flows")


def make_private(folder: Path) -> None:
    """Make the folder unless it is there, and let nobody but its owner enter it, whatever the umask.

    A folder of root's stays as it is for others: a volume that is mounted for a container's user. One of anybody else
    raises PermissionError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    status = folder.stat()
    if stat.S_IMODE(status.st_mode) != _OWNER_ONLY and (status.st_uid or not os.geteuid()):
        folder.chmod(_OWNER_ONLY)


class Settings(BaseSettings):
    """Read anew at each use, so that a worker follows its environment."""

    model_config = SettingsConfigDict(env_prefix="TLC_", env_ignore_empty=True, extra="ignore")

    postgres_url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:port/database; unset: an embedded Postgres under .local/"
    )
    warehouse_url: str | None = Field(
        None, description="bigquery://project/dataset?location=EU or duckdb:///path; unset: a DuckDB file under .local/"
    )
    source_url: str = Field(TLC_SITE, description="Base URL of TLC's Parquet files")
    mirror_url: str = Field(MIRROR_SITE, description="Base URL of the CSV mirror")
    gcp_project: str | None = Field(None, description="Google Cloud project; unset: the credentials' own")
    gcp_service_account_file: Path | None = Field(
        None,
        description="Key file of a service account, read once, into a block; unset: application default credentials",
    )
    lake_url: str | None = Field(
        None, description="gs://bucket[/prefix] or file:///path; unset: a folder under .local/lake"
    )
    events_url: SecretStr | None = Field(
        None, description="kafka://host:port of a broker of events; unset: an embedded one, which keeps them in memory"
    )
    alert_webhook_url: SecretStr | None = Field(
        None, description="Slack-style incoming webhook that gets the alerts; unset: nobody is told"
    )
    alert_no_month_days: float = Field(
        45, gt=0, description="Alert when no month was loaded for so many days; TLC publishes about one a month"
    )
    alert_late_minutes: float = Field(
        10, gt=0, description="Alert when no worker has taken a run so many minutes after it was due"
    )
    pending_minutes: float = Field(
        10,
        ge=1 / 6,  # Prefect's automations wait no less
        description="A run that a worker took is Crashed if it has not begun so many minutes later; the larger, the "
        "longer images take to pull",
    )
    cache_dir: Path = Field(
        default_factory=lambda: user_cache_path("nyc-taxi-flows"), description="Where downloads are kept"
    )
    cache_gib: float = Field(20, ge=0, description="GiB of downloads that are kept; those used last")
    file_gib: float = Field(8, gt=0, description="GiB that one file may have; the largest real one has 0.6")
    steps_dir: Path = Field(
        Path(__file__).resolve().parents[1] / "flows" / "steps", description="Where run_step finds its files"
    )
    local_dir: Path = Field(default_factory=local_folder, description="Where the embedded servers keep their data")

    @property
    def cache_bytes(self) -> int:
        """``cache_gib`` in bytes."""
        return int(self.cache_gib * 1024**3)

    @property
    def file_bytes(self) -> int:
        """``file_gib`` in bytes."""
        return int(self.file_gib * 1024**3)
