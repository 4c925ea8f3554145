#!/bin/sh
# Builds the dynamic module for the nginx that Debian's nginx-dev belongs to.
#
#   build-module.sh [release|debug|asan]     -> build/FLAVOUR/ngx_content_module.so
#
#   release   what is shipped (the default)
#   debug     for the debugger and the tests: little optimisation
#   asan      with AddressSanitizer and UndefinedBehaviorSanitizer; nginx must
#             then be started with the runtime preloaded (scripts/preload.sh)
#
# As Debian's dh_nginx does, nginx's configure runs inside /usr/share/nginx/src
# with Debian's own flags (conf_flags), so that the module's signature fits the
# packaged binary; everything it writes goes to build/FLAVOUR.  Configure runs
# again only when the list of sources, the flags or nginx have changed; after
# that make knows what to compile: one file for a changed .c, all of them for a
# changed header.

set -eu
unset MAKEFLAGS MFLAGS MAKELEVEL            # of a make that called us

flavour=${1:-release}
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/build/$flavour
nginx_src=/usr/share/nginx/src

hardening="-fPIC -fstack-protector-strong -Wformat -Werror=format-security"
link="-Wl,-z,relro -Wl,-z,now -fPIC"
sanitize=""

case $flavour in
    release)  optimise="-O2 -g -D_FORTIFY_SOURCE=2" ;;
    debug)    optimise="-O1 -g3 -fno-omit-frame-pointer" ;;
    asan)     optimise="-O1 -g3 -fno-omit-frame-pointer"
              sanitize="-fsanitize=address,undefined"
              sanitize="$sanitize -fno-sanitize-recover=undefined" ;;
    *)        echo "usage: $0 [release|debug|asan]" >&2; exit 2 ;;
esac

# nginx adds -Wno-unused-parameter and -Werror itself, before these.
cc_opt="$optimise -Wall -Wextra -Wno-unused-parameter -Werror $hardening"

die() {
    echo "build-module: $*" >&2
    exit 1
}

[ -f $nginx_src/conf_flags ] || die "nginx's sources are missing:" \
    "apt-get install nginx-dev (or: make install-deps)"

case $root in
    *[[:space:]]*)  die "nginx's configure can't build below a path with" \
                        "spaces: $root" ;;
esac


# All that configure's result depends on, as text.
inputs() {
    echo "$cc_opt"
    echo "$link"
    cat $nginx_src/conf_flags $nginx_src/src/core/nginx.h "$root/config"
    find "$root/src" "$root/ngx_content_module.c" -name '*.[ch]' | LC_ALL=C sort
    cc --version
}


configure() {
    echo "build-module: configuring $flavour"
    rm -rf "$out"
    mkdir -p "$out"

    # conf_flags is an array, hence bash.
    # shellcheck disable=SC2016
    if ! bash -c '
        cd "$1"
        . ./conf_flags
        ./configure "${NGX_CONF_FLAGS[@]}" --builddir="$2" \
            --with-cc-opt="$3" --with-ld-opt="$4" --add-dynamic-module="$5"
        ' configure $nginx_src "$out" "$cc_opt" "$link" "$root" \
        > "$out/configure.log" 2>&1
    then
        grep -i 'error' "$out/configure.log" >&2 ||
            tail -n 20 "$out/configure.log" >&2
        die "configure failed, see $out/configure.log"
    fi
}


mkdir -p "$root/build"
exec 9> "$root/build/.$flavour.lock"
flock 9

if ! inputs | cmp -s - "$out/inputs"; then
    configure
    inputs > "$out/inputs"
fi

# The sanitizers come in with the compiler's name: configure's own probes must
# not be built with them, and make takes CC for compiling and for linking.
make --no-print-directory -s -j"$(nproc)" -C $nginx_src -f "$out/Makefile" \
    CC="cc $sanitize" modules

echo "$out/ngx_content_module.so"
