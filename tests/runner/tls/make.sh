#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the certificates of this folder: an authority (ca.pem) and three servers that it signed, each
# with its key: for 127.0.0.1, for another host, and one that ran out in 2020. They protect nothing.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" \
    -out ca.pem -days 36500 -subj "/CN=assay test authority"
mkdir "$work/certs" && : >"$work/index.txt" && echo 01 >"$work/serial"
cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = it
[it]
database = $work/index.txt
serial = $work/serial
new_certs_dir = $work/certs
default_md = sha256
policy = any
[any]
commonName = supplied
CNF
make() { # NAME ALTERNATIVE_NAME START END
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1.key" \
        -out "$work/$1.csr" -subj "/CN=$1"
    echo "subjectAltName=$2" >"$work/ext"
    openssl ca -batch -config "$work/ca.cnf" -in "$work/$1.csr" -out "$work/$1.crt" -notext \
        -cert ca.pem -keyfile "$work/ca.key" -startdate "$3" -enddate "$4" -extfile "$work/ext"
    cat "$work/$1.key" "$work/$1.crt" >"$1.pem"
}
make good IP:127.0.0.1 20200101000000Z 21200101000000Z
make wrong DNS:other.example 20200101000000Z 21200101000000Z
make expired IP:127.0.0.1 20200101000000Z 20200201000000Z
