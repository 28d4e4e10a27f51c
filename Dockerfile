# One process to talk to, one volume to keep: the basalt binary with a PostgreSQL of its own.

FROM debian:trixie-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends build-essential ca-certificates curl \
      pkg-config libclang-dev libssl-dev libxml2-dev libxmlsec1-dev \
 && rm -rf /var/lib/apt/lists/*
ARG RUST_VERSION=1.95.0
RUN curl --proto '=https' --tlsv1.2 -fsSL -o /tmp/rustup-init \
      "https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init" \
 && chmod +x /tmp/rustup-init \
 && /tmp/rustup-init -y --profile minimal --default-toolchain "$RUST_VERSION" \
 && rm /tmp/rustup-init
ENV PATH=/root/.cargo/bin:$PATH
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package gateway \
 && strip -o /usr/local/bin/basalt target/release/basalt

FROM debian:trixie-slim
ARG POSTGRES_MAJOR=17
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libxmlsec1-openssl postgresql-common \
 && sed -i 's/^#\{0,1\}create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends \
      "postgresql-$POSTGRES_MAJOR" "postgresql-$POSTGRES_MAJOR-pgvector" \
 && rm -rf /var/lib/apt/lists/* /var/log/* \
 && groupadd --system --gid 999 basalt \
 && useradd --system --uid 999 --gid basalt --home-dir /data --no-create-home --shell /usr/sbin/nologin basalt \
 && install --directory --owner basalt --group basalt --mode 0700 /data
COPY --from=build /usr/local/bin/basalt /usr/local/bin/basalt
COPY LICENSE /usr/share/doc/basalt/LICENSE

USER basalt
WORKDIR /data
VOLUME /data
EXPOSE 8000
# The binary is process 1: it forwards signals to PostgreSQL, waits for it, and reaps what is orphaned.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/basalt"]
CMD ["serve", "--data-dir", "/data", "--listen", "0.0.0.0:8000"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /health HTTP/1.0\\r\\nhost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
