# Every RUN is one script in docker/, so that `make docker-scripts` can play this file without
# Docker: it reads it line by line, and accepts only what is used here.

FROM node:22-bookworm-slim AS explorer
WORKDIR /src
COPY docker docker
COPY app/explorer app/explorer
RUN docker/explorer.sh

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY requirements requirements
COPY docker docker
RUN docker/install.sh
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY --from=explorer /src/app/explorer/dist app/explorer/dist
COPY fixtures/demo fixtures/demo
RUN docker/build.sh

FROM python:3.13-slim-bookworm
WORKDIR /opt/bindery
COPY docker docker
RUN docker/user.sh
COPY --from=build /opt/bindery/venv venv
ENV PATH=/opt/bindery/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "/opt/bindery/docker/healthcheck.py"]
CMD ["bindery", "serve", "--host", "0.0.0.0", "--port", "8000", "--data", "/data"]
