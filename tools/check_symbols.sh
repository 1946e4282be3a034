#!/bin/sh
# check_symbols.sh FOLDER...: looks through the object files below the folders for weak functions
# (inline functions and templates) with AVX code.
#
# The linker keeps one copy of a weak function for the whole program. If the copy that some AVX-512
# file made of std::min wins, an older CPU crashes in code that never asked for AVX-512. So vector
# code may only stand in functions that one file has to itself.
set -eu
[ $# -gt 0 ] || { echo "usage: check_symbols.sh FOLDER..." >&2; exit 2; }
case $(uname -m) in x86_64 | amd64) ;; *) echo "check_symbols: not an x86-64 machine, nothing to check"; exit 0 ;; esac
for tool in nm objdump; do
  command -v "$tool" >/dev/null || { echo "check_symbols: $tool is missing (package binutils)" >&2; exit 2; }
done

list=$(mktemp) weak=$(mktemp) found=$(mktemp)
trap 'rm -f "$list" "$weak" "$found"' EXIT
for folder in "$@"; do
  [ -d "$folder" ] || { echo "check_symbols: no folder $folder" >&2; exit 2; }
  find "$folder" -name '*.o' >>"$list"
done
[ -s "$list" ] || { echo "check_symbols: no object files below $*" >&2; exit 2; }

while read -r object; do
  nm "$object" | awk '$2 == "W" || $2 == "V" || $2 == "u" { print $3 }' >"$weak"
  [ -s "$weak" ] || continue
  # Every instruction with a VEX or EVEX prefix has a name that begins with v, or is one of AMX; the
  # base instruction set that GCC generates has none.
  objdump -d --no-show-raw-insn "$object" | awk -v object="$object" -v weak="$weak" '
    BEGIN { while ((getline name < weak) > 0) is_weak[name] = 1 }
    /^[0-9a-f]+ <.*>:$/ { name = substr($2, 2, length($2) - 3); next }
    is_weak[name] && $2 ~ /^(v[a-z]|tile|tdp|ldtilecfg|sttilecfg)/ && !said[name]++ { print object ": " name ": " $2 }' >>"$found"
done <"$list"

if [ -s "$found" ]; then
  c++filt <"$found"
  echo "check_symbols: weak functions with AVX code (above)"
  exit 1
fi
echo "check_symbols: no weak function has AVX code ($(wc -l <"$list") objects)"
