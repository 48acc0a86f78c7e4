# Language, warnings, hardening and sanitizers, for every target, as the interface target zc_flags.
include(CheckCCompilerFlag)
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
target_compile_definitions(zc_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_compile_options(zc_flags INTERFACE
  -Wall -Wextra -Wshadow -Wundef -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
  -Wimplicit-fallthrough -Wvla -Wpointer-arith -Wwrite-strings -Wold-style-definition
  -fno-strict-aliasing -fno-strict-overflow -fno-delete-null-pointer-checks
  -ffunction-sections -fdata-sections)
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
  target_compile_options(zc_flags INTERFACE -Wmissing-variable-declarations)
endif()
if(ZC_WERROR)
  target_compile_options(zc_flags INTERFACE -Werror)
endif()

if(ZC_SANITIZE)
  target_compile_options(zc_flags INTERFACE -fsanitize=${ZC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(zc_flags INTERFACE -fsanitize=${ZC_SANITIZE})
else()
  # OpenSSF's hardening guide, as far as this compiler knows it
  foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
          -ftrivial-auto-var-init=zero)
    string(MAKE_C_IDENTIFIER "ZC_CC${flag}" known)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
      target_compile_options(zc_flags INTERFACE ${flag})
    endif()
  endforeach()
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    target_compile_options(zc_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  target_link_options(zc_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections)
  if(ZC_STATIC)
    set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
  else()
    target_link_options(zc_flags INTERFACE -pie)
  endif()
endif()
