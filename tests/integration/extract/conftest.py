"""What a download needs: a client, an empty cache, and a retry policy that waits milliseconds."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from flows.extract.download import Downloaded, RetryPolicy, SourceFile, download, find_file

PARQUET = "/trip-data/green_tripdata_2023-12.parquet"
CSV = "/green/green_tripdata_2020-12.csv.gz"
KNOWN = "/misc/taxi_zone_lookup.csv"

SWIFT = RetryPolicy(
    failures=3, first_wait=0.005, longest_wait=0.02, longest_retry_after=0.2, connect=30, read=60, fresh_starts=2
)


class Fetcher:
    """Finds and downloads paths of one site into one cache, as a load does."""

    def __init__(self, client: httpx.Client, base: str, cache, retry_policy: RetryPolicy):
        self.client, self.base, self.cache, self.retry_policy = client, base, cache, retry_policy

    def find(self, path: str, known: str = KNOWN) -> SourceFile | None:
        return find_file(self.client, self.base + path, self.base + known, retry_policy=self.retry_policy)

    def download(self, file: SourceFile, **options) -> Downloaded:
        return download(
            self.client, file, self.cache, retry_policy=self.retry_policy, **{"keep_bytes": 1024**3} | options
        )

    def __call__(self, path: str, **options) -> Downloaded:
        file = self.find(path)
        assert file is not None
        return self.download(file, **options)

    def with_retry_policy(self, **changes) -> Fetcher:
        return Fetcher(self.client, self.base, self.cache, replace(self.retry_policy, **changes))


@pytest.fixture
def client():
    with httpx.Client() as client:
        yield client


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def fetch(client, site, cache):
    return Fetcher(client, site.url, cache, SWIFT)


@pytest.fixture
def impatient(fetch):
    """For sources that stall: what else it asks may take so long on a busy machine, too."""
    return fetch.with_retry_policy(read=1)


@pytest.fixture
def parquet(tlc):
    return (tlc / "cdn" / PARQUET.lstrip("/")).read_bytes()


@pytest.fixture
def csv_gz(tlc):
    return (tlc / "mirror" / CSV.lstrip("/")).read_bytes()


@pytest.fixture
def gets(site):
    """The GETs that the site saw, as (range, if_range, status, bytes_sent)."""
    return lambda: [(r.range, r.if_range, r.status, r.bytes_sent) for r in site.requests if r.method == "GET"]
