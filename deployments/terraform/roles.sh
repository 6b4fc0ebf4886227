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

folder=$(mktemp -d /tmp/tlc-sql.XXXXXX)
trap 'kill "${proxy:-}" 2>/dev/null || :; rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
# The administrator's is kept nowhere: each run makes another, and removes it. It goes by a file, since all users of this
# machine can read command lines.
admin=$(openssl rand -hex 24)
(umask 077 && echo "--password: \"$admin\"" >"$folder/flags.yaml")
gcloud sql users set-password postgres --project="$project" --instance="${instance##*:}" \
    --flags-file="$folder/flags.yaml"
rm "$folder/flags.yaml"

cloud-sql-proxy --unix-socket "$folder" "$instance" &
proxy=$!
until [ -S "$folder/$instance/.s.PGSQL.5432" ]; do
    kill -0 "$proxy" # it ended, and said why
    sleep 1
done

TLC_DB_ADMIN_URL="postgresql://postgres:$admin@/tlc?host=$folder/$instance"
export TLC_DB_ADMIN_URL TLC_DB_PASSWORD TLC_DB_READ_PASSWORD
cd ../.. && .venv/bin/python -m deployments.cloud_sql
