#!/usr/bin/env bash
# A Docker with buildx and compose of the tests' own, for a Debian 12 machine that has none and reaches no image registry.
#   engine.sh up      install what is missing, start dockerd, make debian:bookworm-slim
#   engine.sh env     DOCKER_HOST, DOCKER_CONFIG and PATH, as lines for eval
#   engine.sh down    stop the dockerd that `up` started
# The toolchain is unpacked from Debian 13's signed packages, so nothing of the machine's own is replaced. All state is
# below HEARTH_ENGINE, the bridge is its own, and a second `up` does nothing.
set -euo pipefail

ENGINE=${HEARTH_ENGINE:-/var/lib/hearth-engine}
BRIDGE=${HEARTH_ENGINE_BRIDGE:-hearth0}
SUBNET=${HEARTH_ENGINE_SUBNET:-172.31.248}
SUITE=bookworm TOOLS_SUITE=trixie BASE=debian:bookworm-slim
TOOLS=$ENGINE/toolchain RUN=$ENGINE/run CONFIG=$ENGINE/config
SOCKET=$RUN/docker.sock PID_FILE=$RUN/dockerd.pid LOG=$RUN/dockerd.log
AUTHORITIES=/etc/ssl/certs/ca-certificates.crt
export DOCKER_HOST=unix://$SOCKET DOCKER_CONFIG=$CONFIG
export PATH=$TOOLS/usr/bin:$TOOLS/usr/sbin:/usr/local/sbin:/usr/sbin:/sbin:$PATH

say() { printf 'engine %4ss %s\n' "$SECONDS" "$*" >&2; }
fail() { say "cannot: $*"; exit 1; }
alive() { [ -s "$PID_FILE" ] && kill -0 "$(cat "$PID_FILE")" 2>/dev/null; }
answers() { docker version >/dev/null 2>&1; }

# The mirror that apt is set up with; whatever stands in for it on this machine serves both suites.
mirror() { apt-get indextargets --format '$(REPO_URI)' | grep -m1 -E '/debian/?$'; }

host_packages() { # runc must fit this machine's libc, so it is not taken from the newer suite
    local missing=() command package
    while read -r command package; do
        command -v "$command" >/dev/null || missing+=("$package")
    done <<<'debootstrap debootstrap
runc runc
iptables iptables
git git
ip iproute2
tini tini'
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1
}

toolchain() {
    [ -e "$TOOLS/.complete" ] && return
    local apt=$ENGINE/apt deb
    mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial "$apt"/debs "$TOOLS" "$CONFIG/cli-plugins"
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$(mirror)" "$TOOLS_SUITE" >"$apt/sources.list"
    cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
Dir::State::status "/dev/null";
APT::Sandbox::User "root";
CONF
    say "fetching docker, buildx and compose from Debian $TOOLS_SUITE"
    APT_CONFIG=$apt/apt.conf apt-get update -qq
    (cd "$apt/debs" && APT_CONFIG=$apt/apt.conf apt-get download -qq docker.io docker-cli containerd docker-buildx docker-compose)
    for deb in "$apt"/debs/*.deb; do dpkg-deb -x "$deb" "$TOOLS"; done
    ln -sf "$TOOLS"/usr/libexec/docker/cli-plugins/* "$CONFIG/cli-plugins/"
    ln -sf "$(command -v tini-static || command -v tini)" "$TOOLS/usr/bin/docker-init" # Debian leaves docker-init to tini
    rm -rf "$apt"
    touch "$TOOLS/.complete"
}

start_dockerd() {
    alive && answers && return
    mkdir -p "$RUN" "$ENGINE/data"
    rm -f "$PID_FILE" "$SOCKET"
    if ! mountpoint -q /sys/fs/cgroup; then
        mkdir -p /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup || fail 'no cgroups: mount /sys/fs/cgroup first'
    fi
    # User networks do not follow --mtu; a link below 1500 would swallow large packets in them.
    local device mtu nofile
    device=$(ip -o route show default | awk '{for (i = 1; i < NF; i++) if ($i == "dev") {print $(i + 1); exit}}')
    mtu=$(cat "/sys/class/net/${device:-lo}/mtu")
    if [ "$mtu" -gt 1500 ]; then mtu=1500; fi
    if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
        ip link add "$BRIDGE" type bridge && ip addr add "$SUBNET.1/24" dev "$BRIDGE"
    fi
    ip link set "$BRIDGE" mtu "$mtu" up
    # More open files than this machine's hard limit make runc fail.
    nofile=$(ulimit -Hn)
    if [ "$nofile" = unlimited ]; then nofile=65536; fi
    # Its own session and closed streams: else whoever called this waits on their ends for ever.
    setsid nohup dockerd --host "$DOCKER_HOST" --data-root "$ENGINE/data" --exec-root "$RUN/exec" --pidfile "$PID_FILE" \
        --bridge "$BRIDGE" --mtu "$mtu" --default-network-opt "bridge=com.docker.network.driver.mtu=$mtu" \
        --default-address-pool "base=${SUBNET%.*}.224.0/20,size=26" --default-ulimit "nofile=$nofile:$nofile" \
        --log-level warn >"$LOG" 2>&1 </dev/null &
    for _ in $(seq 300); do answers && break; sleep 0.1; done
    answers || { tail -n 20 "$LOG" >&2; fail 'dockerd did not come up'; }
    say "dockerd $(docker version -f '{{.Server.Version}}') is up"
}

base_image() {
    docker image inspect "$BASE" >/dev/null 2>&1 && return
    local tar=$ENGINE/base.tar root
    if [ ! -s "$tar" ]; then
        root=$(mktemp -d "$ENGINE/base.XXXX")
        say "making $BASE with debootstrap"
        debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$root/fs" "$(mirror)" >"$root/log" 2>&1 ||
            { tail -n 5 "$root/log" >&2; fail 'debootstrap failed'; }
        slim "$root/fs"
        trust "$root"
        tar -C "$root/fs" --numeric-owner --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf "$tar.part" .
        mv "$tar.part" "$tar"
        rm -rf "$root"
    fi
    # pip, requests and Node bring lists of authorities of their own; they are pointed at the system's.
    docker import -c 'CMD ["/bin/bash"]' \
        -c "ENV SSL_CERT_FILE=$AUTHORITIES PIP_CERT=$AUTHORITIES REQUESTS_CA_BUNDLE=$AUTHORITIES NODE_EXTRA_CA_CERTS=$AUTHORITIES" \
        "$tar" "$BASE" >/dev/null
    say "imported $BASE"
}

slim() { # what the official slim image leaves out
    chroot "$1" apt-get clean
    rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/log/* "$1"/usr/share/{doc,man,info,locale,lintian}/* "$1"/var/cache/debconf/*-old
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale >"$1/etc/dpkg/dpkg.cfg.d/docker"
    printf 'APT::Install-Recommends "0";\nAPT::Install-Suggests "0";\n' >"$1/etc/apt/apt.conf.d/99slim"
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
}

trust() { # the authorities that this machine knows and Debian does not, such as a company's proxy
    local root=$1 certificate
    mkdir -p "$root/certificates" "$root/fs/usr/local/share/ca-certificates"
    awk -v d="$root/certificates" '/BEGIN CERT/ {n++} n {print > sprintf("%s/here%04d.crt", d, n)}' "$AUTHORITIES"
    awk -v d="$root/certificates" '/BEGIN CERT/ {n++} n {print > sprintf("%s/there%04d.crt", d, n)}' "$root/fs$AUTHORITIES"
    sha256sum "$root"/certificates/there*.crt | cut -d' ' -f1 | sort >"$root/known"
    for certificate in "$root"/certificates/here*.crt; do
        grep -q "$(sha256sum "$certificate" | cut -d' ' -f1)" "$root/known" ||
            cp "$certificate" "$root/fs/usr/local/share/ca-certificates/$(basename "$certificate")"
    done
    chroot "$root/fs" update-ca-certificates >/dev/null 2>&1
}

stop_dockerd() {
    if alive; then
        local pid
        pid=$(cat "$PID_FILE")
        kill "$pid"
        for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        say "dockerd $pid stopped"
    fi
    umount "$RUN/exec/netns/default" 2>/dev/null || true
    ip link del "$BRIDGE" 2>/dev/null || true
}

case ${1:-up} in
up)
    [ "$(id -u)" = 0 ] || fail 'this needs root'
    command -v apt-get >/dev/null || fail 'this needs a Debian machine'
    mkdir -p "$ENGINE"
    host_packages
    toolchain
    start_dockerd
    base_image
    ;;
env) printf 'DOCKER_HOST=%s\nDOCKER_CONFIG=%s\nPATH=%s\n' "$DOCKER_HOST" "$CONFIG" "$PATH" ;;
down) stop_dockerd ;;
*) fail "usage: $0 up|env|down" ;;
esac
