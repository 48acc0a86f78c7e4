zc_unit(cli_args cli)
target_include_directories(unit_cli_args PRIVATE ${CMAKE_SOURCE_DIR}/src/cli)
target_compile_definitions(unit_cli_args PRIVATE
  ZC_COMPLETION="${CMAKE_SOURCE_DIR}/packaging/completion/zcopy.bash")
