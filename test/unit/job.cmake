find_library(ZC_JANSSON jansson REQUIRED)
foreach(name target commit meta choose report)
  zc_unit(job_${name} job)
  target_include_directories(unit_job_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src/job)
endforeach()
target_link_options(unit_job_commit PRIVATE -Wl,--wrap=openat,--wrap=openat64
                    -Wl,--wrap=faccessat,--wrap=renameat2)
target_link_libraries(unit_job_report PRIVATE ${ZC_JANSSON})
