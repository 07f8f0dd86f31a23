#!/bin/sh
# Checks the ledger without this project's code: openssl (1.1.1 or newer), base64, sed, awk and their like are enough.
#
#   verify-checkpoint.sh checkpoint NOTE KEYS           a signed checkpoint: a sealed .note, a saved head, a published checkpoint
#   verify-checkpoint.sh leaf SEGMENT LINE [EXPECTED]   the leaf hash of a line, counted from 1, in base64
#   verify-checkpoint.sh proof PROOF KEYS [RECORD]      a .tlog-proof, for the record in it or the one in the file RECORD
#
# KEYS is a file of verifier keys, one to a line, such as log.vkey: have it from somewhere else than the log.
# Exit status: 0 good, 1 bad, 2 could not be checked.
set -eu
LC_ALL=C
export LC_ALL

stop() { echo "$2" >&2; exit "$1"; }
for tool in sed awk head tail od tr base64 openssl; do
    command -v "$tool" >/dev/null || stop 2 "$tool is not installed"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

hash64() { openssl dgst -sha256 -binary | base64; }

# A file's bytes as a leaf: a zero byte, and the line without its newline.
leaf_of() { { printf '\000'; tr -d '\n' <"$1"; } | hash64; }

# Two hashes in base64 to the one of the node above them.
node_of() { { printf '\001'; echo "$1" | base64 -d; echo "$2" | base64 -d; } | hash64; }

# The note in $1 is signed with a key in $2. Sets origin, size and root.
check_note() {
    sed '/^$/,$d' "$1" >"$work/body"
    [ "$(awk 'END { print NR }' "$work/body")" = 3 ] || stop 1 "BAD: a checkpoint has three lines"
    origin=$(sed -n 1p "$work/body")
    size=$(sed -n 2p "$work/body")
    root=$(sed -n 3p "$work/body")
    case $size in '' | *[!0-9]* | 0?*) stop 1 "BAD: the size is not a number" ;; esac
    signed=
    while IFS=+ read -r name id blob; do
        case $name in '' | '#'*) continue ;; esac
        [ "$name" = "$origin" ] || continue
        # A public key in PEM is this prefix and the key's 32 bytes.
        { echo '-----BEGIN PUBLIC KEY-----'
          printf 'MCowBQYDK2VwAyEA'; echo "$blob" | base64 -d | tail -c 32 | base64
          echo '-----END PUBLIC KEY-----'; } >"$work/key.pem"
        awk -v name="$name" 'seen && $1 == "\342\200\224" && $2 == name { print $3 } /^$/ { seen = 1 }' "$1" >"$work/signatures"
        while read -r signature; do
            echo "$signature" | base64 -d >"$work/whole" 2>/dev/null || continue
            [ "$(base64 <"$work/whole" | tr -d '\n')" = "$signature" ] || stop 1 "BAD: a signature in an unusual spelling"
            [ "$(head -c 4 "$work/whole" | od -An -tx1 | tr -d ' \n')" = "$id" ] || continue
            tail -c +5 "$work/whole" >"$work/signature"
            openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$work/body" -sigfile "$work/signature" \
                >/dev/null 2>&1 || stop 1 "BAD: the signature of $name is not good"
            signed=$name
        done <"$work/signatures"
    done <"$2"
    [ -n "$signed" ] || stop 1 "BAD: no key of $2 has signed this checkpoint"
}

# RFC 9162, section 2.1.3.2: from the leaf in $1 at index $2 up to the root, beside the hashes on standard input.
climb() {
    total=$1 node=$2 last=$((size - 1))
    while read -r beside; do
        [ "$last" -gt 0 ] || stop 1 "BAD: the proof is too long"
        if [ $((node % 2)) = 1 ] || [ "$node" = "$last" ]; then
            total=$(node_of "$beside" "$total")
            while [ $((node % 2)) = 0 ] && [ "$node" -gt 0 ]; do
                node=$((node / 2)) last=$((last / 2))
            done
        else
            total=$(node_of "$total" "$beside")
        fi
        node=$((node / 2)) last=$((last / 2))
    done
    [ "$last" = 0 ] || stop 1 "BAD: the proof is too short"
    echo "$total"
}

case ${1-} in
checkpoint)
    [ $# = 3 ] && [ -r "$2" ] && [ -r "$3" ] || stop 2 "give a note and a file of keys"
    check_note "$2" "$3"
    echo "GOOD: $origin has signed a tree of $size leaves with the root $root"
    ;;
leaf)
    [ $# -ge 3 ] && [ -r "$2" ] || stop 2 "give a segment and the number of a line"
    sed -n "$3p" "$2" >"$work/line"
    [ -s "$work/line" ] || stop 2 "there is no line $3"
    leaf=$(leaf_of "$work/line")
    echo "$leaf"
    [ $# -lt 4 ] || [ "$leaf" = "$4" ] || stop 1 "BAD: not the leaf hash that was expected"
    ;;
proof)
    [ $# -ge 3 ] && [ -r "$2" ] && [ -r "$3" ] || stop 2 "give a proof and a file of keys"
    [ "$(sed -n 1p "$2")" = 'c2sp.org/tlog-proof@v1' ] || stop 2 "not a tlog-proof"
    sed '1,/^$/d' "$2" >"$work/note"
    check_note "$work/note" "$3"
    sed '/^$/,$d' "$2" >"$work/top"
    index=$(awk '$1 == "index" { print $2; exit }' "$work/top")
    case $index in '' | *[!0-9]* | 0?*) stop 1 "BAD: the proof has no index" ;; esac
    [ "$index" -lt "$size" ] || stop 1 "BAD: the index is beyond the tree"
    if [ $# -ge 4 ]; then
        sed -n 1p "$4" >"$work/record"
    else
        awk 'NR == 2 && $1 == "extra" { print $2 }' "$work/top" | base64 -d >"$work/record"
    fi
    [ -s "$work/record" ] || stop 2 "the proof holds no record: give it as a file"
    leaf=$(leaf_of "$work/record")
    awk 'seen { print } $1 == "index" { seen = 1 }' "$work/top" >"$work/path"
    found=$(climb "$leaf" "$index" <"$work/path") || exit 1
    [ "$found" = "$root" ] || stop 1 "BAD: the record is not the one at index $index of the signed tree"
    echo "GOOD: this record stands at index $index of $origin, in the signed tree of $size leaves:"
    awk 1 "$work/record"
    ;;
*)
    sed -n 's/^#   //p' "$0"
    exit 2
    ;;
esac
