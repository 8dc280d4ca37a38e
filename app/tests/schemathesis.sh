#!/usr/bin/env bash
# Holds a running service against its own description with Schemathesis, as nobody and as a user, for about a minute.
#   app/tests/schemathesis.sh [the program, target/debug/orders unless given]
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
program=$(realpath "${1:-${CARGO_TARGET_DIR:-$root/target}/debug/orders}")
venv=${SCHEMATHESIS_VENV:-$root/target/schemathesis}

python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "python3 -m venv does not work: install python3-venv" >&2; exit 1; }
if ! "$venv/bin/st" --version >/dev/null 2>&1; then
  python3 -m venv "$venv"
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5; then
    # Only where the index can not be reached at all is there nothing to do.
    if "$venv/bin/python" -c 'import urllib.request; urllib.request.urlopen("https://pypi.org/simple/pip/", timeout=20)' 2>/dev/null; then
      exit 1
    fi
    echo "PyPI can not be reached: the interface was NOT held against its description"
    exit 0
  fi
fi

scratch=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$scratch"
# The limits are for others than us, who guess passwords all the time.
env APP_PROFILE=testing APP_OPENAPI__SERVE=true PORT="$port" APP_MANAGEMENT__PORT=0 \
  DATABASE_URL="sqlite://$scratch/orders.db" APP_ACCOUNTS__ADDRESS_FAILURES=0 \
  "$program" >service.log 2>&1 &
service=$!
trap 'kill -KILL "$service" 2>/dev/null || true; rm -rf "$scratch"' EXIT
url=http://127.0.0.1:$port
for _ in $(seq 1 240); do
  curl -fs "$url/health/ready" >/dev/null 2>&1 && break
  kill -0 "$service" 2>/dev/null || { cat service.log; exit 1; }
  sleep 0.25
done

hold() { # NAME PHASES ARGUMENTS: one run
  local name=$1 phases=$2
  shift 2
  printf '\n-- %s\n' "$name"
  "$venv/bin/st" --config-file "$root/app/tests/schemathesis.toml" run "$url/openapi.json" \
    --checks all --phases "$phases" --max-examples "${SCHEMATHESIS_EXAMPLES:-10}" --seed 1 \
    --request-timeout 20 --suppress-health-check all "$@"
}

# The events of an order end with it, which takes no longer here than its job.
hold "as nobody" coverage,fuzzing || failed=yes
account='{"email":"held.against@example.org","password":"correct horse battery"}'
post() { curl -fsS -H 'content-type: application/json' -d "$account" "$url/api/accounts/$1"; }
post register >/dev/null
token=$(post login | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
# What signs in or out, or ends the session that the run lives by, is for nobody alone.
hold "as a user" examples,fuzzing,stateful -H "Authorization: Bearer $token" \
  --exclude-path-regex '^/api/accounts/(login|logout|register|refresh)$|^/accounts/' || failed=yes

kill -TERM "$service"
wait "$service" || { code=$?; tail -20 service.log; echo "the service ended with $code" >&2; exit 1; }
[ "${failed:-no}" = no ]
