#!/usr/bin/env bash
# docker-compose.yml on a Docker engine, as docs/server.md says, with all profiles: `deployments/containers/compose_check.sh`.
# Needs Docker with Compose 2.20 or later, and the ports 80 and 443. A project of its own, whose volumes are removed.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
compose() {
    docker compose --project-name tlc-check --env-file "$work/.env" --project-directory . \
        --file docker-compose.yml --file deployments/containers/check.yml \
        --profile tls --profile gcs-emulator --profile events --profile metrics "$@"
}
finish() {
    code=$?
    [ "$code" = 0 ] || { compose ps --all; compose logs --tail 100; } || true
    compose down --volumes --remove-orphans
    rm -rf "$work"
    exit "$code"
}
inside() { compose exec -T "$@"; }
trips() { inside data-postgres psql --no-psqlrc -qAt -U tlc -c "$1"; }
is() { [ "$1" = "$2" ] || { echo "expected '$2', got '$1'"; return 1; }; }
# Fails, and says so in these words: what ended for another reason was not refused.
refused() {
    words=$1 && shift
    ! "$@" >"$work/refused" 2>&1 || { echo "not refused: $*"; return 1; }
    grep -q "$words" "$work/refused" || { echo "refused, but not with '$words': $*"; cat "$work/refused"; return 1; }
}
unknown() {
    inside "$1" sh -c "getent hosts server && ! getent hosts $2" || { echo "not refused: $1 finds $2"; return 1; }
}

echo "--- .env, by the lines of docs/server.md"
cp .env.example "$work"
(cd "$work" && eval "$(sed -n '/^cp \.env\.example/,/^docker compose/p' "$OLDPWD/docs/server.md" | sed '$d')")
trap finish EXIT
cat >>"$work/.env" <<END
TLC_SOURCE_URL=http://127.0.0.1:8088
TLC_LAKE_URL=gs://tlc-lake
STORAGE_EMULATOR_HOST=http://gcs:4443
PREFECT_UI_URL=https://localhost
PREFECT_PORT=14200
GRAFANA_PASSWORD=of-this-check
TLC_DB_PORT=15432
END
login=$(sed -n 's/^PREFECT_AUTH=//p' "$work/.env")

echo "--- up: $(docker compose version)"
compose config --quiet
compose up --detach --build --wait --wait-timeout 900
compose ps --all

echo "--- a month into Postgres and the bucket"
inside worker prefect deployment run load-month/load-month --watch \
    -p dataset=green -p month=2020-12 -p 'targets=["postgres","gcs"]'
is "$(trips 'select target, rows_read, rows_read - rows_loaded - rows_rejected from tlc.loads')" 'postgres|19582|0'
is "$(trips 'select (select count(*) from tlc.green_trips) - rows_loaded from tlc.loads')" 0
is "$(trips "select count(*) from tlc.zones")" 265

echo "--- what is refused"
refused 'Read-only file system' inside worker touch /app/x
unknown worker redis
unknown worker prefect-postgres
unknown tls kafka
unknown tls gcs
refused 'must be owner' trips 'alter table tlc.loads disable trigger all'
refused 'permission denied' trips "copy tlc.zones to program 'cat'"
is "$(inside worker id -u)" 10001
is "$(inside redis id -un)" redis
is "$(inside data-postgres id -un)" postgres
is "$(inside worker stat -c %a /data/tmp)" 700

echo "--- by the proxy, with and without the login"
answer() { curl --silent --insecure --output /dev/null --write-out '%{http_code}' "$@"; }
is "$(answer https://localhost/api/health)" 200
is "$(answer --json '{}' https://localhost/api/flows/filter)" 401
is "$(answer --json '{}' --user "$login" https://localhost/api/flows/filter)" 200

echo "--- metrics"
metrics=http://127.0.0.1
curl --silent --fail $metrics:9464/metrics | grep -q 'tlc_up{part="postgres"} 1.0'
curl --silent --fail $metrics:9090/api/v1/targets | grep -q '"health":"up"'
curl --silent --fail --user admin:of-this-check $metrics:3000/api/search | grep -q dash-db

echo "--- a worker that hangs is restarted"
worker=$(compose ps --quiet worker)
# shellcheck disable=SC2016 # the container's shell reads the file
inside worker sh -c 'kill -STOP "$(cat /tmp/prefect/main/worker.pid)" && touch -d "1 hour ago" /tmp/prefect/main/worker.failing'
for _ in $(seq 60); do
    [ "$(docker inspect --format '{{.RestartCount}}' "$worker")" = 0 ] || break
    sleep 5
done
is "$(docker inspect --format '{{.RestartCount}}' "$worker")" 1
echo "--- all of it works"
