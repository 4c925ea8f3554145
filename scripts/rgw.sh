#!/bin/bash
# A real S3 server for development and tests: Ceph's RADOS Gateway with one
# monitor and one storage daemon, on 127.0.0.1, for throwing away.
#
#   rgw.sh up              start (or find it running); prints S3_*=VALUE lines
#   rgw.sh down [--wipe]   stop; --wipe also removes S3_DIR
#   rgw.sh check           would up find its ports free?
#
# Settings (environment); two can run side by side with other S3_DIR, S3_PORT:
#   S3_DIR          var/s3 below the checkout
#   S3_PORT         7480            http
#   S3_TLS_PORT     S3_PORT + 1     https://localhost, certificate of tls/ca.crt
#   S3_MON_PORT     S3_PORT + 2     Ceph's own, S3_PORT + 3 to + 22 likewise
#   S3_STORE        memstore        forgets all when stopped; bluestore keeps it
#   S3_STORE_GB     16              a full store hangs
#   S3_ACCESS_KEY, S3_SECRET_KEY, S3_BUCKET

set -euo pipefail

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${S3_DIR:-$(dirname "$scripts")/var/s3}
port=${S3_PORT:-7480}
tls_port=${S3_TLS_PORT:-$((port + 1))}
mon_port=${S3_MON_PORT:-$((port + 2))}
store=${S3_STORE:-memstore}
access_key=${S3_ACCESS_KEY:-DEVELOPMENTKEY000001}
secret_key=${S3_SECRET_KEY:-development/Secret+Key/0000000000000000}
bucket=${S3_BUCKET:-media}

conf=$dir/ceph.conf
marker=$dir/.throw-away
unset CEPH_CONF CEPH_ARGS

# Debian's ceph is a Python program: not the python3 that may be first in PATH.
ceph() {
    /usr/bin/python3 /usr/bin/ceph -c "$conf" --connect-timeout 15 "$@"
}

die() {
    echo "rgw: $*" >&2
    tail -qn 5 "$dir"/log/*.out >&2 2> /dev/null || :
    exit 1
}

# Is the process of NAME.pid still the daemon that we started?
alive() {
    local pid

    pid=$(cat "$dir/run/$1.pid" 2> /dev/null) || return 1
    { tr '\0' ' ' < "/proc/$pid/cmdline"; } 2> /dev/null |
        grep -qF -- "-c $conf "
}

start() {
    local name=$1

    shift
    setsid "$@" < /dev/null >> "$dir/log/$name.out" 2>&1 9>&- &
    echo $! > "$dir/run/$name.pid"
}

# TERM, and after 15 s KILL.
stop() {
    local name=$1 i

    for ((i = 0; i < 150; i++)); do
        alive "$name" || break
        [ $i -gt 0 ] || kill -TERM "$(cat "$dir/run/$name.pid")"
        sleep 0.1
    done

    if alive "$name"; then
        kill -KILL "$(cat "$dir/run/$name.pid")"
    fi

    rm -f "$dir/run/$name.pid"
}

# wait_for NAME COMMAND...: until COMMAND succeeds, at most 30 s; fails at once
# when the daemon NAME has died.
wait_for() {
    local name=$1 i

    shift
    for ((i = 0; i < 300; i++)); do
        if "$@" > "$dir/log/wait.out" 2>&1; then return; fi
        alive "$name" || die "$name died"
        sleep 0.1
    done

    die "$name does not get ready"
}

port_is_free() {
    ! (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null
}


is_running() {
    alive mon && alive osd && alive rgw
}

check() {
    if is_running; then return; fi

    if [ -e "$dir" ] && [ ! -e "$marker" ] && [ -n "$(ls -A "$dir")" ]; then
        echo "rgw: $dir is not empty and not mine" >&2
        exit 1
    fi

    for p in "$port" "$tls_port" "$mon_port"; do
        port_is_free "$p" || {
            echo "rgw: port $p is taken (set S3_PORT)" >&2
            exit 1
        }
    done
}

prepare() {
    check

    # What a memstore held is gone, but the monitor does not know it and
    # requests would hang.  A first start that was cut short can't go on.
    if [ "$store" = memstore ] || [ ! -e "$dir/.complete" ]; then wipe; fi

    mkdir -p "$dir"/{run,log,mon,osd,tls}
    touch "$marker"

    [ -s "$dir/fsid" ] || cat /proc/sys/kernel/random/uuid > "$dir/fsid"

    "$scripts/render.sh" "$scripts/ceph.conf.in" \
        DIR="$dir" FSID="$(cat "$dir/fsid")" STORE="$store" \
        STORE_BYTES="$((${S3_STORE_GB:-16} << 30))" \
        PORT="$port" TLS_PORT="$tls_port" MON_PORT="$mon_port" \
        OSD_PORT_MIN="$((port + 3))" OSD_PORT_MAX="$((port + 22))" \
        > "$conf"
}

make_certificate() {
    [ ! -s "$dir/tls/server.crt" ] || return 0

    local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    local names="DNS:localhost,DNS:*.localhost,IP:127.0.0.1"

    (
        cd "$dir/tls"
        openssl req -x509 "${key[@]}" -days 3650 -subj "/CN=ngx_content test CA" \
            -keyout ca.key -out ca.crt
        openssl req "${key[@]}" -subj /CN=localhost -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
            -days 3650 -extfile <(echo "subjectAltName=$names") -out server.crt
    ) > "$dir/log/tls.out" 2>&1 || die "no certificate"
}

start_monitor() {
    local how=(--mkfs --monmap)

    # The port may be another one than last time.
    if [ -d "$dir/mon/store.db" ]; then how=(--inject-monmap); fi

    # With addresses in ceph.conf instead of a monmap the monitor takes its
    # default ports and looks for itself for ever.
    {
        monmaptool --create --clobber --fsid "$(cat "$dir/fsid")" \
            --addv a "[v1:127.0.0.1:$mon_port]" "$dir/monmap" &&
        ceph-mon -c "$conf" -i a -f "${how[@]}" "$dir/monmap"
    } > "$dir/log/mon.out" 2>&1 || die "monitor: no map"

    start mon ceph-mon -c "$conf" -i a -f
    wait_for mon ceph quorum_status
}

osd_is_up() {
    ceph osd stat -f json | grep -q '"num_up_osds":1'
}

start_storage() {
    if [ ! -s "$dir/osd/whoami" ]; then
        local uuid
        uuid=$(cat /proc/sys/kernel/random/uuid)

        # On a busy machine the monitor may refuse the first with EPERM.
        wait_for mon ceph osd new "$uuid" 0
        ceph-osd -c "$conf" -i 0 -f --mkfs --osd-uuid "$uuid" \
            > "$dir/log/osd.out" 2>&1 || die "storage: mkfs"
        wait_for mon ceph osd crush add osd.0 1.0 root=default host=localhost
    fi

    start osd ceph-osd -c "$conf" -i 0 -f
    wait_for osd osd_is_up
}

gateway_answers() {
    curl -s -o /dev/null --noproxy '*' -m 2 "http://127.0.0.1:$port/"
}

start_gateway() {
    if [ ! -e "$dir/.user" ]; then
        radosgw-admin -c "$conf" --no-mon-config user create \
            --uid=content --display-name=content \
            --access-key="$access_key" --secret-key="$secret_key" \
            > "$dir/log/user.out" 2>&1 || die "no user"
        touch "$dir/.user"
    fi

    start rgw radosgw -c "$conf" -n client.rgw -f
    wait_for rgw gateway_answers

    local code
    code=$(curl -s -o /dev/null -w '%{http_code}' --noproxy '*' -m 60 \
        -X PUT --aws-sigv4 aws:amz:us-east-1:s3 \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
        -u "$access_key:$secret_key" "http://127.0.0.1:$port/$bucket") || :
    [ "$code" = 200 ] || die "no bucket: HTTP $code"
}


up() {
    if ! is_running; then
        down
        prepare
        # Half a server is of no use to anybody.
        trap 'down' EXIT
        trap 'exit 1' HUP INT TERM
        make_certificate
        start_monitor
        start_storage
        start_gateway
        touch "$dir/.complete"
        trap - EXIT HUP INT TERM
    fi

    cat << END
S3_ENDPOINT=http://127.0.0.1:$port
S3_TLS_ENDPOINT=https://localhost:$tls_port
S3_CA_FILE=$dir/tls/ca.crt
S3_ACCESS_KEY=$access_key
S3_SECRET_KEY=$secret_key
S3_BUCKET=$bucket
S3_REGION=us-east-1
END
}

down() {
    local name

    for name in rgw osd mon; do
        stop $name
    done
}

wipe() {
    if [ -e "$marker" ]; then rm -rf -- "$dir"; fi
}


case ${1:-} in
    up)     up ;;
    down)   down
            if [ "${2:-}" = --wipe ]; then wipe; fi ;;
    check)  check ;;
    *)      sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
            exit 2 ;;
esac
