#!/usr/bin/env bash
# Installs what a fresh Debian or Ubuntu machine lacks. Says what it does; does nothing when all is there.
#   setup.sh run    to build and run: C compiler, libraries for SAML, PostgreSQL server (15 or newer), Rust
#   setup.sh test   that, Node.js (20 or newer) for the client tests, PgBouncer, xmlsec1, NATS, plpgsql_check, clients of S3 and a server of it
set -euo pipefail

purpose="${1:-run}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
rust_version="$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$here/Cargo.toml")"
node_prefix="$HOME/.cache/basalt/node" # the Makefile looks for node here too
moto_prefix="$HOME/.cache/basalt/moto" # as does the test that needs it
postgres_least=15
node_least=20
export PATH="$HOME/.cargo/bin:$node_prefix/node_modules/.bin:$PATH"

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else say "root or sudo is needed for: $*"; exit 1
  fi
}

apt_updated=no
apt_install() {
  have apt-get || { say "this is no Debian or Ubuntu; please install: $*"; exit 1; }
  say "installing packages: $*"
  if [ "$apt_updated" = no ]; then as_root apt-get update -qq; apt_updated=yes; fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Major version of the newest PostgreSQL server installed, 0 if there is none.
postgres_version() {
  local newest=0 binary version
  for binary in /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres "$(command -v postgres || true)"; do
    [ -x "$binary" ] || continue
    version="$("$binary" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')"
    if [ "$version" -gt "$newest" ]; then newest="$version"; fi
  done
  echo "$newest"
}

apt_candidate_major() {
  apt-cache policy "$1" | sed -n 's/^ *Candidate: *\([0-9]*:\)\{0,1\}\([0-9]*\).*/\2/p'
}

ensure_build_tools() {
  local missing=()
  have cc || missing+=(build-essential)
  have make || missing+=(make)
  have curl || missing+=(curl)
  have git || missing+=(git)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  if [ ${#missing[@]} -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# Signatures of SAML documents are verified by xmlsec, which brings libxml2; its headers are read by libclang.
ensure_saml_libraries() {
  local missing=() header
  have pkg-config || missing+=(pkg-config)
  for header in xmlsec1:libxmlsec1-dev libxml-2.0:libxml2-dev openssl:libssl-dev; do
    have pkg-config && pkg-config --exists "${header%%:*}" || missing+=("${header##*:}")
  done
  have xmlsec1-config || missing+=(libxmlsec1-dev)
  # libclang-cpp, which other packages bring, is another library.
  [ -n "$(find /usr/lib -maxdepth 4 \( -name 'libclang.so*' -o -name 'libclang-[0-9]*.so*' \) -print -quit)" ] \
    || missing+=(libclang-dev)
  if [ ${#missing[@]} -gt 0 ]; then apt_install "${missing[@]}"; fi
}

ensure_postgres() {
  if [ "$(postgres_version)" -ge "$postgres_least" ]; then return; fi
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    apt_install postgresql-common
    say "no database server of the system's own is needed: telling its packages to create none"
    as_root sed -i 's/^#\{0,1\}create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  fi
  if [ "$(apt_candidate_major postgresql)" -lt "$postgres_least" ]; then
    say "this release has no PostgreSQL $postgres_least: adding the PostgreSQL project's own packages"
    as_root /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y >/dev/null
  fi
  apt_install postgresql
}

# True when version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

cargo_version() { cargo --version 2>/dev/null | cut -d ' ' -f 2; }

ensure_rust() {
  if have cargo && at_least "$(cargo_version)" "$rust_version"; then return; fi
  if have rustup; then
    say "installing Rust $rust_version with rustup"
    rustup toolchain install "$rust_version" --profile minimal --component rustfmt --component clippy
    rustup default "$rust_version"
  else
    say "installing rustup and Rust $rust_version into $HOME/.cargo"
    local installer
    installer="$(mktemp -d)"
    curl --proto '=https' --tlsv1.2 -fsSL -o "$installer/rustup-init" \
      "https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init"
    chmod +x "$installer/rustup-init"
    "$installer/rustup-init" -y --quiet --profile minimal --default-toolchain "$rust_version" \
      --component rustfmt --component clippy
    rm -r "$installer"
  fi
  at_least "$(cargo_version)" "$rust_version" || { say "cargo $(cargo_version) is older than $rust_version"; exit 1; }
}

node_version() { node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'; }

ensure_node() {
  if have npm && [ "$(node_version)" -ge "$node_least" ]; then return; fi
  if ! have npm; then apt_install nodejs npm; fi
  if [ "$(node_version)" -ge "$node_least" ]; then return; fi
  say "node $(node_version) is too old: installing a newer one into $node_prefix"
  mkdir -p "$node_prefix"
  npm install --silent --no-fund --no-audit --prefix "$node_prefix" node@22
  hash -r
  [ "$(node_version)" -ge "$node_least" ] || { say "node is still $(node_version)"; exit 1; }
}

ensure_pgbouncer() {
  if have pgbouncer || [ -x /usr/sbin/pgbouncer ]; then return; fi
  apt_install pgbouncer
  # Tests start their own; the service that the package starts is not wanted.
  if have systemctl; then as_root systemctl disable --now pgbouncer >/dev/null 2>&1 || true; fi
}

# Signs the documents that the tests of SAML verify.
ensure_xmlsec() { have xmlsec1 && have openssl || apt_install xmlsec1 openssl; }

# What several servers of one database may speak through.
ensure_nats() {
  if have nats-server || [ -x /usr/sbin/nats-server ]; then return; fi
  apt_install nats-server
  # Tests start their own; the service that the package starts is not wanted.
  if have systemctl; then as_root systemctl disable --now nats-server >/dev/null 2>&1 || true; fi
}

# The closer look of `basalt db lint`; its test does without where no package has it.
ensure_plpgsql_check() {
  local package
  package="postgresql-$(postgres_version)-plpgsql-check"
  if dpkg -s "$package" >/dev/null 2>&1 || ! apt-cache show "$package" >/dev/null 2>&1; then return; fi
  apt_install "$package"
}

# Tools that speak S3, for the tests of that protocol.
ensure_s3_clients() {
  local missing=()
  have rclone || missing+=(rclone)
  have aws || missing+=(awscli)
  python3 -c 'import boto3' >/dev/null 2>&1 || missing+=(python3 python3-boto3)
  if [ ${#missing[@]} -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# An S3 server of others, which keeps files for a test; that does without where PyPI is out of reach.
ensure_moto() {
  if [ -x "$moto_prefix/bin/moto_server" ]; then return; fi
  python3 -c 'import ensurepip' >/dev/null 2>&1 || apt_install python3-venv
  if ! python3 -m venv "$moto_prefix" || ! "$moto_prefix/bin/pip" install --quiet 'moto[s3]==5.2.5' flask flask-cors; then
    say "moto cannot be installed: its test will be left out"
    rm -rf "$moto_prefix"
  fi
}

ensure_build_tools
ensure_saml_libraries
ensure_postgres
ensure_rust
case "$purpose" in
  run) ;;
  test) ensure_node; ensure_pgbouncer; ensure_xmlsec; ensure_nats; ensure_plpgsql_check; ensure_s3_clients; ensure_moto ;;
  *) say "unknown purpose: $purpose"; exit 2 ;;
esac
