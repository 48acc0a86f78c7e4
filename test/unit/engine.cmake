zc_unit(engine_conform engine)
zc_unit(engine_fallback engine)
zc_unit(engine_rules engine)
target_include_directories(unit_engine_rules PRIVATE ${CMAKE_SOURCE_DIR}/src/engine)
target_link_options(unit_engine_rules PRIVATE -Wl,--wrap=pwrite,--wrap=pread,--wrap=pwrite64,--wrap=pread64)

zc_unit(engine_fault engine)
target_sources(unit_engine_fault PRIVATE ${CMAKE_SOURCE_DIR}/src/engine/fault.c
               ${CMAKE_SOURCE_DIR}/test/fault/engine_fault.c)
target_include_directories(unit_engine_fault PRIVATE ${CMAKE_SOURCE_DIR}/src/engine)
target_link_options(unit_engine_fault PRIVATE -Wl,--wrap=zc_engine_open)

if(ZC_HAVE_URING)
  zc_unit(engine_ring engine)
  target_sources(unit_engine_ring PRIVATE ${CMAKE_SOURCE_DIR}/test/fault/ring_fault.c)
  target_include_directories(unit_engine_ring PRIVATE ${CMAKE_SOURCE_DIR}/test/fault)
  target_link_options(unit_engine_ring PRIVATE
                      -Wl,--wrap=io_uring_submit,--wrap=io_uring_peek_batch_cqe
                      -Wl,--wrap=io_uring_queue_init_params)
endif()
