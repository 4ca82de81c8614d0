# Gatecrash with the compilers it builds C and C++ targets with. docs/ci.md says what a container must be allowed.
FROM python:3.13-slim-bookworm

# Debian's release is pinned above; its packages get their security updates.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ gcc libc6-dev make tini \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY pyproject.toml README.md LICENSE hatch_build.py conftest.py ./
COPY gatecrash gatecrash
COPY servers servers
COPY strategies strategies
COPY suites suites
RUN pip install --no-cache-dir /src \
    && rm -rf /src/* \
    && useradd --create-home --uid 1000 gatecrash

USER 1000
WORKDIR /work
# tini reaps what a server under test leaves behind, and passes signals on.
ENTRYPOINT ["/usr/bin/tini", "--", "gatecrash"]
CMD ["--help"]
