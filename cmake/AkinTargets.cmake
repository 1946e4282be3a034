# How every target of the project is built, and the helpers that the folders' CMakeLists use.

add_library(akin_build_flags INTERFACE)
target_compile_features(akin_build_flags INTERFACE cxx_std_20)
target_compile_options(akin_build_flags INTERFACE
  -Wall -Wextra $<$<BOOL:${AKIN_WERROR}>:-Werror> -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
  # Designated initialisers leave fields out on purpose: the fields' own defaults count.
  -Wno-missing-field-initializers
  # GCC 12 sees overlapping copies in std::string's operator+ where there are none (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  # Rounding must not depend on what the optimizer finds to fuse: kernels write every fused multiply-add out.
  -ffp-contract=off)
if(AKIN_OPTIMIZE)
  target_compile_options(akin_build_flags INTERFACE -O3 -DNDEBUG)
endif()
if(NOT BUILD_SHARED_LIBS)
  # A program that links libakin.a does not export its symbols. A shared libakin exports all of them.
  target_compile_options(akin_build_flags INTERFACE -fvisibility=hidden -fvisibility-inlines-hidden)
endif()
if(AKIN_SANITIZE)
  target_compile_options(akin_build_flags INTERFACE -fsanitize=${AKIN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(akin_build_flags INTERFACE -fsanitize=${AKIN_SANITIZE})
endif()
if(AKIN_FUZZ)
  target_compile_options(akin_build_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# akin_folder(NAME SOURCES ... DEPS ...): one folder of src/ as an object library. DEPS are the folders below it that it
# may include (docs/tour.md has the picture; tools/check_includes.py checks the arrows). The objects of all folders
# together are libakin.
function(akin_folder name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(akin_${name} OBJECT ${ARG_SOURCES})
  target_include_directories(akin_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  target_link_libraries(akin_${name} PRIVATE akin_build_flags)
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(akin_${name} PUBLIC ${dep})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY AKIN_FOLDERS akin_${name})
endfunction()

# akin_test(NAME SOURCES ... [LIBS ...] [FILTER GLOB] [FOLDERS ...]): a GoogleTest program whose tests ctest finds by name; with
# a filter only some, whose names then begin with NAME. It may see src/. With FOLDERS it needs only these of src/, not libakin.
function(akin_test name)
  cmake_parse_arguments(ARG "" "FILTER" "SOURCES;LIBS;FOLDERS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE AKIN_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
  set(ours akin)
  if(ARG_FOLDERS)
    list(TRANSFORM ARG_FOLDERS PREPEND akin_ OUTPUT_VARIABLE ours)
  endif()
  target_link_libraries(${name} PRIVATE ${ours} akin_build_flags GTest::gtest GTest::gtest_main ${ARG_LIBS})
  if(ARG_FILTER)
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 TEST_FILTER ${ARG_FILTER} TEST_PREFIX ${name}.)
  else()
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60)
  endif()
endfunction()
