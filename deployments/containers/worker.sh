#!/bin/sh
# The image's default command: a worker for the pool WORK_POOL.
set -eu
: "${PREFECT_API_URL:?is not set: give the URL of the Prefect server or workspace, as in http://server:4200/api}"
: "${WORK_POOL:?is not set: give the name of the work pool whose runs this worker starts}"
# What runs spill for a moment is on the volume, not in memory, if TMPDIR says so.
if [ -n "${TMPDIR:-}" ]; then mkdir -p "$TMPDIR" && chmod 700 "$TMPDIR"; fi
# A pool that is missing is not made up: a worker waits for it. Of what type it will be, Prefect asks the pool, and where
# that is not there yet takes a worker of processes, for ever. So WORKER_TYPE says it for a worker that comes up first.
exec prefect worker start --pool "$WORK_POOL" ${WORKER_TYPE:+--type "$WORKER_TYPE"} --limit "${WORKER_LIMIT:-2}" \
    --with-healthcheck --install-policy never --no-create-pool-if-not-found
