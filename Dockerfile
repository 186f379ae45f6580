# One command:  docker build -t streamzip . && docker run -p 8000:8000 -v streamzip:/data streamzip
# What a tag means is the registry's word on that day. To name the very image, with its digest (how to learn it:
# docs/operations.md):  --build-arg BASE=python:3.11-slim@sha256:…
ARG BASE=python:3.11-slim
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/streamzip && python -m venv /opt/build
# The locked packages first: a change of the code alone leaves these layers as they are.
COPY requirements/run.lock requirements/build.lock requirements/sbom.lock requirements/
RUN /opt/streamzip/bin/pip install --require-hashes -r requirements/run.lock \
    && /opt/build/bin/pip install --require-hashes -r requirements/build.lock -r requirements/sbom.lock
COPY pyproject.toml README.md LICENSE ./
COPY streamzip streamzip
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheel . \
    && /opt/streamzip/bin/pip install --no-deps wheel/*.whl \
    && /opt/streamzip/bin/pip uninstall --yes setuptools pip \
    && mkdir -p /opt/streamzip/share/sbom \
    && /opt/build/bin/cyclonedx-py environment /opt/streamzip --pyproject pyproject.toml --short-PURLs \
        --output-reproducible --output-file /opt/streamzip/share/sbom/streamzip.cdx.json

FROM ${BASE}
ARG BASE
LABEL org.opencontainers.image.base.name=${BASE} \
    org.opencontainers.image.title="streamzip" \
    org.opencontainers.image.description="A streaming zip-on-the-fly gateway: a list of public URLs in, one resumable ZIP64 download out." \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT"
# A number of its own, far from the host's users; the data folder must be writable for it.
RUN groupadd --gid 10001 streamzip \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin streamzip \
    && install -d -m 0750 -o 10001 -g 10001 /data
COPY --from=build /opt/streamzip /opt/streamzip
ENV PATH=/opt/streamzip/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STREAMZIP_HOST=0.0.0.0 \
    STREAMZIP_PORT=8000 \
    STREAMZIP_DATA_DIR=/data
# Any name: under which one the container is reached is not known here. Without API keys every web page that is visited
# from where its port is reachable could use the gateway: name its own hosts instead, or set keys.
ENV STREAMZIP_ALLOWED_HOSTS=*
# By number: Kubernetes' runAsNonRoot can't judge a name.
USER 10001:10001
VOLUME /data
EXPOSE 8000
# http.client, for urllib would ask a proxy of the environment.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["python", "-c", "\
import os, sys, http.client as http; \
gateway = http.HTTPConnection('127.0.0.1', int(os.environ['STREAMZIP_PORT']), timeout=4); \
gateway.request('GET', '/healthz'); \
sys.exit(gateway.getresponse().status != 200)"]
ENTRYPOINT ["streamzip"]
CMD ["serve"]
