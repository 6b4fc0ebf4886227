#!/bin/sh
# main.sh FILE COMMAND…: become the command, with its process number in FILE, by which a health check ends what hangs.
set -eu
mkdir -p "$(dirname "$1")"
rm -f "${1%.pid}.failing"
echo $$ >"$1"
shift
exec "$@"
