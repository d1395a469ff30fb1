# Shared by the scripts of this folder's parent; sourced with the repository as working directory.

KAFKA_VERSION=3.9.1

say() { echo "${0##*/}: $*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

quietly() { # quietly WHAT COMMAND...: its output is shown only when it fails
    local what=$1 log status=0
    shift
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ "$status" -eq 0 ] || { tail -n 30 "$log" >&2; say "$what failed"; }
    rm -f "$log"
    return "$status"
}

usage() { # usage FILE: the comment at its head
    awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$1" >&2
}

pg_bin() { # the folder of the newest PostgreSQL's programs; Debian keeps them off PATH
    local dir newest=
    for dir in /usr/lib/postgresql/*/bin; do
        [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && newest=$dir
    done
    if [ -z "$newest" ] && has initdb && has postgres; then
        newest=$(dirname "$(command -v initdb)")
    fi
    [ -n "$newest" ] || { say 'PostgreSQL is missing: scripts/setup postgres'; return 1; }
    echo "$newest"
}

bolt_bin() { # the folder of the newest BOLT's programs; Debian keeps some of them off PATH
    local dir newest=
    for dir in $(printf '%s\n' /usr/lib/llvm-*/bin | sort -V); do
        [ -x "$dir/llvm-bolt" ] && [ -x "$dir/merge-fdata" ] && newest=$dir
    done
    if [ -z "$newest" ] && has llvm-bolt && has merge-fdata; then
        newest=$(dirname "$(command -v llvm-bolt)")
    fi
    [ -n "$newest" ] || { say 'BOLT is missing: scripts/setup layout'; return 1; }
    echo "$newest"
}

kafka_is_current() { [ "$(cat .tools/kafka/version 2>/dev/null)" = "$KAFKA_VERSION" ]; }
