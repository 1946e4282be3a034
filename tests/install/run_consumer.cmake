# cmake -D MODE=find_package|add_subdirectory -D SOURCE=... -D BUILD=... -D WORK=... -D GENERATOR=... -D MODEL=...
#       -P run_consumer.cmake
# Installs BUILD below WORK where the mode needs it, then configures, builds and runs the consumer.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  message(STATUS "${output}")
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "status ${status}: ${ARGN}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
if(MODE STREQUAL "find_package")
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
  # The whole tree moves, because nothing in it may depend on where it was installed first.
  file(RENAME ${WORK}/prefix ${WORK}/moved)
  set(where -D CMAKE_PREFIX_PATH=${WORK}/moved)
else()
  set(where -D AKIN_SOURCE_DIR=${SOURCE} -D AKIN_BUILD_CLI=OFF)
endif()
run(${CMAKE_COMMAND} -S ${SOURCE}/tests/install/consumer -B ${WORK}/build -G ${GENERATOR}
  -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER=${COMPILER}
  -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -D CMAKE_CXX_FLAGS=${FLAGS} ${where})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${WORK}/build/consumer)
run(${WORK}/build/consumer ${MODEL})
if(MODE STREQUAL "find_package")
  run(${WORK}/build/consumer_c ${MODEL})
  run(${WORK}/moved/bin/akin --version)
  foreach(file share/doc/akin/LICENSE share/doc/akin/README.md share/bash-completion/completions/akin)
    if(NOT EXISTS ${WORK}/moved/${file})
      message(FATAL_ERROR "not installed: ${file}")
    endif()
  endforeach()
endif()
