zc_unit(bench_stats bench)
zc_unit(bench_hist bench)
# what scipy says of thousands of cases, where there is one
if(NOT CMAKE_CROSSCOMPILING) # the script starts the program itself
  add_test(NAME unit.bench_stats_scipy COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/bench_stats_scipy.py $<TARGET_FILE:unit_bench_stats>)
  set_tests_properties(unit.bench_stats_scipy PROPERTIES LABELS "unit;once" SKIP_RETURN_CODE 77)
endif()
