#!/bin/sh
# Runs unit test programs (cmocka), one after the other, and shows the output
# of those that fail.  Last line: "N passed, M failed".  A test in the middle of
# which its program dies counts as failed.
#
#   unit.sh PROGRAM...

set -u

cd "$(dirname "$0")/.." || exit 1

# Prints "OK BAD" for a program's output; cmocka's list of names after "test(s)
# run" would count twice.
count() {
    awk '/test\(s\) run\./     { exit }
         /\[ RUN      \]/      { run++ }
         /\[       OK \]/      { ok++ }
         /\[  SKIPPED \]/      { skipped++ }
         END                   { print ok + 0, run - ok - skipped }' "$1"
}

passed=0
failed=0

for program in "$@"; do
    log=$program.log
    status=0
    CMOCKA_MESSAGE_OUTPUT=stdout "$program" < /dev/null > "$log" 2>&1 || status=$?

    # shellcheck disable=SC2046  # two words
    set -- $(count "$log")
    ok=$1
    bad=$2

    # The exit status is right even when the words are not.
    if [ "$status" -ne 0 ] && [ "$bad" -le 0 ]; then bad=1; fi
    if [ "$status" -eq 0 ] && [ $((ok + bad)) -eq 0 ]; then bad=1; fi

    passed=$((passed + ok))
    failed=$((failed + bad))

    if [ "$bad" -gt 0 ]; then
        echo "FAILED $program (exit status $status)"
        sed 's/^/    /' "$log"
    else
        echo "ok     $program ($ok)"
    fi
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
