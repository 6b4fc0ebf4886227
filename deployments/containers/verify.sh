#!/usr/bin/env bash
# The image and the compose file without a Docker engine, on Debian 12 as root: `deployments/containers/verify.sh`.
# Builds the image on a Debian of debootstrap's making that stands in for python:3.11-slim-bookworm, and starts the whole
# compose file with it: the project's services in the image, as its user, by Buildah; Postgres, Redis, Caddy of Debian.
# Needs some minutes and 3 GB; leaves the packages, and the images in Buildah's storage.
set -euo pipefail
cd "$(dirname "$0")/../.."
base=docker.io/library/python:3.11-slim-bookworm
image=nyc-taxi-flows:verify
work=$(mktemp -d /tmp/tlc-verify-XXXXXX)
chmod 755 "$work"
container=
finish() {
    [ -z "$container" ] || buildah rm "$container" >/dev/null
    rm -rf "$work"
}
trap finish EXIT

echo "--- packages"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq buildah caddy debootstrap docker-compose postgresql redis-server shellcheck >"$work/apt.log"
make --silent setup

echo "--- compose file: $(docker-compose --version)"
sed -E 's/^([A-Z_]+)=$/\1=letters/' .env.example >"$work/env"
docker-compose --env-file "$work/env" config -q
shellcheck deployments/containers/*.sh

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    echo "--- base image, by debootstrap"
    debootstrap --variant=minbase --include=python3.11,python3.11-venv,python3-pip,ca-certificates bookworm "$work/root" >"$work/debootstrap.log"
    ln -s /usr/bin/python3.11 "$work/root/usr/local/bin/python"
    printf '#!/bin/sh\nexec python -m pip "$@"\n' >"$work/root/usr/local/bin/pip"
    chmod +x "$work/root/usr/local/bin/pip"
    rm "$work/root/usr/lib/python3.11/EXTERNALLY-MANAGED"
    made=$(buildah from scratch)
    buildah add -q "$made" "$work/root" / >/dev/null
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt "$made"
    buildah commit -q "$made" "$base" >/dev/null
    buildah rm "$made" >/dev/null
fi

echo "--- image"
# This machine's certificates and pip settings: it may reach the packages through a mirror.
mounts=(-v /etc/ssl/certs/ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt:ro)
[ ! -f /etc/pip.conf ] || mounts+=(-v /etc/pip.conf:/etc/pip.conf:ro)
buildah bud --isolation chroot --pull=never --format docker "${mounts[@]}" -t "$image" . >"$work/build.log" 2>&1 ||
    { tail -20 "$work/build.log"; exit 1; }
container=$(buildah from --pull=never "localhost/$image")
inside() { buildah run --isolation chroot "$container" -- "$@"; }

echo "--- in the image"
[ "$(inside id -u)" = 10001 ]
inside sh -c '! touch /app/x 2>/dev/null && touch /data/x && ! ls /app/tests /app/.env /app/.git 2>/dev/null'
inside sh -c '! python -c "import pytest" 2>/dev/null'
inside python -c 'import flows, blocks.register; print("flows:", *flows.__all__)'
inside sh -c 'du -sh --exclude=/proc --exclude=/sys / 2>/dev/null | cut -f1; du -sh /app | cut -f1' | paste -sd' ' |
    sed 's/^/size, all and the project: /'

echo "--- metrics, dashboard and alert rules, by Prometheus' own tool"
(cd "$work" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb prometheus)
promtool=$work/prometheus/usr/bin/promtool
"$promtool" check config deployments/prometheus/prometheus.yml
.venv/bin/python - <<'PAGE' | "$promtool" check metrics
from prometheus_client import CollectorRegistry, generate_latest
from deployments.metrics.collector import PartsCollector
from deployments.metrics.samples import METRICS
registry = CollectorRegistry()
registry.register(PartsCollector([], [metric.sample(1, *metric.labels) for metric in METRICS]))
print(generate_latest(registry).decode(), end="")
PAGE
.venv/bin/python - >"$work/dashboard.json" <<'RULES'
import json
panels = json.load(open("deployments/grafana/dashboard.json"))["panels"]
expressions = [target["expr"] for panel in panels for target in panel["targets"]]
rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions)]
print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
RULES
"$promtool" check rules "$work/dashboard.json"

echo "--- the composed system, with Debian's Postgres and Redis"
TLC_TEST_CONTAINER=$container TLC_TEST_SERVICES_PATH=$(echo /usr/lib/postgresql/*/bin):/usr/bin \
    .venv/bin/python -m pytest -q tests/e2e/test_compose_processes.py
echo "--- the proxy, with Debian's Caddy"
.venv/bin/python -m pytest -q tests/e2e/test_tls_proxy.py
echo "--- all of it works"
