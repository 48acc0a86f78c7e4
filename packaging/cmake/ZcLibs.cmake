# The optional libraries. Found or not, the same program comes out with the same results: without
# liburing the sync engine serves, without libnuma memory is wherever the kernel puts it.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# The static archive first: one executable that runs when copied elsewhere.
set(ZC_HAVE_URING 0)
add_library(zc_uring INTERFACE)
if(ZC_WITH_URING)
  find_path(ZC_URING_INCLUDE liburing.h)
  find_library(ZC_URING_LIBRARY NAMES liburing.a uring)
  if(ZC_URING_INCLUDE AND ZC_URING_LIBRARY)
    set(ZC_HAVE_URING 1)
    target_include_directories(zc_uring SYSTEM INTERFACE ${ZC_URING_INCLUDE})
    target_link_libraries(zc_uring INTERFACE ${ZC_URING_LIBRARY})
  endif()
endif()

# libnuma is loaded by topo.c when a host has more than one node (its constructor reads sysfs, which
# a small copy must not pay for); only its header is needed to build. A static program links it.
set(ZC_HAVE_NUMA 0)
set(ZC_NUMA_LINKED 0)
add_library(zc_numa INTERFACE)
if(ZC_WITH_NUMA)
  find_path(ZC_NUMA_INCLUDE numa.h)
  if(ZC_NUMA_INCLUDE)
    set(ZC_HAVE_NUMA 1)
    target_include_directories(zc_numa SYSTEM INTERFACE ${ZC_NUMA_INCLUDE})
    target_link_libraries(zc_numa INTERFACE ${CMAKE_DL_LIBS})
  endif()
  if(ZC_HAVE_NUMA AND ZC_STATIC)
    find_library(ZC_NUMA_LIBRARY NAMES libnuma.a)
    if(ZC_NUMA_LIBRARY)
      set(ZC_NUMA_LINKED 1)
      target_link_libraries(zc_numa INTERFACE ${ZC_NUMA_LIBRARY})
    else()
      set(ZC_HAVE_NUMA 0)
    endif()
  endif()
endif()

configure_file(${CMAKE_SOURCE_DIR}/packaging/cmake/config.h.in ${CMAKE_BINARY_DIR}/gen/zc_config.h)
target_include_directories(zc_flags INTERFACE ${CMAKE_BINARY_DIR}/gen)
message(STATUS "zcopy ${PROJECT_VERSION} for ${ZC_ISA}: liburing ${ZC_HAVE_URING}, libnuma ${ZC_HAVE_NUMA}, static ${ZC_STATIC}")
