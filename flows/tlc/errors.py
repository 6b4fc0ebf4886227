"""Every error of this project, in one tree.

TripLoadError                  a month could not be loaded (carries dataset, month, url)
├── ParameterError             the request makes no sense: nothing was downloaded
├── SourceError                the source did not deliver
│   ├── SourceUnavailable      it fails or is out of reach: running again later may work
│   ├── SourceBlocked          it refuses this client
│   ├── SourceChanged          the file kept changing while it was downloaded
│   └── NotTripFile            the file is no trip file: an error page, a Git LFS pointer, half a file
├── SchemaError                the file's columns are not the declared ones
│   ├── UnknownColumn          a column that no schema file declares
│   └── MissingColumn          a column that the files of that month have
├── TooManyBadRows             more rows than allowed cannot be loaded at all
├── CheckFailed                an assertion on the loaded result does not hold
│   └── MonthsDiffer           places do not have the same of a month: which place has what
├── MonthsFailed               some months of several could not be loaded: each says why
├── TargetError                the target did not take the month
│   ├── TargetBusy             readers or other loads were in the way
│   │   └── TargetLocked       for as long as a load waits: only running again later may work
│   ├── NewerLoad              a load that looked at the source later has put another version of the file in
│   ├── TargetUnavailable      it is out of reach or out of space: running again later may work
│   └── TargetMismatch         the target's tables are not what this version expects
├── ModelsError                the models were not built
│   ├── ModelsNotInstalled     dbt's environment is not there
│   └── ModelsFailed           models or tests of them failed: each says why
├── ReportError                the report was not written
│   ├── ModelsMissing          the target does not have the models that it reads
│   └── ChartsNotInstalled     the libraries that draw are not there
├── StepFailed                 a step's program ended badly, or is not installed
├── StreamError                a topic was not written or read
│   ├── BrokerUnavailable      its broker does not answer: running again later may work
│   ├── TopicChanged           the topic is not the one that was read before
│   └── StreamNotInstalled     the client of brokers is not there
├── PrefectUnavailable         Prefect's server did not answer as it should: running again later may work
└── UnexpectedError            anything else: a library's own error, chained, that nothing here expects

No other exception leaves a flow, but Prefect's own: for runs that are cancelled, paused or out of time, and for
parameters of another type than declared.
A message says where, what, what was expected and got, and what to do next, in one or two sentences.
"""

from __future__ import annotations

from flows.tlc.visible import visible


class TripLoadError(Exception):
    """A month could not be loaded; ``dataset``, ``month`` and ``url`` say which, if known.

    The message is one line, which starts with "dataset month: " if both are known, so that it is enough for a log. What
    a stranger's text in it would do to a terminal is escaped.
    """

    def __init__(self, message: str, *, dataset: str | None = None, month: str | None = None, url: str | None = None):
        self.dataset = dataset
        self.month = month
        self.url = url
        self.message = message = visible(" ".join(message.split()))
        where = " ".join(part for part in (dataset, month) if part)
        super().__init__(f"{where}: {message}" if where else message)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling (results, process pools): Exception's own way would pass the message alone."""
        return _rebuild, (type(self), self.message, self.dataset, self.month, self.url)

    def with_context(self, dataset: str, month: str | None, url: str | None = None) -> TripLoadError:
        """The error itself, which from now on says what it is about, if that was not known when it was raised.

        It is no new one, so its traceback still ends at the line that raised it.
        """
        TripLoadError.__init__(
            self, self.message, dataset=self.dataset or dataset, month=self.month or month, url=self.url or url
        )
        return self


def _rebuild(
    kind: type[TripLoadError], message: str, dataset: str | None, month: str | None, url: str | None
) -> TripLoadError:
    return kind(message, dataset=dataset, month=month, url=url)


class ParameterError(TripLoadError, ValueError):
    """The request makes no sense: nothing was downloaded."""


class SourceError(TripLoadError):
    """The source did not deliver."""


class SourceUnavailable(SourceError):
    """The source fails or is out of reach; running again later may work."""


class SourceBlocked(SourceError):
    """The source refuses this client, although the file may exist."""


class SourceChanged(SourceError):
    """The file kept changing while it was downloaded."""


class NotTripFile(SourceError):
    """What came is not a trip file: an error page, a Git LFS pointer, half a file."""


class SchemaError(TripLoadError):
    """The file's columns are not the declared ones."""


class UnknownColumn(SchemaError):
    """A column that no schema file declares."""


class MissingColumn(SchemaError):
    """A column that the files of that month have, and this one has not."""


class TooManyBadRows(TripLoadError):
    """More rows than allowed cannot be loaded at all."""


class CheckFailed(TripLoadError):
    """An assertion on the loaded result does not hold."""


class _WithReport(TripLoadError):
    """``report`` is what the run would have returned: it has every month, those that succeeded too."""

    def __init__(self, message: str, *, report: object = None, **where: str | None):
        super().__init__(message, **where)
        self.report = report

    def __reduce__(self) -> tuple[object, ...]:
        return *super().__reduce__(), {"report": self.report}


class MonthsDiffer(_WithReport, CheckFailed):
    """Places do not have the same of a month; the message says which month differs, and in which place."""


class MonthsFailed(_WithReport):
    """Some months of several, or targets of a month, failed; the message has their own sentences."""


class TargetError(TripLoadError):
    """The target did not take the month."""


class TargetBusy(TargetError):
    """Readers or other loads were in the way."""


class TargetLocked(TargetBusy):
    """Readers or other loads kept the target locked for as long as a load waits, which had built the month by then."""


class NewerLoad(TargetError):
    """A load that looked at the source later has put another version of the file in: this one is out of date."""


class TargetUnavailable(TargetError):
    """The target is out of reach or out of space; running again later may work."""


class TargetMismatch(TargetError):
    """The target's tables are not what this version expects."""


class ModelsError(TripLoadError):
    """The models were not built."""


class ModelsNotInstalled(ModelsError):
    """dbt's environment is not there; the message says what to run."""


class ModelsFailed(_WithReport, ModelsError):
    """Models, or tests of them, failed; the message has a sentence for each of the first ones."""


class ReportError(TripLoadError):
    """The report was not written."""


class ModelsMissing(ReportError):
    """The target does not have the models that the report reads."""


class ChartsNotInstalled(ReportError):
    """The libraries that draw the charts are not there; the message says what to run."""


class StepFailed(_WithReport):
    """A step's program ended with another exit code than 0, or is not installed; the message says which."""


class StreamError(TripLoadError):
    """A topic was not written, or not read."""


class BrokerUnavailable(StreamError):
    """The broker does not answer as it should; running again later may work."""


class TopicChanged(StreamError):
    """The topic is not the one that was read before, or has lost events that were not read yet."""


class StreamNotInstalled(StreamError):
    """The client of brokers is not there; the message says what to run."""


class PrefectUnavailable(TripLoadError):
    """Prefect's server did not answer as it should; running again later may work."""


class UnexpectedError(TripLoadError):
    """A library's own error that nothing in this project expects; ``__cause__`` is that error."""
