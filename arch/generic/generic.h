/* The generic implementations, for the table in arch.c. Their contract is struct zc_arch_ops. */
#ifndef ZCOPY_GENERIC_H
#define ZCOPY_GENERIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t zc_generic_crc32c(uint32_t crc, const void *mem, size_t len_bytes);
bool zc_generic_is_zero(const void *mem, size_t len_bytes);

#endif
