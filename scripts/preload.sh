#!/bin/sh
# Prints what LD_PRELOAD must be for a program without sanitizers, such as
# Debian's nginx, that loads a module built with them.

set -eu

for name in libasan.so libubsan.so; do
    path=$(cc -print-file-name=$name)

    if [ "$path" = $name ]; then
        echo "preload: the compiler has no $name" >&2
        exit 1
    fi

    list=${list:+$list:}$(readlink -f "$path")
done

echo "$list"
