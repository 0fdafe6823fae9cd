#!/usr/bin/env bash
# What a GET over HTTP costs ketch, beside nginx's memcached module: processor time of each a request, in one run, on
# one core, over one memcached server, with wrk on keep-alive connections.
#
# usage: benches/http_beside_nginx.sh [SECONDS [CONNECTIONS]]     (apt-get install wrk nginx-light memcached curl)
set -euo pipefail

seconds=${1:-5}
connections=${2:-50}
rounds=3
core=$(($(nproc) - 1)) # both are measured on this one; wrk and memcached have the others
PATH="$PATH:/usr/sbin"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for program in wrk nginx memcached curl python3; do
  command -v "$program" >/dev/null || { echo "$program is missing: apt-get install wrk nginx-light memcached curl" >&2; exit 1; }
done
[ -x target/release/ketch ] || cargo build --release --locked

folder=$(mktemp -d)
pids=()
cleanup() {
  kill "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT

read -r cache proxy front text < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(4)]
for one in sockets: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))')

memcached -u nobody -l 127.0.0.1 -U 0 -t 1 -p "$cache" & pids+=($!)

cat >"$folder/nginx.conf" <<TEXT
daemon off; worker_processes 1; pid $folder/nginx.pid; error_log $folder/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000; default_type application/octet-stream;
  client_body_temp_path $folder/body; proxy_temp_path $folder/proxy; fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi; scgi_temp_path $folder/scgi;
  upstream cache { server 127.0.0.1:$cache; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:$proxy;
    location ~ ^/v1/keys/(.*)$ { set \$memcached_key \$1; memcached_pass cache; }
  }
}
TEXT
taskset -c "$core" nginx -p "$folder" -c "$folder/nginx.conf" & pids+=($!)
nginx=$!

cat >"$folder/ketch.yaml" <<TEXT
workers: 1
listeners: { memcached: ["127.0.0.1:$text"], http: ["127.0.0.1:$front"] }
pools: { main: { protocol: memcached, nodes: ["127.0.0.1:$cache"] } }
routes: [{ pool: main }]
TEXT
taskset -c "$core" target/release/ketch --config "$folder/ketch.yaml" 2>"$folder/ketch.log" & pids+=($!)
ketch=$!

value=$(printf 'v%.0s' {1..100})
curl --silent --fail --retry 20 --retry-connrefused --retry-delay 1 -X PUT -d "$value" "http://127.0.0.1:$front/v1/keys/k"
for port in "$front" "$proxy"; do
  [ "$(curl --silent --fail "http://127.0.0.1:$port/v1/keys/k")" = "$value" ] || { echo "port $port does not answer" >&2; exit 1; }
done

# Milliseconds of processor time that a process has used, user and system.
used() { awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000 / tick }' "/proc/$1/stat"; }

# Requests served, and processor time of the process in microseconds a request.
measure() {
  local port=$1 pid=$2 before after served
  before=$(used "$pid")
  served=$(wrk -t1 -c"$connections" -d"${seconds}s" "http://127.0.0.1:$port/v1/keys/k" |
    awk '/requests in/ { print $1 } /Non-2xx|Socket errors/ { print "failed:", $0 > "/dev/stderr" }')
  after=$(used "$pid")
  awk -v s="$served" -v ms="$(awk -v a="$after" -v b="$before" 'BEGIN { print a - b }')" \
    'BEGIN { printf "%d %.2f\n", s, ms * 1000 / s }'
}

worker=$(pgrep -P "$nginx")
best_nginx=1000000 best_ketch=1000000
printf '%-6s %10s %16s %22s\n' "" requests "µs a request" "requests a cpu second"
for _ in $(seq "$rounds"); do
  for name in nginx ketch; do
    case $name in
      nginx) read -r served cost < <(measure "$proxy" "$worker") ;;
      ketch) read -r served cost < <(measure "$front" "$ketch") ;;
    esac
    printf '%-6s %10d %16s %22.0f\n' "$name" "$served" "$cost" "$(awk -v c="$cost" 'BEGIN { print 1000000 / c }')"
    best="best_$name"
    printf -v "$best" '%s' "$(awk -v a="${!best}" -v b="$cost" 'BEGIN { print a < b ? a : b }')"
  done
done
awk -v k="$best_ketch" -v n="$best_nginx" 'BEGIN { printf "ketch / nginx, best of each: %.2f of its processor time a request\n", k / n }'
