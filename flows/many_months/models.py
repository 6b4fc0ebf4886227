"""The models, built once when many months have been loaded: a run of build-models for each target that has any."""

from __future__ import annotations

from collections.abc import Collection

from flows.build_models import build_models
from flows.decide.models import ModelsTarget
from flows.decide.outcome import ModelsOutcome
from flows.tlc.errors import ModelsError, TargetError
from flows.tlc.report import Target


def build_after_load(targets: Collection[Target]) -> list[ModelsOutcome]:
    """Build the models in Postgres and in the warehouse, as far as they are targets; a failure is told, not raised."""
    models_targets: list[ModelsTarget] = ["postgres", "bigquery"]
    return [_build(target) for target in models_targets if target in targets]


def _build(target: ModelsTarget) -> ModelsOutcome:
    try:
        return ModelsOutcome(target=target, status=build_models(target=target).status)
    except (ModelsError, TargetError) as error:
        return ModelsOutcome(target=target, status="failed", sentence=str(error))
