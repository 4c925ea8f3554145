#!/bin/sh
# Fills in a template and prints the result.
#
#   render.sh TEMPLATE NAME=VALUE...
#
# @NAME@ becomes VALUE.  A line that mentions a name whose value is empty is
# left out: so a template shows every optional line in its place.  A name in
# the template that was not given is an error, and so is a value that could
# end a quoted string of nginx's configuration.

set -eu

template=$1
shift

die() {
    echo "render: $template: $*" >&2
    exit 1
}

newline='
'
script=

for pair in "$@"; do
    name=${pair%%=*}
    value=${pair#*=}

    case $value in
        '')
            script="$script/@$name@/d$newline"
            continue ;;
        *\"* | *\\* | *"$newline"*)
            die "$name must not hold quotes, backslashes or newlines" ;;
    esac

    value=$(printf '%s' "$value" | sed 's/[&|]/\\&/g')
    script="${script}s|@$name@|$value|g$newline"
done

result=$(sed "$script" "$template")

unknown=$(printf '%s' "$result" | grep -o '@[A-Z][A-Z0-9_]*@' | sort -u) || :
[ -z "$unknown" ] || die "no value for" "$unknown"

printf '%s\n' "$result"
