"""What BigQuery, its client and its jobs say went wrong, as this project's errors with the next step."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from flows.tlc.errors import TargetError, TargetMismatch, TargetUnavailable

# BigQuery's reasons (https://cloud.google.com/bigquery/docs/error-messages) that a rerun may not meet again.
_QUOTA = {"quotaExceeded", "rateLimitExceeded", "jobRateLimitExceeded"}
_TRANSIENT = _QUOTA | {
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "resourcesExceeded",
    "stopped",
}
_RESUME = "A job that was sent goes on, and the next run takes it up instead of sending another. Run again."


@contextmanager
def bigquery_errors(place: str) -> Iterator[None]:
    """Raise TargetError or TargetUnavailable for what goes wrong in BigQuery inside; ``place`` says where that is."""
    try:
        yield
    except exceptions.RetryError as error:  # the client gave up: its last error says why
        if isinstance(error.cause, exceptions.Forbidden):
            raise _refused(place, error.cause) from error
        raise TargetUnavailable(f"{place} is out of reach ({_first_line(error.cause or error)}). {_RESUME}") from error
    except (exceptions.ServerError, exceptions.TooManyRequests) as error:
        raise TargetUnavailable(f"{place} does not answer as it should ({_first_line(error)}). {_RESUME}") from error
    except (requests.RequestException, auth_exceptions.TransportError) as error:
        raise TargetUnavailable(f"{place} is out of reach ({_first_line(error)}). {_RESUME}") from error
    except exceptions.Forbidden as error:
        raise _refused(place, error) from error
    except auth_exceptions.GoogleAuthError as error:
        raise TargetError(
            f"{place} does not accept these credentials ({_first_line(error)}). Set TLC_GCP_SERVICE_ACCOUNT_FILE or "
            "run 'gcloud auth application-default login', and then 'python -m blocks.register'."
        ) from error
    except exceptions.GoogleAPICallError as error:
        raise TargetError(f"{place}: {_first_line(error)}.") from error


def _refused(place: str, error: exceptions.Forbidden) -> TargetError:
    if reasons(error) & _QUOTA:
        return TargetUnavailable(
            f"{place} is at a limit ({_first_line(error)}); the month is as it was. Run again when it is free: "
            "https://cloud.google.com/bigquery/quotas says when, a backfill with a lower max_parallel stays below it."
        )
    return TargetError(
        f"{place} refuses: {_first_line(error)}. Give the account of the block tlc-gcp the roles bigquery.dataEditor "
        "on the dataset, bigquery.jobUser on the project and storage.objectViewer on the lake's bucket."
    )


def reasons(error: exceptions.GoogleAPICallError) -> set[str]:
    """BigQuery's reasons for a failed request."""
    return {str(detail.get("reason")) for detail in error.errors if isinstance(detail, dict)}


def job_failure(job: Any, declared: Collection[str], schema_file: str) -> TargetError:
    """The error of a job that ended with one: all that BigQuery says, and which declared column it is about.

    TargetUnavailable if BigQuery itself failed; else TargetMismatch, for which the lake or the table has to change.
    """
    details = [job.error_result, *(job.errors or [])]
    messages = dict.fromkeys(_detail(detail) for detail in details if detail)
    said = " | ".join(messages)
    text = f"BigQuery's load job {job.project}:{job.location}.{job.job_id} failed, and the month is as it was: {said}"
    if {str(detail.get("reason")) for detail in details if detail} & _TRANSIENT:
        return TargetUnavailable(f"{text}. Run again.")
    if "different locations" in said:
        return TargetMismatch(
            f"{text}. The lake's bucket and the dataset have to be in the same location (or one multi-region): write "
            "the bucket's as location=… in TLC_WAREHOUSE_URL, with the name of a dataset that does not exist yet."
        )
    columns = [
        name for name in declared if f"'{name}'" in said or f"Field {name} " in said or f"field: {name})" in said
    ]
    if not columns:
        return TargetMismatch(f"{text}. See the job in the console, and run again when its cause is gone.")
    listed = ", ".join(f"'{name}'" for name in columns)
    return TargetMismatch(
        f"{text}. Column at fault: {listed}. Compare its type in {schema_file} with the table's; a lake written by an "
        "older version is written anew with api_to_gcs and force=True."
    )


def _detail(detail: dict[str, str]) -> str:
    where = detail.get("location")
    message = str(detail.get("message", "")).rstrip(".")
    return f"{detail.get('reason')}: {message}" + (f" (at {where})" if where and where not in message else "")


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "message", "") or error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
