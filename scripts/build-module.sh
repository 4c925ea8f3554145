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
# BREAK=RULE leaves out a rule of src/lib/content_rules.h, for the tests of the
# tests, into build/FLAVOUR-break-RULE.
#
# As Debian's dh_nginx does, nginx's configure runs inside /usr/share/nginx/src
# with Debian's own flags (conf_flags), so that the module's signature fits the
# packaged binary; everything it writes goes to build/FLAVOUR.  Configure runs
# again only when the list of sources, the flags or nginx have changed; after
# that make knows what to compile: one file for a changed .c, all of them for a
# changed header.
#
# Configure uses one core for seconds: src/lib, which needs no nginx, is
# compiled meanwhile, into a library (the same that the unit tests make).  For
# the rest nginx's headers are compiled once.

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
    debug)    optimise="-O1 -g -fno-omit-frame-pointer" ;;
    asan)     optimise="-O1 -g -fno-omit-frame-pointer"
              sanitize="-fsanitize=address,undefined"
              sanitize="$sanitize -fno-sanitize-recover=undefined" ;;
    *)        echo "usage: $0 [release|debug|asan]" >&2; exit 2 ;;
esac

# nginx adds -Wno-unused-parameter and -Werror itself, before these.
cc_opt="$optimise -Wall -Wextra -Wno-unused-parameter -Werror $hardening"

if [ -n "${BREAK:-}" ]; then
    flavour=$flavour-break-$BREAK
    out=$root/build/$flavour
    cc_opt="$cc_opt -DCONTENT_BREAK_$BREAK"
fi

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
    if ! CONTENT_LIB="$out.lib/libcontent.a" bash -c '
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


# src/lib alone, with this flavour's flags.
build_lib() {
    make --no-print-directory -s -j"$(nproc)" -C "$root" lib CC="cc $sanitize" \
        UNIT="$out.lib" LIB_FLAGS="-std=c11 -Isrc $cc_opt"
}


# nginx's headers, precompiled with the very flags of the sources; the compiler
# takes the plain header where they don't fit.
precompile() {
    cat > "$out/nginx.h" << 'END'
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
END

    # shellcheck disable=SC2016  # make's variables
    make --no-print-directory -s -C $nginx_src -f "$out/Makefile" \
        CC="cc $sanitize" precompiled --eval 'precompiled: ; \
            $(CC) $(CFLAGS) $(ALL_INCS) -x c-header \
                -o '"$out"'/nginx.h.gch '"$out"'/nginx.h'
}


mkdir -p "$root/build"
exec 9> "$root/build/.$flavour.lock"
flock 9

build_lib &
lib=$!

if ! inputs | cmp -s - "$out/inputs"; then
    configure
    precompile
    inputs > "$out/inputs"
fi

wait $lib || die "src/lib does not compile"

# nginx's make knows sources, not the library.
find "$out" -name ngx_content_module.so ! -newer "$out.lib/libcontent.a" -delete

# The sanitizers come in with the compiler's name: configure's own probes must
# not be built with them, and make takes CC for compiling and for linking.
make --no-print-directory -s -j"$(nproc)" -C $nginx_src -f "$out/Makefile" \
    CC="cc $sanitize -include $out/nginx.h" modules

echo "$out/ngx_content_module.so"
