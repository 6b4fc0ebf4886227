#!/bin/sh
# The image's default command: a worker for the pool WORK_POOL.
set -eu
: "${PREFECT_API_URL:?is not set: give the URL of the Prefect server or workspace, as in http://server:4200/api}"
: "${WORK_POOL:?is not set: give the name of the work pool whose runs this worker starts}"
# A pool that is missing is an error, not made up: a wrong name would wait for runs for ever.
exec prefect worker start --pool "$WORK_POOL" --limit "${WORKER_LIMIT:-2}" \
    --with-healthcheck --install-policy never --no-create-pool-if-not-found
