# Language, warnings, hardening and sanitizers, for every target, as the interface target zc_flags.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" ZC_ISA)
if(ZC_ISA STREQUAL "amd64")
  set(ZC_ISA x86_64)
elseif(ZC_ISA STREQUAL "arm64")
  set(ZC_ISA aarch64)
endif()

add_library(zc_flags INTERFACE)

# zc_flags_known(FLAG...): those of them that this compiler knows for this target
function(zc_flags_known)
  set(CMAKE_REQUIRED_FLAGS -Werror)
  foreach(flag ${ARGN})
    string(MAKE_C_IDENTIFIER "ZC_CC${flag}" known)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
      target_compile_options(zc_flags INTERFACE ${flag})
    endif()
  endforeach()
endfunction()

target_compile_definitions(zc_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_compile_options(zc_flags INTERFACE
  -Wall -Wextra -Wshadow -Wundef -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
  -Wimplicit-fallthrough -Wvla -Wpointer-arith -Wwrite-strings -Wold-style-definition
  -Wconversion -Wsign-conversion
  -fno-strict-aliasing -fno-strict-overflow -fno-delete-null-pointer-checks
  -ffunction-sections -fdata-sections)
zc_flags_known(-Walloca -Wtrampolines -Wlogical-op -Wduplicated-cond)
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
  target_compile_options(zc_flags INTERFACE -Wmissing-variable-declarations)
endif()
if(ZC_WERROR)
  target_compile_options(zc_flags INTERFACE -Werror)
endif()

if(ZC_FUZZ)
  target_compile_options(zc_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(ZC_SANITIZE)
  target_compile_options(zc_flags INTERFACE -fsanitize=${ZC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(zc_flags INTERFACE -fsanitize=${ZC_SANITIZE})
else()
  # OpenSSF's hardening guide; "test/tidy/run harden" reads in the program what came of it. Without
  # nodlopen: that is for shared objects, an executable cannot be loaded into another program anyway.
  zc_flags_known(-fstack-protector-strong -fstack-clash-protection -fcf-protection=full
                 -mbranch-protection=standard -ftrivial-auto-var-init=zero -fstrict-flex-arrays=3)
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    # C libraries that know no 3 take it for 2. No directory of the building machine gets into the program.
    target_compile_options(zc_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
      -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)
  endif()
  target_link_options(zc_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack,-z,text -Wl,--gc-sections)
  if(NOT ZC_STATIC)
    target_link_options(zc_flags INTERFACE -pie)
  endif()
endif()
