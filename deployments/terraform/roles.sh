#!/bin/sh
# Make the users of the database tlc on Cloud SQL, with the passwords in Secret Manager, and the ledger: after the first
# terraform apply, after secrets_version was raised, and before each new version. Needs gcloud, cloud-sql-proxy 2 and the
# project's environment (make setup).
set -eu
cd "$(dirname "$0")"

instance=$(terraform output -raw postgres_instance)
project=${instance%%:*}

password_of() {
    url=$(gcloud secrets versions access latest --project="$project" --secret="$1-postgres-url")
    url=${url#*://*:}
    echo "${url%%@*}"
}
TLC_DB_PASSWORD=$(password_of tlc)
TLC_DB_READ_PASSWORD=$(password_of tlc-reader)

# The administrator's is kept nowhere: each run makes another, and removes it, since gcloud's command line shows it.
admin=$(openssl rand -hex 24)
gcloud sql users set-password postgres --project="$project" --instance="${instance##*:}" --password="$admin"

sockets=$(mktemp -d /tmp/tlc-sql.XXXXXX)
cloud-sql-proxy --unix-socket "$sockets" "$instance" &
proxy=$!
trap 'kill "$proxy" 2>/dev/null || :; rm -rf "$sockets"' EXIT
until [ -S "$sockets/$instance/.s.PGSQL.5432" ]; do
    kill -0 "$proxy" # it ended, and said why
    sleep 1
done

TLC_DB_ADMIN_URL="postgresql://postgres:$admin@/tlc?host=$sockets/$instance"
export TLC_DB_ADMIN_URL TLC_DB_PASSWORD TLC_DB_READ_PASSWORD
cd ../.. && .venv/bin/python -m deployments.cloud_sql
