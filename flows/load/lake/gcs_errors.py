"""What Google's client raises, as this project's errors with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from flows.load.lake.protocol import ObjectChanged
from flows.tlc.errors import TargetError, TargetUnavailable

# Where the client itself asks again (google.cloud.storage.retry), running again later may work.
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_PRECONDITION_FAILED = 412


@contextmanager
def gcs_errors(url: str) -> Iterator[None]:
    """Raise ObjectChanged for a precondition that does not hold, TargetError or TargetUnavailable for the rest."""
    try:
        yield
    except api.PreconditionFailed as error:
        raise ObjectChanged(url) from error
    except (api.Forbidden, api.Unauthorized, auth.GoogleAuthError) as error:
        if isinstance(error, auth.TransportError):
            raise _unavailable(url, error) from error
        raise TargetError(
            f"Cloud Storage refuses {url}: {_first_line(error)}. The account of the block tlc-gcp needs the role "
            "roles/storage.objectUser on the bucket, and a key that is in force."
        ) from error
    except api.NotFound as error:
        raise TargetError(
            f"Cloud Storage does not have {url}: {_first_line(error)}. Create the bucket, or correct TLC_LAKE_URL and "
            "run python -m blocks.register."
        ) from error
    except InvalidResponse as error:
        status = error.response.status_code
        if status == _PRECONDITION_FAILED:
            raise ObjectChanged(url) from error
        raise (_unavailable if status in _TRANSIENT else _refused)(url, error) from error
    except api.GoogleAPICallError as error:
        raise (_unavailable if error.code in _TRANSIENT else _refused)(url, error) from error
    except (api.RetryError, DataCorruption, requests.RequestException, ConnectionError, TimeoutError) as error:
        raise _unavailable(url, error) from error


def _unavailable(url: str, error: Exception) -> TargetUnavailable:
    return TargetUnavailable(
        f"Cloud Storage did not take or give {url} ({_first_line(error)}); the month is as it was. Run again later."
    )


def _refused(url: str, error: Exception) -> TargetError:
    return TargetError(f"Cloud Storage refuses {url}: {_first_line(error)}. The month is as it was.")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300].rstrip(".")
