zc_unit(mem_page mem)
zc_unit(mem_pool mem)
zc_unit(mem_topo mem)
# it changes the host's number of reserved pages, and puts it back
set_tests_properties(unit.mem_page PROPERTIES RESOURCE_LOCK hugepages)
