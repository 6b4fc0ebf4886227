"""What docker-compose.yml and the Dockerfile promise: no secret in them, nothing open by default, one truth."""

from __future__ import annotations

import importlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from blocks.settings import Settings
from deployments.containers.json_log import JsonLines
from deployments.tlc_site.synthetic.months import write_parquet
from deployments.work_pools import DEFAULT_POOL, POOLS
from flows.tlc.dataset import Dataset
from flows.tlc.month import Month
from tests.servers.compose_file import (
    OWN_IMAGE,
    PROJECT,
    REQUIRED,
    MissingVariable,
    image_command,
    image_environment,
    read_compose,
)

TEXT = (PROJECT / "docker-compose.yml").read_text(encoding="utf-8")
CLOUD_TEXT = (PROJECT / "docker-compose.prefect-cloud.yml").read_text(encoding="utf-8")
EXAMPLE = (PROJECT / ".env.example").read_text(encoding="utf-8")
UV_FILE = "uv-requirements.txt"
CHECKOV_FILE = "deployments/terraform/tests/checkov-requirements.txt"
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
    assert named == {*re.findall(r"\$\{(\w+)", TEXT + CLOUD_TEXT), *passed_on}


def test_no_secret_is_in_the_file() -> None:
    secret = re.compile(r"^ +\w*(?:PASSWORD|AUTH|AUTH_STRING|KEY)\w*: (?P<value>.+)$", re.MULTILINE)
    values = [found["value"] for found in secret.finditer(TEXT)]
    assert len(values) >= 5
    assert [value for value in values if not value.startswith("${")] == []
    assert re.findall(r"://\w*:(?!\$)[^@\s]+@", TEXT) == []


def test_ports_are_published_on_loopback_unless_told_otherwise() -> None:
    """But the ports of the proxy, which is there for others."""
    published = [port for name, service in SERVICES.items() if name != "tls" for port in service.get("ports", [])]
    assert len(published) == 5
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
    assert [name for name, service in SERVICES.items() if "build" in service] == ["roles"]
    assert {name for name, service in SERVICES.items() if service.get("pull_policy") == "never"} == OWN.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_containers_can_change_nothing_but_their_volumes_and_take_no_more_than_their_share(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is (name not in ("kafka", "grafana"))
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
    assert f" {noted} " in " ".join([*OWN[name]["healthcheck"]["test"], ""])
    assert OWN[name]["restart"] == "unless-stopped"


def test_worker_that_waits_for_its_server_is_not_restarted() -> None:
    """Its own server, or the one that docker-compose.prefect-cloud.yml gives it."""
    kind, check = OWN["worker"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert check.startswith(" ".join(image_command("HEALTHCHECK")))
    assert check.endswith("--unless-lost $PREFECT_API_URL/health")
    server = OWN["server"]["healthcheck"]["test"][4]
    assert f"{OWN['worker']['environment']['PREFECT_API_URL']}/health" == server.replace("127.0.0.1", "server")


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


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", ("flows", "heartbeat_frequency")),
        ("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", ("server", "services", "db_vacuum", "enabled")),
        ("PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD", ("server", "services", "db_vacuum", "retention_period")),
    ],
)
def test_image_says_what_prefect_toml_says_and_nothing_changes_it(name: str, path: tuple[str, ...]) -> None:
    """The automation for silent runs is made by ``deploy``, from the same variable of the same image.

    Terraform's server runs the image too, and sets none of these.
    """
    value = tomllib.loads((PROJECT / "prefect.toml").read_text(encoding="utf-8"))
    for key in path:
        value = value[key]
    assert image_environment()[name] == str(value)
    assert [service for service, described in OWN.items() if name in described["environment"]] == []
    assert name not in (PROJECT / "deployments" / "terraform" / "server.tf").read_text(encoding="utf-8")


def test_every_setting_of_the_project_reaches_the_registration() -> None:
    settings = {f"TLC_{name.upper()}" for name in Settings.model_fields}
    assert settings - image_environment().keys() - SERVICES["deploy"]["environment"].keys() == set()


@pytest.mark.parametrize("name", ["metrics", "prometheus", "grafana"])
def test_metrics_are_opt_in_limited_and_on_loopback_whatever_is_set(name: str) -> None:
    """Exporter and Prometheus ask nobody for a password."""
    service = read_compose(GIVEN | {"TLC_BIND_ADDRESS": "0.0.0.0"})["services"][name]
    assert service["profiles"] == ["metrics"]
    assert [port for port in service["ports"] if not port.startswith("127.0.0.1:")] == []
    assert service["mem_limit"]
    assert service["healthcheck"]["test"]


@pytest.mark.parametrize(("password", "code"), [("", 1), ("letters", 0)])
def test_grafana_starts_with_no_password_that_everybody_knows(password: str, code: int, tmp_path: Path) -> None:
    """Its entrypoint, run here: what it would start is a script of this test's."""
    started = tmp_path / "run.sh"
    started.write_text("#!/bin/sh\n")
    started.chmod(0o755)
    service = read_compose(GIVEN | {"GRAFANA_PASSWORD": password})["services"]["grafana"]
    command = [word.replace("/run.sh", str(started)) for word in service["entrypoint"]]
    done = subprocess.run(command, env=service["environment"], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout == ("" if password else "set GRAFANA_PASSWORD in .env\n")


def test_logs_are_json_for_every_process_if_asked_for() -> None:
    """The formatter's class is the image's, whichever is chosen."""
    name = "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER"
    for given, format_ in ((GIVEN, "standard"), (GIVEN | {"LOG_FORMAT": "json"}, "json")):
        services = read_compose(given)["services"]
        found = {one: services[one]["environment"].get(name) for one in OWN}
        assert found == dict.fromkeys(OWN, format_) | {"gcs-bucket": None, "roles": None}
    module, _, cls = image_environment()["PREFECT_LOGGING_FORMATTERS_JSON_CLASS"].rpartition(".")
    assert getattr(importlib.import_module(module), cls) is JsonLines


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile"])
def test_pip_installs_uv_alone_by_the_same_file_of_hashes(file: str) -> None:
    """uv then installs the rest by the hashes of its lock."""
    installed = re.findall(r"(?<!\(UV\) )\bpip3? install (.*)", (PROJECT / file).read_text(encoding="utf-8"))
    assert len(installed) == 1
    assert re.search(rf"--require-hashes -r (/tmp/)?{UV_FILE}$", installed[0])
    assert f"!{UV_FILE}" in (PROJECT / ".dockerignore").read_text(encoding="utf-8").split()


def test_commands_fetch_packages_by_hash_only() -> None:
    """A version alone says nothing of what it depends on, nor that its file is the one of before."""
    files = [PROJECT / "Makefile", PROJECT / "Dockerfile", *(PROJECT / ".ci").iterdir()]
    files += (PROJECT / ".github" / "workflows").glob("*.yml")
    files += (PROJECT / "deployments").rglob("*.sh")
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    fetches = r"\bpip3? install\b|\buv\)? sync\b|\b(uvx|uv tool|uv run|pipx|npx|npm install)\b"
    by_hash = r"--require-hashes\b|--locked\b"
    fetching = [line for line in lines if re.search(fetches, line, re.IGNORECASE) and not line.startswith("#")]
    assert len(fetching) >= 5
    assert [line for line in fetching if not re.search(by_hash, line)] == []


@pytest.mark.parametrize("file", [UV_FILE, CHECKOV_FILE])
def test_each_package_has_a_version_and_the_hash_of_each_of_its_files(file: str) -> None:
    lines = [line for line in (PROJECT / file).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    packages = [line for line in lines if not line.startswith(" ")]
    assert packages
    assert [line for line in packages if not re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)? \\", line)] == []
    hashes = [line for line in lines if line.startswith(" ")]
    assert [line for line in hashes if not re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line)] == []
    assert len(hashes) > 10, "a file for each system"


def test_prefect_cloud_takes_the_place_of_the_server_and_its_stores() -> None:
    """What is left out is what has the server's secrets or is in its network; nothing else waits for any of it."""
    key = {"PREFECT_API_URL": "https://api.prefect.cloud/api/accounts/a/workspaces/w", "PREFECT_API_KEY": "pnu_canary"}
    with pytest.raises(MissingVariable, match=r"^PREFECT_API_KEY: set it to "):
        read_compose(key | {"PREFECT_API_KEY": ""}, CLOUD_TEXT)
    over = read_compose(key, CLOUD_TEXT)["services"]
    left_out = {name for name, service in over.items() if service.get("profiles") == ["own-server"]}
    of_the_server = {name for name, service in SERVICES.items() if "control" in service["networks"]}
    assert left_out == {name for name in of_the_server if "profiles" not in SERVICES[name]}
    for name, service in SERVICES.items():
        needed = service.get("depends_on", {}) | over.get(name, {}).get("depends_on", {})
        if name not in left_out and "profiles" not in service:
            assert [each for each in left_out & needed.keys() if needed[each].get("required", True)] == [], name
    for name in [name for name, service in OWN.items() if "PREFECT_API_URL" in service["environment"]]:
        assert over[name]["environment"] == key | {"PREFECT_API_AUTH_STRING": ""}, name


def test_the_check_on_docker_knows_how_many_rows_its_month_has(tmp_path: Path) -> None:
    script = (PROJECT / "deployments/containers/compose_check.sh").read_text(encoding="utf-8")
    rows = write_parquet(Dataset.green, Month(2020, 12), tmp_path / "month.parquet")
    assert f"'postgres|{rows}|0'" in script


STORES = {"prefect-postgres", "redis", "migrate", "services"}


def reached_from(name: str) -> set[str]:
    """The services that share a network with this one: all of their ports, published or not."""
    own = set(SERVICES[name]["networks"])
    return {other for other, service in SERVICES.items() if other != name and own & set(service["networks"])}


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - STORES - {"server"}))
def test_no_other_container_reaches_the_servers_own_stores(name: str) -> None:
    """A flow, or what listens to the internet, has the API with its password, and no way round it."""
    assert SERVICES.keys() > STORES
    assert reached_from(name) & STORES == set()


@pytest.mark.parametrize(
    ("name", "users"),
    [
        ("kafka", {"worker"}),
        ("gcs", {"gcs-bucket", "metrics", "worker"}),
        ("prometheus", {"grafana", "metrics"}),
        ("grafana", {"metrics", "prometheus"}),
        ("tls", {"server"}),
        ("data-postgres", {"deploy", "metrics", "roles", "server", "worker"}),
        ("server", {"data-postgres", "deploy", "metrics", "roles", "tls", "worker", *STORES}),
    ],
)
def test_containers_reach_each_other_if_one_uses_the_other(name: str, users: set[str]) -> None:
    """And only then: Kafka, the emulator of Cloud Storage, metrics and Prometheus ask nobody for a password."""
    assert reached_from(name) == users


def test_no_container_is_nearer_to_the_machine_than_its_ports() -> None:
    near = {"network_mode", "pid", "ipc", "privileged", "devices", "userns_mode"}
    assert {name: near & service.keys() for name, service in SERVICES.items() if near & service.keys()} == {}
    assert "docker.sock" not in TEXT
    open_to_all = {
        name
        for name, service in SERVICES.items()
        if not all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    }
    assert {tuple(SERVICES[name].get("profiles", ())) for name in open_to_all} == {("tls",)}
