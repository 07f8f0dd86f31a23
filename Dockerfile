# Stage 1 builds the wheel and a virtual environment; stage 2 holds nothing but Python and that.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY rules rules
RUN python -m pip wheel --no-deps --wheel-dir /wheels .
RUN python -m venv /opt/gateway
RUN /opt/gateway/bin/python -m pip install "$(echo /wheels/privacy_gateway-*.whl)[egress]"
RUN install -d -m 0700 /empty/state && install -d -m 0755 /empty/trust

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Privacy Gateway" \
      org.opencontainers.image.description="An HTTP gateway that makes a written privacy policy true on the wire" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/gateway /opt/gateway
# A volume takes owner and mode from the directory it is mounted over; no account is needed for that.
COPY --from=build --chown=10001:10001 /empty/state /state
# What other containers are to trust goes where they can mount it, and never into the state.
COPY --from=build --chown=10001:10001 /empty/trust /trust
ENV PATH=/opt/gateway/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HEALTH_URL=http://127.0.0.1:9100/healthz
USER 10001:10001
WORKDIR /state
VOLUME /state
# serve; and for egress a proxy and a relay, as docs/egress.compose.yaml has them
EXPOSE 8080 8081 8082
STOPSIGNAL SIGTERM
# The admin listener stays on loopback inside the container; a refusal or no answer exits with an error.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["privacy-gateway"]
CMD ["serve", "-c", "/etc/privacy-gateway/gateway.yaml"]
