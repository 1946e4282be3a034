# Install rules and what find_package(akin) finds. tests/install uses both.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(akin_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/akin)

install(TARGETS akin EXPORT akinTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET akin_c)
  set_target_properties(akin_c PROPERTIES EXPORT_NAME c)
  install(TARGETS akin_c EXPORT akinTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/akin DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(EXPORT akinTargets NAMESPACE akin:: DESTINATION ${akin_package_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/akinConfig.cmake.in
  ${PROJECT_BINARY_DIR}/akinConfig.cmake INSTALL_DESTINATION ${akin_package_dir})
# Until 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/akinConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/akinConfig.cmake ${PROJECT_BINARY_DIR}/akinConfigVersion.cmake
  DESTINATION ${akin_package_dir})

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(TARGET akin_cli)
  if(BUILD_SHARED_LIBS)
    file(RELATIVE_PATH akin_lib_from_bin ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
    set_target_properties(akin_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${akin_lib_from_bin}")
  endif()
  install(TARGETS akin_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(PROGRAMS ${PROJECT_SOURCE_DIR}/src/cli/akin-bridge DESTINATION ${CMAKE_INSTALL_BINDIR})

  # The program writes its own completions, so that they list the options that it has.
  foreach(completion "bash:akin:bash-completion/completions" "zsh:_akin:zsh/site-functions"
                     "fish:akin.fish:fish/vendor_completions.d")
    string(REPLACE ":" ";" completion ${completion})
    list(GET completion 0 shell)
    list(GET completion 1 file)
    list(GET completion 2 folder)
    set(written ${PROJECT_BINARY_DIR}/completions/${shell}/${file})
    add_custom_command(OUTPUT ${written}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/completions/${shell}
      COMMAND akin_cli completion ${shell} > ${written}
      DEPENDS akin_cli COMMENT "Writing the completion for ${shell}" VERBATIM)
    list(APPEND akin_completions ${written})
    install(FILES ${written} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder})
  endforeach()
  add_custom_target(akin_completions ALL DEPENDS ${akin_completions})
endif()
