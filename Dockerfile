# A server or a worker of tuneaccord. Build: docker build -t tuneaccord .
# With sampling from language models, which is large: docker build --build-arg EXTRAS=web,fast,llm -t tuneaccord .
FROM python:3.11-slim-bookworm AS build
ARG EXTRAS=web,fast
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY examples examples
RUN python -m venv /opt/tuneaccord
RUN /opt/tuneaccord/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]"

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin accord
RUN install -d -o accord -g accord -m 0700 /data /keys /keys/web /keys/worker
COPY --from=build /opt/tuneaccord /opt/tuneaccord
ENV PATH=/opt/tuneaccord/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp \
    NUMBA_CACHE_DIR=/tmp \
    TUNEACCORD_FOLDER=/data \
    TUNEACCORD_HOST=0.0.0.0 \
    TUNEACCORD_LOG=json
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8090/healthz', timeout=4)"]
ENTRYPOINT ["tuneaccord"]
CMD ["serve"]
