#!/bin/bash
# What `make run` does: build the module, start Redis, nginx and, for STORE=s3,
# an S3 server; say how to try it; wait; on Ctrl-C (or TERM, HUP, or when one
# of them dies) stop what was started and nothing else.  Data stays in VAR.
#
# NODES nginx share the storage and Redis: the first on PORT, the others above.
#
# Settings (environment):
#   STORE     file     where objects live: file or s3
#   PORT      8080     nginx, on 127.0.0.1
#   NODES     1        how many nginx, 1 to 9
#   S3_PORT   7480     STORE=s3: the S3 server, which takes 22 more above it
#   VAR       var      data, logs, run.env (URL=, TOKEN=)
#   CLOUDFLARE_ZONE_ID, CLOUDFLARE_API_TOKEN    both set: purge that zone
#   CLOUDFLARE_BASE_URL                         instead of Cloudflare's API
#
# shellcheck disable=SC2317  # clean_up is called by a trap
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
umask 022
PATH=$PATH:/usr/sbin:/sbin

STORE=${STORE:-file}
PORT=${PORT:-8080}
NODES=${NODES:-1}
S3_PORT=${S3_PORT:-7480}
VAR=$(realpath -m "${VAR:-var}")
s3_settings=(S3_DIR="$VAR/s3" S3_PORT="$S3_PORT" S3_STORE=bluestore)

nginx_pids=()
redis_pid=
step_pid=
s3_started=

die() {
    echo "run: $*" >&2
    exit 1
}


# --- stopping ------------------------------------------------------------

# stop SIGNAL PID: asks the leader of a process group with SIGNAL, after 3 s
# with TERM, and ends the whole group after 8 s.
stop() {
    local pid=$2 i

    kill "-$1" -- "$pid" 2> /dev/null || return 0

    for ((i = 0; i < 80; i++)); do
        kill -0 -- "$pid" 2> /dev/null || return 0
        if ((i == 30)); then kill -TERM -- "$pid" 2> /dev/null; fi
        sleep 0.1
    done

    kill -KILL -- "-${pid#-}" 2> /dev/null
}

clean_up() {
    trap '' HUP INT TERM
    set +e

    [ -z "$step_pid" ] || stop TERM "-$step_pid"
    local pid
    for pid in "${nginx_pids[@]}"; do stop QUIT "$pid"; done
    [ -z "$redis_pid" ] || stop TERM "$redis_pid"
    [ -z "$s3_started" ] || env "${s3_settings[@]}" scripts/rgw.sh down
    rm -f "$VAR/run.env" "$socket"
}


# --- starting ------------------------------------------------------------

# A long step runs in the background, so that a signal is heard meanwhile.
step() {
    local status=0

    setsid "$@" 9>&- &
    step_pid=$!
    wait "$step_pid" || status=$?
    step_pid=
    return $status
}

# launch COMMAND...: as a process group of its own, out of Ctrl-C's reach, that
# ends with this shell even if this shell is killed.  Leaves its pid in $!.
launch() {
    setsid setpriv --pdeathsig TERM "$@" < /dev/null 9>&- &
}

check_settings() {
    case $STORE in
        file | s3)  ;;
        *)          die "STORE is \"$STORE\": must be file or s3" ;;
    esac

    local name
    for name in PORT S3_PORT; do
        [[ ${!name} =~ ^[0-9]{1,5}$ ]] || die "$name is \"${!name}\""
    done

    [[ $NODES =~ ^[1-9]$ ]] || die "NODES is \"$NODES\": must be 1 to 9"

    [[ $VAR != *[[:space:]]* ]] || die "VAR must have no spaces: $VAR"

    local port
    for ((port = PORT; port < PORT + NODES; port++)); do
        if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
            die "port $port is taken: try PORT=$((port + 1))"
        fi
    done

    if [ "$STORE" = s3 ]; then
        env "${s3_settings[@]}" scripts/rgw.sh check || exit 1
    fi
}

# Two at once need a VAR of their own each.
lock() {
    mkdir -p "$VAR" 2> /dev/null || :
    [ -w "$VAR" ] || die "$VAR can't be written to: set VAR"

    exec 9> "$VAR/run.lock"
    flock -n 9 || die "already running with VAR=$VAR"
}

# As root the workers and Redis run as www-data, unless www-data can't get at
# VAR (a checkout in /root): then as root.  Everybody else is himself.
choose_user() {
    user=
    drop=()
    [ "$(id -u)" -eq 0 ] || return 0

    user=www-data
    drop=(--reuid="$user" --regid="$user" --clear-groups)

    if ! setpriv "${drop[@]}" test -x "$VAR"; then
        echo "run: $user can't reach $VAR: the workers run as root"
        user=root
        drop=()
    fi
}

# node_directory N: VAR for the first, else below it.
node_directory() {
    if [ "$1" = 1 ]; then echo "$VAR"; else echo "$VAR/node$1"; fi
}

make_directories() {
    mkdir -p "$VAR"/{log,tmp,redis}

    local i
    for ((i = 2; i <= NODES; i++)); do
        mkdir -p "$(node_directory "$i")"/{log,tmp}
    done

    [ "$STORE" != file ] || mkdir -p "$VAR/objects"

    local directory
    for directory in objects redis; do
        if [ -n "$user" ] && [ -d "$VAR/$directory" ] &&
            [ "$(stat -c %U "$VAR/$directory")" != "$user" ]
        then
            chown -R "$user:" "$VAR/$directory"
        fi
    done
}

# A socket's path has at most 107 bytes.
choose_socket() {
    socket=$VAR/redis/socket

    if [ ${#socket} -gt 100 ]; then
        socket=/tmp/ngx_content-redis.$$
    fi
}

# Redis starts while the module is built.
launch_redis() {
    launch "${drop[@]}" redis-server --port 0 --unixsocket "$socket" \
        --unixsocketperm 700 --dir "$VAR/redis" --save '' --appendonly no \
        --maxmemory 256mb --maxmemory-policy volatile-lfu \
        >> "$VAR/log/redis.log" 2>&1
    redis_pid=$!
}

await_redis() {
    local i
    for ((i = 0; i < 50; i++)); do
        if redis-cli -s "$socket" ping > /dev/null 2>&1; then return; fi
        sleep 0.1
    done

    tail -n 5 "$VAR/log/redis.log" >&2
    die "Redis does not answer"
}

start_s3() {
    s3_started=yes
    step env "${s3_settings[@]}" scripts/rgw.sh up > "$VAR/s3.env" ||
        die "no S3 server"

    # shellcheck source=/dev/null
    . "$VAR/s3.env"
    export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY
    export AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
}

make_token() {
    token=$(openssl rand -hex 20)
    printf 'run  sha256:%s  read,write,purge,admin  /\n' \
        "$(printf %s "$token" | sha256sum | cut -d ' ' -f 1)" > "$VAR/tokens"
}

# make_config N: of a node.
make_config() {
    local file_root='' s3 purge dir

    dir=$(node_directory "$1")
    [ "$1" = 1 ] || cp "$VAR/tokens" "$dir/tokens"

    purge=(PURGE='' PURGE_ZONE_ID='' PURGE_TOKEN='' PURGE_API='')

    if [ "$STORE" = file ]; then
        file_root=$VAR/objects
        s3=(S3_ENDPOINT='' S3_BUCKET='' S3_CREDENTIALS='')
    else
        s3=(S3_ENDPOINT="$S3_ENDPOINT" S3_BUCKET="$S3_BUCKET"
            S3_CREDENTIALS=env)
    fi

    if [ -n "${CLOUDFLARE_ZONE_ID:-}" ] && [ -n "${CLOUDFLARE_API_TOKEN:-}" ]
    then
        export CLOUDFLARE_API_TOKEN
        purge=(PURGE=cloudflare PURGE_ZONE_ID="$CLOUDFLARE_ZONE_ID"
               PURGE_TOKEN="env CLOUDFLARE_API_TOKEN"
               PURGE_API="${CLOUDFLARE_BASE_URL:-}")
    fi

    scripts/render.sh conf/run.conf.in \
        MODULE="$root/build/release/ngx_content_module.so" VAR="$dir" \
        PORT="$((PORT + $1 - 1))" NODE="node$1" STORE="$STORE" USER="$user" REDIS_SOCKET="$socket" \
        FILE_ROOT="$file_root" "${s3[@]}" "${purge[@]}" > "$dir/nginx.conf"
}

# start_nginx N
start_nginx() {
    local dir i pid

    dir=$(node_directory "$1")
    launch nginx -p "$dir" -c "$dir/nginx.conf"
    pid=$!
    nginx_pids+=("$pid")

    for ((i = 0; i < 100; i++)); do
        kill -0 "$pid" 2> /dev/null || break
        if curl -s -m 2 --noproxy '*' -o /dev/null \
            "http://127.0.0.1:$((PORT + $1 - 1))/-/status"
        then
            return
        fi
        sleep 0.1
    done

    tail -n 5 "$dir/log/error.log" >&2 || :
    die "nginx does not answer"
}

# Whoever waits for this file finds a server that answers.
write_env() {
    (umask 077; printf 'URL=%s\nTOKEN=%s\n' "$url" "$token" > "$VAR/run.env.new")
    mv "$VAR/run.env.new" "$VAR/run.env"
}


show() {
    local auth="-H 'Authorization: Bearer $token'"

    cat << END

ngx_content runs at $url (store: $STORE, data and logs: $VAR)
token: $token

  curl -i -X PUT -H 'Content-Type: text/plain' -d 'Hello, world' $auth $url/hello.txt
  curl -i $url/hello.txt
  curl -i $auth '$url/-/list?prefix=hello'
  curl -i -X DELETE $auth $url/hello.txt

END

    if [ "$NODES" -gt 1 ]; then
        cat << END
$NODES nodes, on the ports $PORT to $((PORT + NODES - 1)): what one is told, all know.

  curl -s $auth $url/-/status | jq .fleet

END
    fi

    if [ "$STORE" = s3 ]; then
        cat << END
Between PUT and DELETE the object can be read from S3 itself:

  S3_ACCESS_KEY_ID='$S3_ACCESS_KEY' S3_SECRET_ACCESS_KEY='$S3_SECRET_KEY' S3_HOSTNAME=127.0.0.1:$S3_PORT s3 -u get $S3_BUCKET/hello.txt
  AWS_ACCESS_KEY_ID='$S3_ACCESS_KEY' AWS_SECRET_ACCESS_KEY='$S3_SECRET_KEY' AWS_DEFAULT_REGION=us-east-1 /usr/bin/aws --endpoint-url $S3_ENDPOINT s3 cp s3://$S3_BUCKET/hello.txt -

END
    fi

    echo "Ctrl-C stops it."
}


check_settings
lock
choose_socket
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
rm -f "$VAR/run.env"

groups=(build run)
[ "$STORE" = file ] || groups+=(s3)
scripts/install-packages.sh "${groups[@]}"

url=http://127.0.0.1:$PORT
choose_user
make_directories
launch_redis
step scripts/build-module.sh release
await_redis
[ "$STORE" = file ] || start_s3
make_token
for ((node = 1; node <= NODES; node++)); do
    make_config "$node"
    start_nginx "$node"
done
write_env
show

wait -n "${nginx_pids[@]}" "$redis_pid" || :
die "nginx or Redis has ended by itself, see $VAR/log"
