zc_unit(cli_args cli)
target_include_directories(unit_cli_args PRIVATE ${CMAKE_SOURCE_DIR}/src/cli)
target_compile_definitions(unit_cli_args PRIVATE
  ZC_COMPLETION="${CMAKE_SOURCE_DIR}/packaging/completion/zcopy.bash")
if(NOT CMAKE_BUILD_TYPE MATCHES "Rel") # there _FORTIFY_SOURCE gives calls other names
  zc_unit(cli_no_memory cli)
  target_include_directories(unit_cli_no_memory PRIVATE ${CMAKE_SOURCE_DIR}/src/cli ${CMAKE_SOURCE_DIR}/src/job)
  target_link_options(unit_cli_no_memory PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=reallocarray,--wrap=free
                      -Wl,--wrap=strdup,--wrap=vasprintf,--wrap=fdopen)
endif()
