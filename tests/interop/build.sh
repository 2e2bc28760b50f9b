#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the interoperability client: Go, on containerd's own ttrpc library, messages and stubs
# generated from our .proto by containerd's own generator. Nothing of ours is in it but client.go
# and the .proto. Needs Debian's golang-go, golang-github-containerd-ttrpc-dev, protobuf-compiler;
# no network. The result is static: it runs in any guest.
#
# usage: tests/interop/build.sh OUTDIR      -> OUTDIR/tariff-interop-client
set -eu
[ $# -eq 1 ] || { echo "usage: $0 OUTDIR" >&2; exit 2; }
source=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
work=$out/work
mkdir -p "$work/gopath/src/tariff/interop" "$work/bin"

export GO111MODULE=off CGO_ENABLED=0 GOFLAGS=-trimpath
export GOPATH="$work/gopath:/usr/share/gocode"
export GOCACHE="${GOCACHE:-$work/cache}"

go build -o "$work/bin/protoc-gen-gogottrpc" github.com/containerd/ttrpc/cmd/protoc-gen-gogottrpc
protoc --plugin=protoc-gen-gogottrpc="$work/bin/protoc-gen-gogottrpc" \
  --gogottrpc_out=plugins=ttrpc:"$work/gopath/src" -I "$source" ipc/proto/agent.proto
cp "$source/tests/interop/client.go" "$work/gopath/src/tariff/interop/main.go"
go build -o "$out/tariff-interop-client" tariff/interop
echo "$out/tariff-interop-client"
