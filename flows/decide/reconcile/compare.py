"""One month in all of its places, compared: what is missing, damaged, out of date or different, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from flows.decide.reconcile.observed import MonthAtSource, MonthInTarget, dropped_rules, source_of
from flows.decide.reconcile.result import Difference, Kind, MonthComparison
from flows.tlc.catalogue import catalogue_month, expected_size
from flows.tlc.dataset import Dataset, Source
from flows.tlc.month import Month
from flows.tlc.report import LoadReport
from flows.tlc.totals import Totals, differences, in_one_sentence


def compare_month(
    dataset: Dataset, month: Month, places: Sequence[MonthInTarget], sources: Mapping[Source, MonthAtSource]
) -> MonthComparison:
    """Compare the places with their ledgers, with the source, and with each other.

    ``places`` has each target at least once, ``sources`` what each source has that was asked. A month that no place
    has is a difference only if a source has published it.
    """
    filled = [_with_nothing_counted(place) for place in places]
    reference = _reference(filled, sources)
    found = [difference for place in filled for difference in _differences(place, filled, sources, reference)]
    once = {difference.sentence: difference for difference in reversed(found)}  # the lake's layouts are of one load
    asked = sources.get(source_of(reference.load) if reference and reference.load else Source.tlc)
    return MonthComparison(
        month=str(month),
        source_rows=asked.raw.rows if asked and asked.raw else None,
        places={place.name: place.totals for place in filled},
        reference=reference.totals if reference else None,
        differences=[difference for difference in found if once[difference.sentence] is difference],
        notes=list(_notes(dataset, month, filled, sources)),
    )


def _differences(
    place: MonthInTarget,
    places: Sequence[MonthInTarget],
    sources: Mapping[Source, MonthAtSource],
    reference: MonthInTarget | None,
) -> Iterator[Difference]:
    if place.is_empty:
        yield from _missing(place, places, sources)
        return
    if place.damage:
        yield from (_difference("damaged", place, sentence) for sentence in place.damage)
        return
    yield from _from_ledger(place)
    outdated = _outdated(place, sources)
    if outdated:
        yield outdated
        return
    yield from _from_source(place, sources)
    if reference and place is not reference and _conformed(place, sources) is None:
        yield from _from_reference(place, reference)


def _missing(
    place: MonthInTarget, places: Sequence[MonthInTarget], sources: Mapping[Source, MonthAtSource]
) -> Iterator[Difference]:
    having = [other.name for other in places if not other.is_empty]
    if not having and any(source.published for source in sources.values()):
        having = ["the source"]
    if having:
        yield _difference("missing", place, f"{place.name} does not have the month, {having[0]} does")


def _from_ledger(place: MonthInTarget) -> Iterator[Difference]:
    if place.load is None and place.totals:
        yield _difference("differs", place, f"{place.name} has {place.totals.rows:,} rows without a load in its ledger")
    elif place.load and _rows(place) != place.load.rows_loaded:
        yield _difference(
            "differs",
            place,
            f"{place.name} has {_rows(place):,} rows, but its own ledger says {place.load.rows_loaded:,}",
        )
    elif place.load and not place.load.rows_loaded:
        read = f"{place.load.rows_read:,} read" if place.load.rows_read else "none in the file"
        yield _difference("empty", place, f"{place.target} was loaded without a row ({read})")


def _outdated(place: MonthInTarget, sources: Mapping[Source, MonthAtSource]) -> Difference | None:
    """The place's file is not the one that the source has now."""
    source = sources.get(source_of(place.load)) if place.load else None
    if place.load is None or source is None or None in (source.identity, place.load.source_etag):
        return None
    if source.identity == place.load.source_etag:
        return None
    rows = f", with {source.raw.rows:,} rows, not {place.load.rows_read:,}" if source.raw else ""
    return _difference(
        "republished",
        place,
        f"the source has published the month again since {place.target} was loaded (version {source.identity}, not "
        f"{place.load.source_etag}{rows})",
    )


def _from_source(place: MonthInTarget, sources: Mapping[Source, MonthAtSource]) -> Iterator[Difference]:
    source = sources.get(source_of(place.load)) if place.load else None
    if place.load is None or source is None:
        return
    if source.raw and source.raw.rows != place.load.rows_read:
        yield _difference(
            "differs",
            place,
            f"{place.target} has {place.load.rows_loaded:,} rows and {place.load.rows_rejected:,} rejected ones, but "
            f"the source's file has {source.raw.rows:,}",
        )
    # A rejected row may be the first or the last: then the file's own times say nothing of the loaded ones.
    expected = _conformed(place, sources) or (source.raw if not place.load.rows_rejected else None)
    if expected and place.totals:
        yield from _in_sums(place, expected, "the source")


def _from_reference(place: MonthInTarget, reference: MonthInTarget) -> Iterator[Difference]:
    how = _loaded_otherwise(place.load, reference.load) if place.load and reference.load else ""
    if how:
        yield _difference("differs", place, f"{place.name} was loaded {how} {reference.name}")
    elif place.totals and reference.totals:
        yield from _in_sums(place, reference.totals, reference.name)


def _in_sums(place: MonthInTarget, expected: Totals, of: str) -> Iterator[Difference]:
    assert place.totals is not None, "compared only if there are totals"
    differing = differences(place.totals, expected)
    told = place.load is not None and place.totals.rows != place.load.rows_loaded
    sentence = in_one_sentence(differing, but=["rows"] if told else [])
    if sentence:
        yield _difference("differs", place, f"{place.name} has {sentence} as {of}")


def _loaded_otherwise(load: LoadReport, other: LoadReport) -> str:
    """How two loads differ in what they were made of, so that their rows may differ too; empty if they do not."""
    if source_of(load) != source_of(other):
        return f"from {source_of(load)}, not from {source_of(other)} as"
    if None not in (load.source_etag, other.source_etag) and load.source_etag != other.source_etag:
        return "from another version of the file than"
    if dropped_rules(load) != dropped_rules(other):
        dropped = ", ".join(sorted(dropped_rules(load))) or "nothing"
        return f"with {dropped} dropped, not {', '.join(sorted(dropped_rules(other))) or 'nothing'} as in"
    return ""


def _reference(places: Sequence[MonthInTarget], sources: Mapping[Source, MonthAtSource]) -> MonthInTarget | None:
    """The place that the others are compared with: up to date, as its ledger says, and equal to most others."""
    able = [place for place in places if place.totals is not None]

    def worth(place: MonthInTarget) -> tuple[bool, bool, int]:
        votes = sum(not differences(place.totals, other.totals) for other in able if place.totals and other.totals)
        return _outdated(place, sources) is None, not list(_from_ledger(place)), votes

    return max(able, key=worth, default=None)


def _notes(
    dataset: Dataset, month: Month, places: Sequence[MonthInTarget], sources: Mapping[Source, MonthAtSource]
) -> Iterator[str]:
    loads = [place.load for place in places if place.load]
    for source, seen in sources.items():
        if not seen.published:
            yield f"{source} does not have it any more" if loads else "not published"
        elif seen.trouble:
            yield f"the file at {source} could not be looked at: {seen.trouble}"
        elif seen.raw is None:
            yield f"how many rows the file has at {source} is not known without a download (check_source='sums')"
    tlc = sources.get(Source.tlc)
    load = next((load for load in loads if source_of(load) is Source.tlc), None)
    rows, version = (load.rows_read, load.source_etag) if load else (None, None)
    if tlc and tlc.raw:
        rows, version = tlc.raw.rows, tlc.identity
    expected = expected_size(dataset, month, version)
    if expected and rows is not None and rows != expected.rows:
        yield f"TLC has published it again since {catalogue_month()}: {rows:,} rows, {expected.rows:,} then"


def _conformed(place: MonthInTarget, sources: Mapping[Source, MonthAtSource]) -> Totals | None:
    source = sources.get(source_of(place.load)) if place.load else None
    return source.conformed.get(dropped_rules(place.load)) if source and place.load else None


def _with_nothing_counted(place: MonthInTarget) -> MonthInTarget:
    """A month of which every row was rejected leaves no row to add up."""
    if place.load and place.load.rows_loaded == 0 and place.totals is None and not place.damage:
        return replace(place, totals=Totals(0, 0.0, 0.0))
    return place


def _rows(place: MonthInTarget) -> int:
    return place.totals.rows if place.totals else 0


def _difference(kind: Kind, place: MonthInTarget, sentence: str) -> Difference:
    return Difference(kind=kind, target=place.target, place=place.name, sentence=sentence)
