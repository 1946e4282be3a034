#!/bin/sh
# check_symbols.sh FOLDER...: looks through the object files below the folders for vector code that
# an older CPU could come upon:
# - weak functions (inline functions and templates) with AVX code. The linker keeps one copy of a
#   weak function for the whole program. If the copy that some AVX-512 file made of std::min wins, an
#   older CPU crashes in code that never asked for AVX-512. So vector code may only stand in
#   functions that one file has to itself;
# - AVX-512's encoding (EVEX) elsewhere than in the files of tiers that have AVX-512: an assembler
#   takes it for a VPDPBUSD without {vex}, too, and the CPUs that avx2/vnni.cc is for do not know it;
# - AVX-VNNI's products elsewhere than in the files of that tier.
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
  evex=0 vnni=0
  # machine_peak.cc times an instruction of each tier.
  case $object in */avx512/* | */amx/* | */machine_peak.*) evex=1 ;; esac
  case $object in */avx2/vnni.* | */machine_peak.*) vnni=1 ;; esac
  # Every instruction with a VEX or EVEX prefix has a name that begins with v, or is one of AMX; the
  # base instruction set that GCC generates has none. EVEX begins with the byte 62, and {vex}
  # is written where assemblers would take EVEX.
  objdump -dw "$object" | awk -F '\t' -v object="$object" -v weak="$weak" -v evex="$evex" -v vnni="$vnni" '
    function tell(why) { if (!said[name, why]++) print object ": " name ": " $3 ": " why }
    BEGIN { while ((getline name < weak) > 0) is_weak[name] = 1 }
    /^[0-9a-f]+ <.*>:$/ { name = substr($0, index($0, "<") + 1); sub(/>:$/, "", name); next }
    $3 !~ /^(v|\{|tile|tdp|ldtilecfg|sttilecfg)/ { next }
    is_weak[name] { tell("AVX code in a weak function") }
    !evex && $2 ~ /^62 / { tell("AVX-512 outside its tiers") }
    !vnni && $3 ~ /^\{vex\} vpdp/ { tell("AVX-VNNI outside its tier") }' >>"$found"
done <"$list"

if [ -s "$found" ]; then
  c++filt <"$found"
  echo "check_symbols: vector code where it may not be (above)"
  exit 1
fi
echo "check_symbols: no weak function has AVX code, no file has another tier's ($(wc -l <"$list") objects)"
