#!/bin/sh
# Runs the fuzzing programs, one after the other.  What is interesting stays in
# build/fuzz/corpus/NAME, and the next run goes on from there; what fails goes
# to build/fuzz/found.  Last line: "N held, M failed".
#
#   fuzz.sh SECONDS [NAME]...        of tests/fuzz/fuzz_NAME.c; all of them

set -u

cd "$(dirname "$0")/.." || exit 1

seconds=$1
shift

[ $# -gt 0 ] || set -- tests/fuzz/fuzz_*.c

held=0
failed=0

for name in "$@"; do
    name=$(basename "${name#tests/fuzz/fuzz_}" .c)
    program=build/fuzz/fuzz_$name
    corpus=build/fuzz/corpus/$name
    log=$program.log
    mkdir -p "$corpus" build/fuzz/found

    if FUZZ_SEEDS=$corpus "$program" -max_total_time="$seconds" -timeout=10 \
        -artifact_prefix="build/fuzz/found/$name-" "$corpus" > "$log" 2>&1
    then
        held=$((held + 1))
        echo "ok     $name ($(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log") runs)"
    else
        failed=$((failed + 1))
        echo "FAILED $name"
        grep -vE '^#[0-9]+[[:space:]]|^INFO:' "$log" | sed 's/^/    /'
        echo "    again: $program build/fuzz/found/$name-..."
    fi
done

echo "$held held, $failed failed"
[ $failed -eq 0 ] && [ $held -gt 0 ]
