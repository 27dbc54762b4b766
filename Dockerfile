# One image for every role: mock systems, load workers, load master. Another base: --build-arg BASE=…
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /source
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/thongsuot
COPY requirements-image.lock ./
RUN /pip/bin/pip --python /opt/thongsuot/bin/python install --no-cache-dir --require-hashes --requirement requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY model model
COPY scenarios scenarios
COPY mocks mocks
COPY faults faults
COPY reports reports
COPY harness harness
RUN /pip/bin/pip --python /opt/thongsuot/bin/python install --no-cache-dir --no-deps . \
 && find /opt/thongsuot -type d \( -name tests -o -name test \) -path '*/site-packages/*' -prune -exec rm -rf {} +

FROM ${BASE}
RUN mkdir /state && chown 10001:10001 /state
COPY --from=build /opt/thongsuot /opt/thongsuot
ENV PATH=/opt/thongsuot/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["python3", "-m"]
CMD ["harness"]
