#!/bin/sh
# main.sh FILE COMMAND…: become the command, with its process number in FILE, by which a health check ends what hangs.
# FILE is in a folder of its own: Prefect's home has a services.pid, which says to Prefect that they run already.
set -eu
mkdir -p "$(dirname "$1")"
rm -f "${1%.pid}.failing"
echo $$ >"$1"
shift
exec "$@"
