#!/bin/sh
# Write lake and DuckDB file to standard output, as one tar of how they are between two loads: docs/backup.md.
set -eu
cd "$TLC_LOCAL_DIR"
copy=$(mktemp -d backup-XXXXXX)
trap 'rm -rf "$copy"' EXIT

# A month's objects are replaced one by one under the lake's lock, so no order of copying is safe without it. Files are
# never changed in place: links do, and loads wait for seconds only. What a killed load kept of an old version is below
# .tmp, and its manifest names it; all else there belongs to a load that runs.
if [ -d lake ]; then
    flock lake/.lock find lake -ignore_readdir_race -type f \( ! -path 'lake/.tmp/*' -o -path 'lake/.tmp/*/old/*' \) \
        -exec cp --link --parents --target-directory="$copy" {} +
fi
# DuckDB's file is changed in place: loads into it wait for a copy.
flock warehouse.duckdb.lock find . -maxdepth 1 -type f -name 'warehouse.duckdb*' \
    -exec cp --target-directory="$copy" {} +
# 1: a file got its time of change anew, since a load removed the other link to it. What is in it is the same.
# Without the folder itself: who unpacks it need not own the one that it comes into.
find "$copy" -mindepth 1 -maxdepth 1 -printf '%P\0' |
    tar --directory="$copy" --create --null --files-from=- --warning=no-file-changed || [ $? -eq 1 ]
