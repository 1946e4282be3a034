#!/bin/sh
# The NEON tiers on a machine of another kind: builds the preset aarch64 and runs its kernel tests and, without the argument
# `kernels`, `akin embed` on the tiny models against the reference's vectors, under QEMU. Ends with 77 after "SKIPPED: why"
# where the tools are missing; `./dev test` (on Debian) and `./dev aarch64` install them.
set -eu
cd "$(dirname "$0")/.."

skip() {
  echo "SKIPPED: $* (./dev aarch64 installs what is missing)"
  exit 77
}
command -v aarch64-linux-gnu-g++ >/dev/null 2>&1 || skip "no cross compiler for aarch64"
command -v qemu-aarch64 >/dev/null 2>&1 || skip "no qemu-aarch64"
[ -e build/aarch64-root/complete ] || skip "no libraries for aarch64 in build/aarch64-root"

emulator="qemu-aarch64 -L /usr/aarch64-linux-gnu"
tests="kernels"
program=
jobs="--parallel 1" # Other tests run beside it.
if [ "${1:-}" != kernels ]; then
  tests="base kernels pooling"
  program=akin_cli
  jobs=
fi
quietly() { # Shows the output of a command that fails.
  "$@" >build/aarch64.log 2>&1 || {
    cat build/aarch64.log
    echo "failed: $*"
    exit 1
  }
}
quietly cmake --preset aarch64
# shellcheck disable=SC2046,SC2086 # Words are meant to be split.
quietly cmake --build build/aarch64 $jobs --target $program $(printf '%s_test ' $tests)

for test in $tests; do
  echo "== ${test}_test"
  # shellcheck disable=SC2086
  quietly $emulator "build/aarch64/tests/$test/${test}_test" --gtest_brief=1
  grep -e 'tests ran' -e PASSED build/aarch64.log
done
echo "== a CPU without dot products"
# shellcheck disable=SC2086
quietly $emulator -cpu cortex-a53 build/aarch64/tests/kernels/kernels_test --gtest_brief=1 --gtest_filter='Dispatch.*'
grep -e 'tests ran' -e PASSED build/aarch64.log

[ -n "$program" ] || exit 0

printf '#!/bin/sh\nexec %s "%s/build/aarch64/akin" "$@"\n' "$emulator" "$PWD" >build/aarch64/akin-emulated
chmod +x build/aarch64/akin-emulated
for tier in neon:f32 neon:bf16 neon:w8 neon-dot:int8; do
  echo "== akin embed, $tier"
  python3 -B tests/golden/run_golden.py --akin build/aarch64/akin-emulated --isa "${tier%:*}" --precision "${tier#*:}" \
    models tests/data/models
done
