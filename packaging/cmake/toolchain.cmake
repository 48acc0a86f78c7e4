# Cross-compiles for arm64 or riscv64 with Debian's cross gcc against the sysroot of test/vm/mksysroot:
#   cmake -B build/cross-arm64 --toolchain packaging/cmake/toolchain.cmake \
#         -DZC_ARCH=arm64 -DCMAKE_SYSROOT="$(test/vm/mksysroot arm64)"
# Tests then run under qemu-user by themselves. test/cross does all of it.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ZC_ARCH CMAKE_SYSROOT)
if(ZC_ARCH STREQUAL "arm64")
  set(cpu aarch64)
elseif(ZC_ARCH STREQUAL "riscv64")
  set(cpu riscv64)
else()
  message(FATAL_ERROR "set -DZC_ARCH=arm64 or riscv64")
endif()
set(triplet ${cpu}-linux-gnu)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${cpu})
set(CMAKE_LIBRARY_ARCHITECTURE ${triplet})
set(CMAKE_C_COMPILER ${triplet}-gcc)

# Debian's cross gcc looks into /usr/TRIPLET, its own C library, before the sysroot: the sysroot's
# folders are put before those, or the two libraries get mixed.
set(CMAKE_C_FLAGS_INIT
    "-isystem ${CMAKE_SYSROOT}/usr/include/${triplet} -isystem ${CMAKE_SYSROOT}/usr/include")
set(folder ${CMAKE_SYSROOT}/usr/lib/${triplet})
set(CMAKE_EXE_LINKER_FLAGS_INIT "-B${folder} -L${folder} -Wl,-rpath-link,${folder}")
# binutils 2.40 (Debian 12) crashes on the static riscv64 libraries of Debian 13
if(cpu STREQUAL "riscv64" AND EXISTS /usr/lib/llvm-19/bin/ld.lld)
  string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -fuse-ld=lld -B/usr/lib/llvm-19/bin")
endif()

set(CMAKE_FIND_ROOT_PATH ${CMAKE_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-${cpu}-static -L ${CMAKE_SYSROOT})
