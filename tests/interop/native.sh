#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tries the foreign client against our ipc library on this machine, over a Unix socket and TCP.
#
# usage: tests/interop/native.sh BUILD_DIRECTORY     (with the target interop-server built)
set -eu
[ $# -eq 1 ] || { echo "usage: $0 BUILD_DIRECTORY" >&2; exit 2; }
build=$(cd "$1" && pwd)
directory=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$directory"' EXIT INT TERM

client=$("$(dirname "$0")/build.sh" "$build/interop")
mkfifo "$directory/port"
"$build/tests/interop/interop-server" "$directory/agent.sock" > "$directory/port" &
server=$!
read -r port < "$directory/port"
for endpoint in "$directory/agent.sock" "127.0.0.1:$port"; do
  "$client" "$endpoint" hello "a payload"
done
