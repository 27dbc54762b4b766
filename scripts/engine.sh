#!/bin/sh
# A Docker engine, and the images that `--stack compose` needs, where none can be pulled.
#
#   scripts/engine.sh images FOLDER   make what the images are made of: needs debootstrap, Go, root; no engine
#   scripts/engine.sh start FOLDER    start an engine unless one answers, and load the images into it; that of Prometheus
#                                     where the program is on PATH
#   scripts/engine.sh stop FOLDER     end the engine that `start` started
set -eu

BASE=${THONGSUOT_BASE:-python:3.11-slim-bookworm}
TOXIPROXY=${THONGSUOT_TOXIPROXY_IMAGE:-ghcr.io/shopify/toxiproxy:2.12.0}
PROMETHEUS=${THONGSUOT_PROMETHEUS_IMAGE:-prom/prometheus:v2.53.5}
MODULE=github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0
COMES_UP=60
BUNDLE=/etc/ssl/certs/ca-certificates.crt

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }

[ $# -eq 2 ] || usage
cd "$(dirname "$0")/.."
mkdir -p "$2"
folder=$(cd "$2" && pwd)

images() {
  if [ ! -e "$folder/base.tar" ]; then
    mirror=$(apt-get indextargets --format '$(SITE)' | head -n 1)
    rm -rf "$folder/base"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder/base" "$mirror" \
      >"$folder/debootstrap.log" 2>&1 || { tail -n 3 "$folder/debootstrap.log" >&2; exit 1; }
    cp "$BUNDLE" "$folder/base$BUNDLE"  # whom this machine trusts, so that pip inside can verify whom it talks to
    rm -rf "$folder/base/var/cache/apt" "$folder/base/var/lib/apt/lists"
    rm -rf "$folder/base/usr/share/doc" "$folder/base/usr/share/locale" "$folder/base/usr/share/man" "$folder/base/usr/share/info"
    tar -C "$folder/base" -cf "$folder/base.tar.draft" .
    mv "$folder/base.tar.draft" "$folder/base.tar"
    rm -rf "$folder/base"
  fi
  if [ ! -x "$folder/toxiproxy-server" ]; then
    CGO_ENABLED=0 GOBIN="$folder" go install "$MODULE"
    mv "$folder/server" "$folder/toxiproxy-server"
  fi
}

answers() { docker info >/dev/null 2>&1; }

start() {
  if ! answers; then
    setsid dockerd --host unix:///var/run/docker.sock --pidfile "$folder/dockerd.pid" >"$folder/dockerd.log" 2>&1 &
    waited=0
    until answers; do
      waited=$((waited + 1))
      if [ $waited -gt $COMES_UP ] || { [ $waited -gt 3 ] && [ ! -e "$folder/dockerd.pid" ]; }; then
        echo "scripts/engine.sh: no Docker engine: $(tail -n 1 "$folder/dockerd.log")" >&2
        exit 1
      fi
      sleep 1
    done
  fi
  if ! docker image inspect "$BASE" >/dev/null 2>&1; then
    docker import --change "ENV SSL_CERT_FILE=$BUNDLE PIP_CERT=$BUNDLE" "$folder/base.tar" "$BASE" >/dev/null
  fi
  if ! docker image inspect "$TOXIPROXY" >/dev/null 2>&1; then
    cp docker/toxiproxy/Dockerfile "$folder/"
    tar -C "$folder" -c Dockerfile toxiproxy-server | DOCKER_BUILDKIT=0 docker build --quiet --tag "$TOXIPROXY" - >/dev/null
  fi
  program=$(command -v prometheus || true)
  if [ -n "$program" ] && ! docker image inspect "$PROMETHEUS" >/dev/null 2>&1; then
    cp docker/prometheus/Dockerfile "$folder/"
    cp "$program" "$folder/prometheus"
    tar -C "$folder" -c Dockerfile prometheus \
      | DOCKER_BUILDKIT=0 docker build --quiet --build-arg "BASE=$BASE" --tag "$PROMETHEUS" - >/dev/null
    rm "$folder/prometheus"
  fi
}

stop() {
  [ -e "$folder/dockerd.pid" ] || return 0
  pid=$(cat "$folder/dockerd.pid")
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
}

case $1 in
  images | start | stop) "$1" ;;
  *) usage ;;
esac
