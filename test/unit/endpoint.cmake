zc_unit(endpoint_synth endpoint)
zc_unit(endpoint_open endpoint)
zc_unit(endpoint_file endpoint)
zc_unit(endpoint_tcp endpoint)
