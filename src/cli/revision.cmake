# cmake -D SOURCE=<git checkout> -D OUT=<header> -P revision.cmake: writes the revision that is built. The header changes
# only when the revision does, so that nothing is compiled again for nothing.
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND git -C ${SOURCE} rev-parse --short HEAD
  OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(revision "")
else()
  execute_process(COMMAND git -C ${SOURCE} diff --quiet HEAD -- src include CMakeLists.txt cmake
    ERROR_QUIET RESULT_VARIABLE changed)
  if(changed)
    string(APPEND revision "+")
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#define AKIN_REVISION \"@revision@\"\n" @ONLY)
