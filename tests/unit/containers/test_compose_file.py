"""What docker-compose.yml and the Dockerfile promise: no secret in them, nothing open by default, one truth."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from blocks.settings import Settings
from deployments.tlc_site.synthetic.months import write_parquet
from deployments.work_pools import DEFAULT_POOL, POOLS
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from tests.servers.compose_file import (
    OWN_IMAGE,
    PROJECT,
    MissingVariable,
    image_command,
    image_environment,
    read_compose,
)

TEXT = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = (PROJECT / ".env.example").read_text(encoding="utf-8")
REQUIRED = re.findall(r"^([A-Z_]+)=$", EXAMPLE, re.MULTILINE)
GIVEN = dict.fromkeys(REQUIRED, "canary")
SERVICES = read_compose(GIVEN)["services"]
OWN = {name: service for name, service in SERVICES.items() if service["image"].startswith(OWN_IMAGE)}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_secret_that_is_not_given_is_asked_for_by_name(name: str) -> None:
    with pytest.raises(MissingVariable, match=f"^{name}: set it to "):
        read_compose(GIVEN | {name: ""})


def test_example_has_every_variable_and_no_other() -> None:
    named = set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    passed_on = re.findall(r"^ +([A-Z_]+):(?: +#.*)?$", TEXT, re.MULTILINE)
    assert named == {*re.findall(r"\$\{(\w+)", TEXT), *passed_on}


def test_no_secret_is_in_the_file() -> None:
    secret = re.compile(r"^ +\w*(?:PASSWORD|AUTH|AUTH_STRING|KEY)\w*: (?P<value>.+)$", re.MULTILINE)
    values = [found["value"] for found in secret.finditer(TEXT)]
    assert len(values) >= 5
    assert [value for value in values if not value.startswith("${")] == []
    assert re.findall(r"://\w*:(?!\$)[^@\s]+@", TEXT) == []


def test_ports_are_published_on_loopback_unless_told_otherwise() -> None:
    """But the ports of the proxy, which is there for others."""
    published = [port for name, service in SERVICES.items() if name != "tls" for port in service.get("ports", [])]
    assert len(published) == 2
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:4200"),
        ({"PREFECT_PORT": "4300"}, "http://127.0.0.1:4300"),
        ({"PREFECT_PORT": "4300", "PREFECT_UI_URL": "https://prefect.example.org"}, "https://prefect.example.org"),
    ],
)
def test_browsers_find_the_api_where_it_is_published(given: dict[str, str], url: str) -> None:
    server = read_compose(GIVEN | given)["services"]["server"]
    assert server["ports"] == [f"127.0.0.1:{given.get('PREFECT_PORT', '4200')}:4200"]
    assert server["environment"]["PREFECT_UI_URL"] == url
    assert server["environment"]["PREFECT_SERVER_UI_API_URL"] == f"{url}/api"


def test_every_process_of_the_server_asks_for_the_password_and_encrypts_with_the_key() -> None:
    for name in ("migrate", "server", "services"):
        settings = SERVICES[name]["environment"]
        assert settings["PREFECT_SERVER_API_AUTH_STRING"] == settings["PREFECT_SERVER_ENCRYPTION_KEY"] == "canary"


def test_exactly_one_service_builds_the_image_and_nobody_pulls_it() -> None:
    assert [name for name, service in SERVICES.items() if "build" in service] == ["migrate"]
    assert {name for name, service in SERVICES.items() if service.get("pull_policy") == "never"} == OWN.keys()


def test_the_image_is_built_before_anything_of_it_starts() -> None:
    def needed(name: str) -> set[str]:
        direct = SERVICES[name].get("depends_on", {})
        return {*direct, *(further for other in direct for further in needed(other))}

    assert [name for name in OWN if name != "migrate" and "migrate" not in needed(name)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_containers_can_change_nothing_but_their_volumes_and_take_no_more_than_their_share(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is (name != "kafka")
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "tls" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert [place for place in service.get("tmpfs", []) if place.startswith("/tmp") and ":size=" not in place] == []


def test_databases_do_not_run_as_root() -> None:
    users = {name: SERVICES[name].get("user") for name in ("data-postgres", "prefect-postgres", "redis")}
    assert users == {"data-postgres": "postgres", "prefect-postgres": "postgres", "redis": "redis"}


@pytest.mark.parametrize("name", ["server", "services", "worker"])
def test_what_hangs_is_ended_by_the_process_number_that_it_noted(name: str) -> None:
    """Docker itself restarts only what ended."""
    noted = f"/tmp/prefect/main/{name}.pid"
    assert OWN[name]["command"].startswith(f"sh deployments/containers/main.sh {noted} ")
    assert noted in OWN[name]["healthcheck"]["test"]
    assert OWN[name]["restart"] == "unless-stopped"


def test_worker_that_waits_for_its_server_is_not_restarted() -> None:
    check = OWN["worker"]["healthcheck"]["test"]
    server = OWN["server"]["healthcheck"]["test"]
    assert check[check.index("--unless-lost") + 1] == server[4].replace("127.0.0.1", "server")
    own = image_command("HEALTHCHECK")
    assert check[1 : 1 + len(own)] == own


def test_flows_have_the_loaders_password_only_and_neither_the_owners_nor_the_readers() -> None:
    given = GIVEN | {name: name for name in REQUIRED}
    told = {
        name: str(service["environment"]) for name, service in read_compose(given)["services"].items() if name in OWN
    }
    for secret in ("TLC_DB_ADMIN_PASSWORD", "TLC_DB_READ_PASSWORD"):
        assert [name for name, text in told.items() if f":{secret}@" in text or f"'{secret}'}}" in text] == ["roles"]


def test_proxy_has_the_address_that_browsers_have_and_other_pages_may_not_ask() -> None:
    services = read_compose(GIVEN | {"PREFECT_UI_URL": "https://prefect.example.org"})["services"]
    assert services["tls"]["environment"] == {"PREFECT_UI_URL": "https://prefect.example.org"}
    assert services["server"]["environment"]["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "https://prefect.example.org"
    caddyfile = (PROJECT / "deployments/containers/Caddyfile").read_text(encoding="utf-8")
    assert caddyfile.endswith("\n{$PREFECT_UI_URL} {\n\treverse_proxy server:4200\n}\n")


@pytest.mark.parametrize(
    ("name", "folders"),
    [
        ("server", ["PREFECT_HOME", "PREFECT_SERVER_UI_STATIC_DIRECTORY"]),
        ("services", ["PREFECT_HOME"]),
        ("deploy", ["PREFECT_HOME", "TLC_LOCAL_DIR"]),
        ("worker", ["PREFECT_HOME", "TLC_LOCAL_DIR", "TLC_CACHE_DIR"]),
    ],
)
def test_own_containers_write_in_memory_or_in_a_volume(name: str, folders: list[str]) -> None:
    """The rest of their file system is read-only."""
    places = [
        *(place.split(":")[0] for place in OWN[name]["tmpfs"]),
        *(volume.split(":")[1] for volume in OWN[name].get("volumes", [])),
    ]
    settings = image_environment() | OWN[name]["environment"]
    paths = [Path(settings[folder]) for folder in folders]
    assert [path for path in paths if not any(path.is_relative_to(place) for place in places)] == []


def test_worker_polls_the_pool_that_the_deployments_name() -> None:
    assert SERVICES["worker"]["environment"]["WORK_POOL"] == DEFAULT_POOL


def test_deployments_stay_in_the_pool_that_was_chosen() -> None:
    """``deploy`` runs again at each start."""
    assert SERVICES["deploy"]["command"] == f"python -m deployments.apply --pool {DEFAULT_POOL}"
    chosen = read_compose(GIVEN | {"TLC_POOL": "tlc-docker", "TLC_IMAGE_TAG": "0.1.0"})["services"]["deploy"]
    assert chosen["command"] == "python -m deployments.apply --pool tlc-docker"
    assert chosen["environment"][POOLS["tlc-docker"].from_environment["image"]] == chosen["image"]


def test_blocks_name_other_places_where_they_are_given() -> None:
    given = {
        "TLC_POSTGRES_URL": "postgresql://tlc:canary@10.0.0.5:5432/tlc",
        "TLC_LAKE_URL": "gs://bucket",
        "TLC_WAREHOUSE_URL": "bigquery://project/dataset?location=EU",
    }
    assert read_compose(GIVEN | given)["services"]["deploy"]["environment"].items() >= given.items()
    of_the_file = SERVICES["deploy"]["environment"]["TLC_POSTGRES_URL"]
    assert of_the_file == "postgresql://tlc:canary@data-postgres:5432/tlc"


def test_runs_of_the_image_beat_as_those_of_the_checkout_and_nothing_changes_it() -> None:
    """The automation for silent runs is made by ``deploy``, from the same variable of the same image."""
    name = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"
    checkout = tomllib.loads((PROJECT / "prefect.toml").read_text(encoding="utf-8"))
    assert image_environment()[name] == str(checkout["flows"]["heartbeat_frequency"])
    assert [service for service, described in OWN.items() if name in described["environment"]] == []


def test_every_setting_of_the_project_reaches_the_registration() -> None:
    settings = {f"TLC_{name.upper()}" for name in Settings.model_fields}
    assert settings - image_environment().keys() - SERVICES["deploy"]["environment"].keys() == set()


def test_image_has_the_uv_of_the_makefile() -> None:
    in_makefile = re.findall(r"uv==([\d.]+)", (PROJECT / "Makefile").read_text(encoding="utf-8"))
    in_image = re.findall(r"ARG UV_VERSION=([\d.]+)", (PROJECT / "Dockerfile").read_text(encoding="utf-8"))
    assert in_makefile == in_image
    assert len(in_image) == 1


def test_the_check_on_docker_knows_how_many_rows_its_month_has(tmp_path: Path) -> None:
    script = (PROJECT / "deployments/containers/compose_check.sh").read_text(encoding="utf-8")
    rows = write_parquet(Dataset.green, Month(2020, 12), tmp_path / "month.parquet")
    assert f"'postgres|{rows}|0'" in script
