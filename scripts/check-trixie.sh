#!/bin/bash
# Goes through the Dockerfile's steps without Docker: in a chroot of Debian 13
# the packages are installed, the module is built against that nginx, and the
# entrypoint's configuration is checked with `nginx -t`, for both stores.
# Needs root.  The chroot stays in build/trixie for the next time.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tree=$PWD/build/trixie

[ "$(id -u)" -eq 0 ] || { echo "check-trixie: needs root" >&2; exit 1; }
scripts/install-packages.sh check

# The mirror that this machine uses itself.
# shellcheck disable=SC2016  # $(SITE) is apt's
mirror=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' |
    grep -v security | head -n 1)

if [ ! -e "$tree/.complete" ]; then
    rm -rf "$tree"
    mkdir -p "$tree"
    debootstrap --variant=minbase trixie "$tree" \
        ${mirror:+"$mirror"}
    touch "$tree/.complete"
fi

# In a mount namespace of its own, so that /proc is gone again afterwards.
in_tree() {
    # shellcheck disable=SC2016  # expanded in there
    unshare --mount sh -euc '
        mount -t proc proc "$0/proc"
        ln -sf /proc/self/fd/1 "$0/dev/stdout"
        exec chroot "$0" "$@"
        ' "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
            http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" "$@"
}

# The same files that the Dockerfile copies.
rm -rf "$tree/src"
mkdir -p "$tree/src" "$tree/usr/share/ngx_content"
cp -r config Makefile ngx_content_module.c src scripts "$tree/src/"
cp scripts/render.sh scripts/docker-entrypoint.sh conf/docker.conf.template \
    "$tree/usr/share/ngx_content/"

in_tree /src/scripts/install-packages.sh build image
in_tree /src/scripts/build-module.sh release
install -D -t "$tree/usr/lib/nginx/modules" \
    "$tree/src/build/release/ngx_content_module.so"
in_tree install -d -o www-data -g www-data /run/content /var/lib/content

# check_config NAME=VALUE...  As in a container, stdout belongs to www-data.
check_config() {
    in_tree setpriv --reuid=www-data --regid=www-data --clear-groups \
        env "$@" sh -c '/usr/share/ngx_content/docker-entrypoint.sh -t \
            > /run/content/stdout'
}

echo "== nginx -t, file store"
check_config CONTENT_ANONYMOUS=read

echo "== nginx -t, S3 store"
check_config CONTENT_STORE=s3 CONTENT_S3_BUCKET=media \
    CONTENT_S3_ENDPOINT=http://127.0.0.1:7480 CONTENT_REDIS=127.0.0.1:6379 \
    AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret \
    CONTENT_PURGE_ZONE_ID=0123456789abcdef0123456789abcdef \
    CLOUDFLARE_API_TOKEN=token

echo "check-trixie: passed, with $(in_tree nginx -v 2>&1)"
