# zc_room(NAME [USES ROOM] [LIBS TARGET...]): the static library zc_room_NAME of every .c in src/NAME.
# USES names the highest room it may include; through it come all lower ones. test/tidy checks the
# includes, this checks the linking. Files are listed by glob with CONFIGURE_DEPENDS: adding a file
# to a room needs no edit here.
function(zc_room name)
  cmake_parse_arguments(ROOM "" "USES" "LIBS" ${ARGN})
  if(name STREQUAL "arch")
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/arch/generic/*.c
         ${CMAKE_SOURCE_DIR}/arch/${ZC_ISA}/*.c)
  else()
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
    list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/src/cli/main.c ${CMAKE_SOURCE_DIR}/src/engine/fault.c)
    if(NOT ZC_HAVE_URING)
      list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/src/engine/uring.c)
    endif()
  endif()
  add_library(zc_room_${name} STATIC ${sources})
  target_include_directories(zc_room_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(zc_room_${name} PUBLIC zc_flags)
  if(name STREQUAL "arch")
    # the ISA's headers shadow the generic ones
    target_include_directories(zc_room_arch PUBLIC ${CMAKE_SOURCE_DIR}/arch/${ZC_ISA}
                               ${CMAKE_SOURCE_DIR}/arch/generic)
  endif()
  if(ROOM_USES)
    target_link_libraries(zc_room_${name} PUBLIC zc_room_${ROOM_USES})
  endif()
  if(ROOM_LIBS)
    target_link_libraries(zc_room_${name} PUBLIC ${ROOM_LIBS})
  endif()
endfunction()
