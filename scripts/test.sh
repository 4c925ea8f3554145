#!/bin/bash
# What `make test` does: unit tests of src/lib, then the tests in tests/http
# against the real nginx with the module.  Last line, over both: "N passed, M
# failed"; the exit status is not 0 if anything failed or nothing ran.
#
# Settings (environment):
#   SANITIZE=1   module and unit tests with ASan and UBSan
#   FILES        files for pytest; all of tests/http and tests/check if not set
#   JOBS=3       so many files at a time; most tests wait more than they work
#   ARGS         options for pytest, e.g. ARGS="-k put -x"
#
# tests/http gets, in the environment:
#   CONTENT_MODULE    the module's path
#   CONTENT_PRELOAD   SANITIZE=1: LD_PRELOAD for nginx; else empty

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
python=/usr/bin/python3                     # Debian's, with Debian's packages

# From here on whatever is started ends with this script: see reap.py.
if [ -z "${CONTENT_REAPED:-}" ]; then
    scripts/install-packages.sh build run s3 unit test
    exec env CONTENT_REAPED=1 $python scripts/reap.py "$0"
fi
unset CONTENT_REAPED MAKEFLAGS MFLAGS MAKELEVEL

flavour=debug
export CONTENT_PRELOAD=
if [ "${SANITIZE:-}" = 1 ]; then
    flavour=asan
    CONTENT_PRELOAD=$(scripts/preload.sh)
fi

export CONTENT_MODULE=$root/build/$flavour/ngx_content_module.so
out=$root/build/test
mkdir -p "$out"

scripts/build-module.sh $flavour

echo "== unit tests"
status=0
make --no-print-directory unit 2>&1 | tee "$out/unit.log" || status=1
read -r passed failed < <(sed -nE \
    '$s/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$out/unit.log") ||
    { passed=0 failed=1; }

echo "== tests/http"
rm -f "$out/pytest.xml"
# shellcheck disable=SC2086  # FILES and ARGS are lists of words
$python -m pytest ${FILES:-tests/http tests/check} -q -n "${JOBS:-3}" --dist loadfile \
    --junitxml="$out/pytest.xml" ${ARGS:-} || status=1

read -r http_passed http_failed skipped < <($python - "$out/pytest.xml" << 'END'
import sys
import xml.etree.ElementTree as tree

try:
    suites = tree.parse(sys.argv[1]).getroot().iter("testsuite")
except (OSError, tree.ParseError):
    print(0, 1, 0)
    sys.exit()

total = {name: 0 for name in ("tests", "failures", "errors", "skipped")}
for suite in suites:
    for name in total:
        total[name] += int(suite.get(name, 0))

failed = total["failures"] + total["errors"]
print(total["tests"] - failed - total["skipped"], failed, total["skipped"])
END
)

passed=$((passed + http_passed))
failed=$((failed + http_failed))

# A step that failed without a failing test, such as a build, counts as one.
if [ $status -ne 0 ] && [ $failed -eq 0 ]; then failed=1; fi
if [ "$skipped" -gt 0 ]; then echo "$skipped skipped"; fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
