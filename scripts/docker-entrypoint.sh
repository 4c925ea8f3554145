#!/bin/sh
# The container's start: makes nginx's configuration from the environment and
# becomes nginx.  Secrets stay in the environment or in mounted files; none is
# written to the configuration.
#
#   CONTENT_STORE              file, or s3
#   CONTENT_FILE_ROOT          /var/lib/content (a volume, writable by www-data)
#   CONTENT_S3_ENDPOINT, CONTENT_S3_BUCKET       needed for s3
#   CONTENT_S3_REGION          us-east-1
#   CONTENT_S3_STYLE           path, or virtual
#   CONTENT_S3_CA_FILE         the system's
#   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
#   CONTENT_REDIS              host:port or unix:/path, and options such as
#                              db=1; empty: no Redis
#   CONTENT_REDIS_PASSWORD     if Redis asks for one
#   CONTENT_TOKENS             a mounted file with the tokens' hashes; empty:
#                              nobody can write
#   CONTENT_ANONYMOUS          off, or read
#   CONTENT_PURGE_ZONE_ID, CLOUDFLARE_API_TOKEN  both: purge this zone
#   CONTENT_PURGE_PLAN         free
#   CONTENT_PURGE_API          Cloudflare's
#   CONTENT_CDN_CACHE_CONTROL  the module's default
#   CONTENT_PORT               8080
#   CONTENT_MAX_BODY_SIZE      1g
#   CONTENT_ZONE               8m
#   CONTENT_WORKERS            auto
#   CONTENT_LOG_LEVEL          notice
#
# Arguments are passed to nginx: `docker run IMAGE -t` checks the settings.

set -eu

share=${CONTENT_SHARE:-/usr/share/ngx_content}
run=/run/content

die() {
    echo "ngx_content: $*" >&2
    exit 1
}

file_root=
endpoint=
bucket=
region=
style=
credentials=
ca_file=

case ${CONTENT_STORE:-file} in
    file)
        store='file'
        file_root=${CONTENT_FILE_ROOT:-/var/lib/content}
        [ -w "$file_root" ] ||
            die "$file_root can't be written to by user $(id -un)" ;;
    s3)
        store=s3
        endpoint=${CONTENT_S3_ENDPOINT:?is needed for CONTENT_STORE=s3}
        bucket=${CONTENT_S3_BUCKET:?is needed for CONTENT_STORE=s3}
        : "${AWS_ACCESS_KEY_ID:?is needed for CONTENT_STORE=s3}"
        : "${AWS_SECRET_ACCESS_KEY:?is needed for CONTENT_STORE=s3}"
        region=${CONTENT_S3_REGION:-us-east-1}
        style=${CONTENT_S3_STYLE:-path}
        ca_file=${CONTENT_S3_CA_FILE:-/etc/ssl/certs/ca-certificates.crt}
        credentials='env' ;;
    *)
        die "CONTENT_STORE is \"$CONTENT_STORE\": must be file or s3" ;;
esac

redis=${CONTENT_REDIS:-}
redis_password=
if [ -n "$redis" ] && [ -n "${CONTENT_REDIS_PASSWORD:-}" ]; then
    redis_password="env CONTENT_REDIS_PASSWORD"
fi

purge=
zone_id=
purge_token=
plan=
api=
if [ -n "${CONTENT_PURGE_ZONE_ID:-}" ]; then
    : "${CLOUDFLARE_API_TOKEN:?is needed with CONTENT_PURGE_ZONE_ID}"
    purge=cloudflare
    zone_id=$CONTENT_PURGE_ZONE_ID
    purge_token="env CLOUDFLARE_API_TOKEN"
    plan=${CONTENT_PURGE_PLAN:-free}
    api=${CONTENT_PURGE_API:-}
fi

mkdir -p $run
"$share/render.sh" "$share/docker.conf.template" \
    STORE="$store" FILE_ROOT="$file_root" \
    S3_ENDPOINT="$endpoint" S3_BUCKET="$bucket" S3_REGION="$region" \
    S3_STYLE="$style" S3_CREDENTIALS="$credentials" S3_CA_FILE="$ca_file" \
    REDIS="$redis" REDIS_PASSWORD="$redis_password" \
    PURGE="$purge" PURGE_ZONE_ID="$zone_id" PURGE_TOKEN="$purge_token" \
    PURGE_PLAN="$plan" PURGE_API="$api" \
    TOKENS="${CONTENT_TOKENS:-}" ANONYMOUS="${CONTENT_ANONYMOUS:-off}" \
    CDN_CACHE_CONTROL="${CONTENT_CDN_CACHE_CONTROL:-}" \
    PORT="${CONTENT_PORT:-8080}" WORKERS="${CONTENT_WORKERS:-auto}" \
    MAX_BODY_SIZE="${CONTENT_MAX_BODY_SIZE:-1g}" \
    ZONE="${CONTENT_ZONE:-8m}" LOG_LEVEL="${CONTENT_LOG_LEVEL:-notice}" \
    > $run/nginx.conf

exec nginx -c $run/nginx.conf "$@"
