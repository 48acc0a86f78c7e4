zc_unit(route_table route)
zc_unit(route_kernel route)
target_include_directories(unit_route_kernel PRIVATE ${CMAKE_SOURCE_DIR}/src/route)
zc_unit(route_buffer route)
zc_unit(route_pace route)
zc_unit(route_lend route)
target_link_options(unit_route_lend PRIVATE -Wl,--wrap=memcpy,--wrap=memmove,--wrap=mempcpy
                    -Wl,--wrap=__memcpy_chk,--wrap=__memmove_chk)
