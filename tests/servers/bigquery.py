"""A strict stand-in of BigQuery's REST API v2 for what a loader needs: datasets, tables, load and query jobs.

    with BigQueryStandIn(lake.read_object, list_objects=lake.list_objects) as warehouse:
        warehouse.create_dataset("tlc", location="EU")
        client = warehouse.client()

Load jobs really read Parquet from the lake; queries really run, on DuckDB. What a request may say comes from Google's
own description of the API, so that a misspelt field is refused.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from tests.servers.bigquery_jobs import Jobs
from tests.servers.bigquery_parquet import ListObjects, ReadObject
from tests.servers.discovery import ApiDescription
from tests.servers.recording import ApiError, RecordedRequest, Response


class BigQueryStandIn(Jobs):
    """BigQuery on loopback, for one project.

    `read_object(bucket, name)` gives the bytes of a source URI, `list_objects(bucket, prefix)` the names that a
    wildcard may mean. With `tokens`, a request needs one of them as its bearer token. A job runs when it is inserted,
    or after the polls that `slow_jobs` asks for; the answer to its insertion says PENDING either way.
    """

    def __init__(
        self,
        read_object: ReadObject | None = None,
        *,
        list_objects: ListObjects | None = None,
        project: str = "test-project",
        tokens: Container[str] | None = None,
    ):
        super().__init__(project, read_object or _no_lake, list_objects or _no_lake)
        self._tokens = tokens
        self._api = ApiDescription.of("bigquery", "v2")

    def client(self, **options: Any) -> Any:
        """A real `bigquery.Client` without credentials that talks to this server."""
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 (not every test has the client)
        from google.cloud import bigquery  # noqa: PLC0415

        endpoint = {"api_endpoint": self.url}
        return bigquery.Client(self.project, AnonymousCredentials(), client_options=endpoint, **options)

    def operation_of(self, request: RecordedRequest) -> str:
        """The API's name of the method: "jobs.insert"; "jobs.upload" for a load from a file."""
        if "/upload/" in request.path:
            return "jobs.upload"
        found = self._api.find(request.method, request.path)
        return found[0].name if found else "unknown"

    def answer(self, request: RecordedRequest) -> Response:
        """Check the request against the API's description and hand it to the method named after it."""
        request.authorize(self._tokens)
        if request.operation == "jobs.upload":
            raise ApiError(400, "invalid", "Uploads are refused: trip data goes from the lake, not through the client.")
        found = self._api.find(request.method, request.path)
        if found is None:
            raise ApiError(404, "notFound", f"The requested URL {request.path} was not found on this server.")
        method, path = found
        handle = getattr(self, f"_{method.name.replace('.', '_')}", None)
        if handle is None:
            raise ApiError(501, "notImplemented", f"The stand-in does not have {method.name}.")
        self._api.check_query(method, request.query)
        self._api.check_body(method, request.json)
        if path["projectId"] != self.project:
            raise ApiError(403, "accessDenied", f"Access Denied: Project {path['projectId']}: permission denied")
        answer = handle(path, request)
        return Response(204) if answer is None else Response(json=answer)


def _no_lake(*_: str) -> Any:
    raise LookupError("this BigQueryStandIn was given no read_object or list_objects")
