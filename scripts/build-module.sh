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
# The first build is made quick, as whoever tries `make run` waits for it:
# - configure uses one core for seconds.  src/lib, which needs no nginx, is
#   compiled meanwhile, into a library (the same that the unit tests make);
#   and configure's hundred probes are compiled without our flags, which only
#   make gets, and linked by the quicker linker where there is one.
# - the rest is compiled in as many units as there are cores, each some dozens of
#   files, which read nginx's headers but once and lets the compiler see across
#   files.  Not with the sanitizers: so each file is seen to compile by itself.

set -eu
unset MAKEFLAGS MFLAGS MAKELEVEL            # of a make that called us

flavour=${1:-release}
root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/build/$flavour
nginx_src=/usr/share/nginx/src

hardening="-fPIC -fstack-protector-strong -Wformat -Werror=format-security"
link="-Wl,-z,relro -Wl,-z,now -fPIC"
probe_link=""
if command -v ld.gold > /dev/null; then probe_link="-fuse-ld=gold"; fi
sanitize=""
units=$(nproc)

case $flavour in
    release)  optimise="-O2 -g -D_FORTIFY_SOURCE=2" ;;
    debug)    optimise="-O1 -g -fno-omit-frame-pointer" ;;
    asan)     optimise="-O1 -g -fno-omit-frame-pointer"
              units=
              sanitize="-fsanitize=address,undefined"
              sanitize="$sanitize -fno-sanitize-recover=undefined" ;;
    *)        echo "usage: $0 [release|debug|asan]" >&2; exit 2 ;;
esac

# As nginx's own CFLAGS, and -Wextra.
warnings="-Wall -Wextra -Wpointer-arith -Wno-unused-parameter -Werror"
cc_opt="-pipe $optimise $warnings $hardening"

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
    echo "$units $cc_opt"
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
    if ! CONTENT_LIB="$out.lib/libcontent.a" CONTENT_UNITS=$units bash -c '
        cd "$1"
        . ./conf_flags
        ./configure "${NGX_CONF_FLAGS[@]}" --builddir="$2" \
            --with-ld-opt="$3" --add-dynamic-module="$4"
        ' configure $nginx_src "$out" "$probe_link" "$root" \
        > "$out/configure.log" 2>&1
    then
        grep -i 'error' "$out/configure.log" >&2 ||
            tail -n 20 "$out/configure.log" >&2
        die "configure failed, see $out/configure.log"
    fi
}


# src/lib alone, with this flavour's flags.  A core is left to configure.
build_lib() {
    make --no-print-directory -s -j"$(nproc --ignore=1)" -C "$root" lib \
        CC="cc $sanitize" UNIT="$out.lib" LIB_FLAGS="-std=c11 -Isrc $cc_opt"
}


mkdir -p "$root/build"
exec 9> "$root/build/.$flavour.lock"
flock 9

build_lib &
lib=$!

if ! inputs | cmp -s - "$out/inputs"; then
    configure
    inputs > "$out/inputs"
fi

wait $lib || die "src/lib does not compile"

# nginx's make knows sources, not the library.
find "$out" -name ngx_content_module.so ! -newer "$out.lib/libcontent.a" -delete

# The sanitizers come in with the compiler's name: configure's own probes must
# not be built with them, and make takes CC for compiling and for linking.
make --no-print-directory -s -j"$(nproc)" -C $nginx_src -f "$out/Makefile" \
    CC="cc $sanitize" CFLAGS="$cc_opt" LINK="cc $sanitize $link" modules

echo "$out/ngx_content_module.so"
