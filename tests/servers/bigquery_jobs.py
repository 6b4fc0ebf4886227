"""The methods of BigQuery's API that are about jobs, as the stand-in answers them: loads, queries, results."""

from __future__ import annotations

import copy
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
from sqlglot import exp

from tests.servers.bigquery_definitions import Definition, Definitions, parse_definition
from tests.servers.bigquery_loads import check_load, run_load
from tests.servers.bigquery_parquet import ListObjects, ReadObject
from tests.servers.bigquery_queries import Query, QueryResult, check_query, parse_query, parse_statements, run_query
from tests.servers.bigquery_resources import PathParts, normal_location
from tests.servers.bigquery_tables import JobFailed, Table, check_labels
from tests.servers.recording import ApiError, RecordedRequest

JOB_TYPES = ("load", "query", "copy", "extract")
QUERY_REQUEST_FIELDS = (
    "query",
    "useLegacySql",
    "queryParameters",
    "parameterMode",
    "defaultDataset",
    "maximumBytesBilled",
)
# The dataset of anonymous tables that hold the results of queries; each project has such a one, under a name like this.
RESULTS = "_results"
STOPPED = {"reason": "stopped", "message": "Job execution was cancelled: User requested cancellation"}


@dataclass
class Job:
    """A job: its resource, what it does, and how many polls are told that it runs before it does that."""

    resource: dict[str, Any]
    work: Callable[[Job], dict[str, Any]]
    polls: int = 0
    result: QueryResult | None = None

    @property
    def is_done(self) -> bool:
        return bool(self.resource["status"]["state"] == "DONE")

    def run(self) -> None:
        """Do the work and be DONE, with an error where it fails."""
        status: dict[str, Any] = {"state": "DONE"}
        try:
            self.resource["statistics"] |= self.work(self)
        except JobFailed as failure:
            status |= {"errorResult": failure.result, "errors": [failure.result, *failure.more]}
        self.end(status)

    def end(self, status: dict[str, Any]) -> None:
        """Be over with this status."""
        self.resource["status"] = status
        self.resource["statistics"]["endTime"] = _now()


class Jobs(Definitions):
    """Jobs of one project, by location and id, and the switches by which tests make them slow or fail."""

    def __init__(self, project: str, read: ReadObject, find: ListObjects):
        super().__init__(project, read, find)
        self.unbounded_queries: list[str] = []
        """The SQL of every query that came without maximumBytesBilled."""
        self._jobs: dict[tuple[str, str], Job] = {}
        self._slow: list[int] = []
        self._failures: list[tuple[str, JobFailed]] = []

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """Every job, oldest first, as the API shows it."""
        return [job.resource for job in self._jobs.values()]

    def slow_jobs(self, polls: int, *, times: int = 1) -> None:
        """Let the next jobs answer RUNNING to so many polls before they run."""
        self._slow += [polls] * times

    def fail_job(
        self,
        reason: str,
        message: str,
        *,
        times: int = 1,
        more: list[dict[str, Any]] | None = None,
        sql: str = "",
    ) -> None:
        """Let the next jobs end DONE with this error, having changed nothing; `more` goes into errors[] too.

        With `sql`, only queries that have this text.
        """
        self._failures += [(sql, JobFailed(reason, message, more=more))] * times

    def _jobs_insert(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        body = copy.deepcopy(request.json)
        configuration = body.get("configuration", {})
        kinds = [kind for kind in JOB_TYPES if kind in configuration]
        if len(kinds) != 1:
            raise ApiError(
                400,
                "invalid",
                "Job configuration must contain exactly one job-specific configuration object (e.g., query, load, "
                f"extract, spreadsheetExtract), but there were {len(kinds)}: {','.join(kinds)}",
            )
        check_labels(configuration.get("labels", {}))
        if kinds == ["load"]:
            job = self._load_job(body, configuration["load"])
        elif kinds == ["query"]:
            job = self._query_job(body, configuration["query"])
        else:
            raise ApiError(501, "notImplemented", f"The stand-in does not have {kinds[0]} jobs.")
        if configuration.get("dryRun"):
            return job.resource
        self._start(job)
        return job.resource | {"status": {"state": "PENDING"}}

    def _jobs_get(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        return self._polled(path["jobId"], request.query.get("location")).resource

    def _jobs_list(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        return {"kind": "bigquery#jobList", "jobs": list(reversed(self.jobs))}

    def _jobs_cancel(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        job = self._job(path["jobId"], request.query.get("location"))
        if not job.is_done:
            job.end({"state": "DONE", "errorResult": STOPPED, "errors": [STOPPED]})
        return {"kind": "bigquery#jobCancelResponse", "job": job.resource}

    def _jobs_query(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        query = {name: request.json[name] for name in QUERY_REQUEST_FIELDS if name in request.json}
        configuration = {"query": query, "dryRun": request.json.get("dryRun", False)}
        reference = {"location": request.json["location"]} if "location" in request.json else {}
        check_labels(request.json.get("labels", {}))
        job = self._query_job({"jobReference": reference, "configuration": configuration}, query)
        if not configuration["dryRun"]:
            self._start(job)
        options = {f"formatOptions.{name}": str(value) for name, value in request.json.get("formatOptions", {}).items()}
        options["maxResults"] = str(request.json.get("maxResults", ""))
        return {"kind": "bigquery#queryResponse"} | self._results(job, options)

    def _jobs_getQueryResults(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:  # noqa: N802 (Google's)
        job = self._polled(path["jobId"], request.query.get("location"))
        return {"kind": "bigquery#getQueryResultsResponse"} | self._results(job, request.query)

    def _results(self, job: Job, options: dict[str, str]) -> dict[str, Any]:
        """The state of a query job with one page of its rows; its error becomes the answer's."""
        failure = job.resource["status"].get("errorResult")
        if failure:
            raise JobFailed(**failure).as_answer()
        shown = {"jobReference": job.resource["jobReference"], "jobComplete": job.is_done}
        if not job.is_done:
            return shown
        statistics = job.resource["statistics"]["query"]
        shown |= {name: statistics[name] for name in ("schema", "totalBytesProcessed") if name in statistics}
        if "numDmlAffectedRows" in statistics:
            shown["numDmlAffectedRows"] = statistics["numDmlAffectedRows"]
        if job.result is None:
            return shown
        return shown | {"cacheHit": False} | self._page(job.result.rows, job.result.fields, options)

    def _job(self, job_id: str, location: str | None) -> Job:
        """A job; 404 where no such one ran in the location (without one: in US or EU, as the real API looks)."""
        places = [normal_location(location)] if location else ["US", "EU"]
        for place in places:
            if (place, job_id) in self._jobs:
                return self._jobs[place, job_id]
        name = f"{places[0]}.{job_id}" if location else job_id
        raise ApiError(404, "notFound", f"Not found: Job {self.project}:{name}")

    def _polled(self, job_id: str, location: str | None) -> Job:
        """The job after one more poll: RUNNING while polls are left, then it runs and is DONE."""
        job = self._job(job_id, location)
        if not job.is_done and job.polls:
            job.polls -= 1
            job.resource["status"] = {"state": "RUNNING"}
        elif not job.is_done:
            job.run()
        return job

    def _start(self, job: Job) -> None:
        reference = job.resource["jobReference"]
        self._jobs[reference["location"], reference["jobId"]] = job
        text = job.resource["configuration"].get("query", {}).get("query", "")
        if found := next((failure for failure in self._failures if failure[0] in text), None):
            self._failures.remove(found)
            job.work = lambda _: _fail(found[1])
        job.polls = self._slow.pop(0) if self._slow else 0
        if not job.polls:
            job.run()

    def _new_job(self, body: dict[str, Any], kind: str, location: str, work: Callable[[Job], dict[str, Any]]) -> Job:
        """A job that has not started; the 400 of an id of wrong form, the 409 of one that was used before."""
        reference = body.get("jobReference", {})
        job_id = reference.get("jobId") or f"job_{uuid.uuid4().hex}"
        name = f"{self.project}:{location}.{job_id}"
        if reference.get("projectId", self.project) != self.project:
            raise ApiError(400, "invalid", "Value for projectId in content does not agree with value in URL.")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,1024}", job_id):
            raise ApiError(400, "invalid", f'Invalid job ID "{job_id}". Job IDs must be alphanumeric, "_" and "-".')
        if (location, job_id) in self._jobs:
            raise ApiError(409, "duplicate", f"Already Exists: Job {name}")
        resource = {
            "kind": "bigquery#job",
            "id": name,
            "jobReference": {"projectId": self.project, "jobId": job_id, "location": location},
            "configuration": body["configuration"] | {"jobType": kind},
            "status": {"state": "PENDING"},
            "statistics": {"creationTime": _now(), "startTime": _now()},
            "user_email": "tests@example.com",
        }
        return Job(resource, work)

    def _load_job(self, body: dict[str, Any], load: dict[str, Any]) -> Job:
        check_load(load)
        target = load["destinationTable"]
        wanted = body.get("jobReference", {}).get("location")
        known = self.datasets.get(target["datasetId"], {}).get("location", "US")
        job = self._new_job(body, "LOAD", normal_location(wanted or known), lambda _: self._run_load(load, target))
        self._dataset(target["datasetId"], wanted)
        return job

    def _run_load(self, load: dict[str, Any], target: dict[str, str]) -> dict[str, Any]:
        key = (target["datasetId"], target["tableId"].partition("$")[0])
        existing = self.tables.get(key)
        layout: dict[str, Any] = {
            name: load[name] for name in ("schema", "timePartitioning", "clustering") if name in load
        }
        table = existing or Table(self._table_resource(*key, layout))
        loaded = run_load(load, table, is_new=existing is None, read=self._read, find=self._find)
        table.resource["schema"] = {"fields": loaded.fields}
        table.partitions = loaded.partitions
        table.changed()
        self.tables[key] = table
        return {"load": loaded.statistics}

    def _query_job(self, body: dict[str, Any], query: dict[str, Any]) -> Job:
        sql, dry_run = query.get("query", ""), body["configuration"].get("dryRun", False)
        if query.get("useLegacySql", True):
            raise ApiError(400, "invalidQuery", "The stand-in runs GoogleSQL alone: set useLegacySql to false.")
        if "destinationTable" in query:
            raise ApiError(501, "notImplemented", "The stand-in does not write query results to a table.")
        if "maximumBytesBilled" not in query and not dry_run:
            self.unbounded_queries.append(sql)
        statements = parse_statements(sql)
        scope = Scope(self, body.get("jobReference", {}).get("location"), query)
        if len(statements) > 1:
            job = self._new_job(body, "QUERY", scope.location, lambda _: self._run_script(scope, statements))
            job.resource["statistics"]["query"] = {"statementType": "SCRIPT"}
        elif isinstance(statements[0], exp.Create):
            job = self._definition_job(body, scope, statements[0])
        else:
            job = self._statement_job(body, scope, statements[0], query)
        if dry_run:
            job.resource["status"] = {"state": "DONE"}
        return job

    def _definition_job(self, body: dict[str, Any], scope: Scope, statement: exp.Create) -> Job:
        definition = scope.define(statement)
        job = self._new_job(body, "QUERY", scope.location, lambda _: self._run_definition(scope, statement))
        job.resource["statistics"]["query"] = {"statementType": definition.kind}
        if definition.kind == "CREATE_TABLE_AS_SELECT":
            dataset, name = definition.key
            _set_destination(job, {"projectId": self.project, "datasetId": dataset, "tableId": name})
        return job

    def _run_definition(self, scope: Scope, statement: exp.Create) -> dict[str, Any]:
        with _failing_jobs():
            self._define(scope.define(statement), scope.location)
        return {}

    def _statement_job(self, body: dict[str, Any], scope: Scope, statement: exp.Expression, query: Any) -> Job:
        parsed = scope.parse(statement, query.get("queryParameters", []))
        limit = query.get("maximumBytesBilled")
        job = self._new_job(body, "QUERY", scope.location, lambda job: self._run_query(job, parsed, limit))
        sizes = {"totalBytesProcessed": str(parsed.bytes_processed), "totalBytesBilled": str(parsed.bytes_billed)}
        plan = {"statementType": parsed.kind, "cacheHit": False, "schema": {"fields": check_query(parsed)}, **sizes}
        job.resource["statistics"] |= {"query": plan, "totalBytesProcessed": sizes["totalBytesProcessed"]}
        if parsed.kind == "SELECT":
            _set_destination(job, {"projectId": self.project, "datasetId": RESULTS, "tableId": uuid.uuid4().hex})
        return job

    def _run_query(self, job: Job, parsed: Query, limit: str | None) -> dict[str, Any]:
        if limit is not None and parsed.bytes_billed > int(limit):
            raise JobFailed(
                "bytesBilledLimitExceeded",
                f"Query exceeded limit for bytes billed: {limit}. {parsed.bytes_billed} or higher required.",
            )
        job.result = self._run_statement(parsed)
        statistics = job.resource["statistics"]["query"]
        if parsed.target:
            statistics |= {"numDmlAffectedRows": str(job.result.affected)}
        return {"query": statistics}

    def _run_statement(self, parsed: Query) -> QueryResult:
        parsed = parsed.read_again(self._queried_table)
        with _failing_jobs():
            result, changed = run_query(parsed)
        if parsed.target and changed is not None:
            self._replace_rows(self.tables[parsed.target], changed)
        return result

    def _run_script(self, scope: Scope, statements: list[exp.Expression]) -> dict[str, Any]:
        """The statements one after the other. One that fails ends it, and undoes the transaction that it is in."""
        before: dict[tuple[str, str], dict[str, Any]] | None = None
        try:
            for statement in statements:
                with _failing_jobs():
                    if isinstance(statement, exp.Transaction):
                        before = {key: dict(table.partitions) for key, table in self.tables.items()}
                    elif isinstance(statement, exp.Commit):
                        before = None
                    elif isinstance(statement, exp.Create):
                        if before is not None:
                            raise ApiError(400, "invalidQuery", "DDL is not supported inside a transaction.")
                        self._define(scope.define(statement), scope.location)
                    else:
                        self._run_statement(scope.parse(statement, []))
        finally:
            for key, partitions in (before or {}).items():
                self.tables[key].partitions = partitions
        return {}

    def _tables_get(self, path: PathParts, request: RecordedRequest) -> dict[str, Any]:
        """A table; or the anonymous one that has the result of a query."""
        if path["datasetId"] != RESULTS:
            return super()._tables_get(path, request)
        for job in self._jobs.values():
            place = job.resource["configuration"]["query"].get("destinationTable", {}) if job.result else {}
            if job.result and (place.get("datasetId"), place.get("tableId")) == (RESULTS, path["tableId"]):
                return {
                    "kind": "bigquery#table",
                    "tableReference": place,
                    "type": "TABLE",
                    "schema": {"fields": job.result.fields},
                    "numRows": str(job.result.rows.num_rows),
                }
        raise ApiError(404, "notFound", f"Not found: Table {self.project}:{RESULTS}.{path['tableId']}")


@dataclass
class Scope:
    """What the names of one query job mean: all in one location, the one that was asked for or that of the first."""

    warehouse: Jobs
    wanted: str | None
    query: dict[str, Any]
    found: str | None = None

    @property
    def location(self) -> str:
        return normal_location(self.wanted or self.found or "US")

    def find(self, dataset: str, name: str) -> Table:
        """The table; 404 if it is not there, or in another location than the job."""
        self.found = str(self.warehouse._dataset(dataset, self.wanted or self.found)["location"])
        try:
            return self.warehouse._queried_table(dataset, name)
        except JobFailed as failure:
            raise failure.as_answer() from failure
        except ApiError as missing:
            message = f"{missing.message} was not found in location {self.location}"
            raise ApiError(404, "notFound", message) from missing

    def parse(self, statement: exp.Expression, parameters: list[Any]) -> Query:
        return parse_query(statement.copy(), self.warehouse.project, self.find, self._default, parameters)

    def define(self, statement: exp.Create) -> Definition:
        definition = parse_definition(statement.copy(), self.warehouse.project, self.find, self._default)
        if definition.kind != "CREATE_SCHEMA":
            self.found = str(self.warehouse._dataset(definition.key[0], self.wanted or self.found)["location"])
        return definition

    @property
    def _default(self) -> str | None:
        return self.query.get("defaultDataset", {}).get("datasetId")


def _set_destination(job: Job, table: dict[str, str]) -> None:
    """Where the job's result is, as the API adds it to the configuration."""
    configuration = job.resource["configuration"]
    configuration["query"] = configuration["query"] | {"destinationTable": table}


@contextmanager
def _failing_jobs() -> Iterator[None]:
    """What goes wrong within fails the job."""
    try:
        yield
    except duckdb.Error as wrong:
        raise JobFailed("invalidQuery", str(wrong), "query") from wrong
    except ApiError as refused:
        raise JobFailed(refused.reason, refused.message, "query") from refused


def _fail(failure: JobFailed) -> dict[str, Any]:
    raise failure


def _now() -> str:
    return str(time.time_ns() // 1_000_000)
