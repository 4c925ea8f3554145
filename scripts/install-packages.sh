#!/bin/sh
# Installs the Debian packages of one or more groups; does nothing, quickly,
# when all of them are there.
#
#   install-packages.sh GROUP...
#
#   build    compiler, nginx's headers, the libraries' headers
#   image    what the module needs where it only runs (Debian 13's names)
#   run      what `make run` needs besides build
#   s3       a real S3 server (Ceph's gateway) and clients for it
#   unit     the unit tests
#   test     what `make test` needs besides all of these (without image)
#   bench    what `make bench` needs besides build, run and s3: the peers
#   fuzz     what `make fuzz` needs
#   model    the model checker of `make model`
#   check    what `make check` and `make check-trixie` need
#
# Packaged services are not started.  Works as root, or through sudo.

set -eu

packages_of() {
    case $1 in
        build)  echo gcc libc6-dev make nginx nginx-dev \
                     libhiredis-dev libcurl4-openssl-dev libssl-dev \
                     libjansson-dev libexpat1-dev ;;
        image)  echo nginx libhiredis1.1.0 libcurl4t64 libssl3t64 \
                     libjansson4 libexpat1 ca-certificates ;;
        run)    echo redis-server curl openssl util-linux procps ;;
        s3)     echo ceph-mon ceph-osd radosgw ceph-common curl openssl \
                     libs3-2 awscli ;;
        unit)   echo gcc libc6-dev make libcmocka-dev libssl-dev \
                     libjansson-dev libexpat1-dev ;;
        test)   echo python3 python3-pytest python3-pytest-xdist \
                     python3-requests python3-redis python3-boto3 \
                     python3-prometheus-client libnss-wrapper \
                     varnish varnish-modules
                # A vendor's newer node is as good, and conflicts with Debian's.
                command -v node > /dev/null || echo nodejs
                command -v npm > /dev/null || echo npm ;;
        bench)  echo python3 wrk redis-tools varnish h2o memcached \
                     libnginx-mod-http-srcache-filter \
                     libnginx-mod-http-memc ;;
        fuzz)   echo clang libclang-rt-dev libc6-dev make libcmocka-dev \
                     libssl-dev libjansson-dev libexpat1-dev ;;
        model)  echo spin gcc libc6-dev python3 ;;
        check)  echo shellcheck debootstrap ;;
        *)      echo "install-packages: no group \"$1\"" >&2
                return 1 ;;
    esac
}


is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}


policy=/usr/sbin/policy-rc.d
saved=$policy.before-ngx_content

# Debian asks policy-rc.d whether a newly installed service may be started:
# 101 says no.  A file that is there already is put back afterwards.
forbid_services() {
    if [ -e $policy ] && [ ! -e $saved ]; then
        mv $policy $saved
    fi

    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod 755 $policy
}

# shellcheck disable=SC2317  # called by the trap
restore_services() {
    rm -f $policy

    if [ -e $saved ]; then
        mv $saved $policy
    fi
}


[ $# -gt 0 ] || { sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

missing=
for group in "$@"; do
    list=$(packages_of "$group")
    for package in $list; do
        is_installed "$package" || missing="$missing $package"
    done
done

[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || {
        echo "install-packages: as root: apt-get install$missing" >&2
        exit 1
    }
    echo "install-packages: asking sudo to install:$missing"
    exec sudo "$0" "$@"
fi

echo "install-packages: installing$missing"

# One at a time: the second would save the first one's policy-rc.d.
exec 9> /run/lock/ngx_content-packages
flock 9

trap restore_services EXIT
trap 'exit 1' HUP INT TERM
forbid_services

export DEBIAN_FRONTEND=noninteractive
apt-get -q update || echo "install-packages: trying with the old lists" >&2

# shellcheck disable=SC2086  # a list of words
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing
