"""What the Kubernetes worker makes of the pool's template is a job that Kubernetes takes, with the rights we mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import kubernetes_validate
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration

from blocks.settings import Settings
from deployments.work_pools import POOLS
from tests.servers.compose_file import PROJECT
from tests.servers.kubernetes_api import check_job

POOL = POOLS["tlc-kubernetes"]
MIB_OF = {"Mi": 1, "Gi": 1024}


def job() -> dict[str, Any]:
    """The job of a run, whichever its deployment, made by the worker's own code."""
    asks_nobody = PrefectClient("http://127.0.0.1:1/api")  # the template names no block
    configuration = asyncio.run(
        KubernetesWorkerJobConfiguration.from_template_and_values(POOL.base_job_template(), {}, client=asks_nobody)
    )
    configuration.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="blue-whale"))
    return configuration.job_manifest


def pod() -> dict[str, Any]:
    return job()["spec"]["template"]["spec"]


def mib(quantity: str) -> int:
    return int(quantity[:-2]) * MIB_OF[quantity[-2:]]


def test_kubernetes_takes_the_job() -> None:
    check_job(job())


def test_a_job_with_a_mistake_is_refused() -> None:
    wrong = job()
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="readOnlyRootFileSystem"):
        check_job(wrong)


def test_job_differs_from_prefects_own_where_we_mean_it() -> None:
    """Whatever else changes in Prefect's template is to be taken over."""
    ours = POOL.template()["job_configuration"]
    theirs = KubernetesWorker.get_default_base_job_template()["job_configuration"]
    added = dict(leaves(ours))
    expected = dict(leaves(theirs))
    spec = ("job_manifest", "spec", "template", "spec")
    assert expected.pop((*spec, "containers", 0, "env")) == "{{ env }}"
    for place, value in expected.items():
        assert added.pop(place) == value, place
    assert {place[4:] for place in added if place[:4] == spec} == {
        ("automountServiceAccountToken",),
        ("securityContext", "fsGroup"),
        ("securityContext", "runAsNonRoot"),
        ("securityContext", "runAsUser"),
        ("securityContext", "seccompProfile", "type"),
        ("terminationGracePeriodSeconds",),
        ("volumes", 0, "name"),
        ("volumes", 0, "emptyDir", "sizeLimit"),
        ("volumes", 1, "name"),
        ("volumes", 1, "emptyDir", "sizeLimit"),
        ("containers", 0, "resources", "limits", "ephemeral-storage"),
        ("containers", 0, "resources", "requests", "ephemeral-storage"),
        *(("containers", 0, "env", number, key) for number in (0, 1) for key in ("name", "value")),
        ("containers", 0, "securityContext", "allowPrivilegeEscalation"),
        ("containers", 0, "securityContext", "capabilities", "drop", 0),
        ("containers", 0, "securityContext", "readOnlyRootFilesystem"),
        ("containers", 0, "volumeMounts", 0, "mountPath"),
        ("containers", 0, "volumeMounts", 0, "name"),
        ("containers", 0, "volumeMounts", 1, "mountPath"),
        ("containers", 0, "volumeMounts", 1, "name"),
    }
    assert len(added) == 23


def leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Each plain value with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*place, number))
    else:
        yield place, value


def test_container_has_no_more_rights_than_that_of_the_compose_file() -> None:
    spec = pod()
    (container,) = spec["containers"]
    user = f"USER {spec['securityContext']['runAsUser']}"
    assert user in (PROJECT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False  # a run asks nothing of Kubernetes
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}


def test_downloads_and_temporary_files_fit_their_volumes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that writes more is evicted: the download is refused before, in a sentence."""
    spec = pod()
    for variable in spec["containers"][0]["env"]:
        if variable["name"].startswith("TLC_"):
            monkeypatch.setenv(variable["name"], variable["value"])
    sizes = {volume["name"]: mib(volume["emptyDir"]["sizeLimit"]) for volume in spec["volumes"]}
    given = Settings()
    assert given.cache_bytes / 1024**2 + given.file_gib * 1024 < sizes["data"]
    for resources in spec["containers"][0]["resources"].values():
        assert mib(resources["ephemeral-storage"]) > sum(sizes.values())


def test_job_ends_with_its_run_and_is_removed_a_day_later() -> None:
    spec = job()["spec"]
    assert spec["backoffLimit"] == 0  # Prefect repeats runs; Kubernetes would start another beside it
    assert spec["ttlSecondsAfterFinished"] == 86400


def test_memory_is_half_as_much_again_as_the_hungriest_run_needs() -> None:
    """Measured: 810 MB for ``build-models`` with dbt, 540 for loads, 530 for ``report``."""
    resources = pod()["containers"][0]["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert mib(resources["limits"]["memory"]) * 1024**2 > 1.5 * 810e6


def test_place_and_account_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLC_KUBERNETES_NAMESPACE", "taxis")
    monkeypatch.setenv("TLC_KUBERNETES_SERVICE_ACCOUNT", "loader")
    monkeypatch.setenv("TLC_IMAGE", "registry.example.org/nyc-taxi-flows:1")
    made = job()
    assert made["metadata"]["namespace"] == "taxis"
    assert made["spec"]["template"]["spec"]["serviceAccountName"] == "loader"
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.org/nyc-taxi-flows:1"
