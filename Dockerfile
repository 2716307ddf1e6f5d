FROM python:3.13-slim-trixie AS base

# To give the same layers for the same input, all timestamps are equal, and sets are compiled in the same order.
ARG SOURCE_DATE_EPOCH=1767225600
ENV SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH PYTHONHASHSEED=0

# Unchecked bytecode makes starts fast, even on a read-only file system. One process compiles it, because a worker's earlier
# files can affect its next ones (python/cpython#129724). `-f` replaces bytecode that earlier programs wrote.
ENV COMPILE="python -m compileall -q -f -j 1 --invalidation-mode unchecked-hash"


FROM base AS library

# The base image contains no bytecode. Compile only the parts of its library that a command-line tool can load.
RUN stdlib=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') \
 && $COMPILE -x '/(dist-packages|site-packages|ensurepip|idlelib|lib2to3|pydoc_data|test|tkinter|turtledemo)/' "$stdlib" \
 && mkdir /rootfs \
 && find "$stdlib" -name __pycache__ -exec cp -a --parents -t /rootfs {} + \
 && find /rootfs -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +


FROM base AS build

# An optional mirror of PyPI. pip checks the hashes in any case.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_COMPILE=0 PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
COPY requirements-build.txt requirements.txt ./
RUN python -m venv /build \
 && /build/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements-build.txt \
 && python -m venv --without-pip /opt/zerokie \
 && /build/bin/pip --python /opt/zerokie/bin/python install --quiet --require-hashes --only-binary :all: -r requirements.txt \
 && $COMPILE /opt/zerokie/lib

COPY . .
# With `-I`, PYTHONPATH and other variables of a job can't make the commands run code of the checkout.
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /build/bin/pip --python /opt/zerokie/bin/python install --quiet --no-deps --no-index /wheels/*.whl \
 && $COMPILE /opt/zerokie/lib/python*/site-packages/zerokie_action \
 && find /opt/zerokie/bin -type f ! -name 'zerokie-*' -delete \
 && sed -i "1s|$| -Iu|" /opt/zerokie/bin/zerokie-* \
 && mkdir -p /rootfs/usr/local/bin /rootfs/opt \
 && mv /opt/zerokie /rootfs/opt/ \
 && ln -s /opt/zerokie/bin/zerokie-deploy /opt/zerokie/bin/zerokie-cleanup /rootfs/usr/local/bin/ \
 && find /rootfs -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +


FROM python:3.13-slim-trixie

LABEL org.opencontainers.image.title="zerokie-action" \
      org.opencontainers.image.description="Deploys a container image or a static folder to the Zerokie platform" \
      org.opencontainers.image.source="https://github.com/YOUR_ORG/zerokie-action" \
      org.opencontainers.image.licenses="MIT"

COPY --from=library /rootfs/ /
COPY --from=build /rootfs/ /

# There is no USER, because GitHub runs actions as root. Other users work too, even without a home and on a read-only root.
ENTRYPOINT ["zerokie-deploy"]
