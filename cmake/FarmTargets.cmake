# SPDX-License-Identifier: MIT
#
# What all our targets share: `farm_options` (warnings, include path, sanitizers) and the small
# functions with which the folders declare their libraries and programs.

include(CheckCCompilerFlag)

add_library(farm_options INTERFACE)
target_compile_definitions(farm_options INTERFACE _GNU_SOURCE FARM_VERSION="${PROJECT_VERSION}")
# Sources are included as "proto/base/err.h", generated ones as "proto/wire.pb-c.h".
target_include_directories(farm_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_options(farm_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wswitch-enum -Wmissing-prototypes -Wstrict-prototypes
  -Wpointer-arith -Wwrite-strings -Wvla -Wundef
  $<$<BOOL:${FARM_WERROR}>:-Werror>
  # Cutting a text at the size of its buffer is what snprintf is used for here.
  $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
  -fno-common)
# Archives pull in only what is used; so should shared libraries.
target_link_options(farm_options INTERFACE -Wl,--as-needed)

# Hardening, where the compiler knows it for this processor. tests/lint/hardening.sh looks at what was built.
set(FARM_HARDENING "")
foreach(option -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
    -mbranch-protection=standard)
  string(MAKE_C_IDENTIFIER "FARM_HAS${option}" known)
  check_c_compiler_flag("-Werror ${option}" ${known})
  if(${known})
    list(APPEND FARM_HARDENING ${option})
  endif()
endforeach()
target_compile_options(farm_options INTERFACE ${FARM_HARDENING})
target_link_options(farm_options INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
# Programs are linked as what CMAKE_POSITION_INDEPENDENT_CODE compiles them as.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

if(FARM_SANITIZE)
  target_compile_options(farm_options INTERFACE
    -fsanitize=${FARM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(farm_options INTERFACE -fsanitize=${FARM_SANITIZE})
elseif(CMAKE_BUILD_TYPE MATCHES "^Rel")
  # Some distributions define another level by default. A libc or compiler that knows no level 3 takes 2.
  target_compile_options(farm_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(FARM_COVERAGE)
  target_compile_options(farm_options INTERFACE --coverage)
  target_link_options(farm_options INTERFACE --coverage)
endif()

# farm_sources(OUT pattern... [EXCEPT name...]): the *.c of this folder, found anew at each build.
function(farm_sources out)
  cmake_parse_arguments(arg "" "" "EXCEPT" ${ARGN})
  file(GLOB found CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${arg_UNPARSED_ARGUMENTS})
  if(arg_EXCEPT)
    list(REMOVE_ITEM found ${arg_EXCEPT})
  endif()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# farm_library(NAME SOURCES file... LINK target...): a static library of ours; nothing without sources.
function(farm_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  if(NOT arg_SOURCES)
    return()
  endif()
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC farm_options)
  farm_link(${name} ${arg_LINK})
endfunction()

# farm_program(NAME SOURCES file... LINK target...): a program of ours; nothing while a source lacks.
function(farm_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  foreach(source IN LISTS arg_SOURCES)
    file(GLOB there CONFIGURE_DEPENDS ${source})
    if(NOT there)
      return()
    endif()
  endforeach()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE farm_options)
  farm_link(${name} ${arg_LINK})
endfunction()

# farm_link(NAME target...): links those of our targets that are part of this build.
function(farm_link name)
  get_target_property(type ${name} TYPE)
  set(scope PUBLIC)
  if(type STREQUAL EXECUTABLE)
    set(scope PRIVATE)
  endif()
  foreach(wanted ${ARGN})
    if(TARGET ${wanted} OR NOT wanted MATCHES "^farm_")
      target_link_libraries(${name} ${scope} ${wanted})
    endif()
  endforeach()
endfunction()

# farm_finds_libraries(NAME...): in a bundle a program's libraries lie in ../lib. DT_RPATH, which holds
# for the libraries' libraries, too.
function(farm_finds_libraries)
  foreach(name ${ARGN})
    if(TARGET ${name})
      set_target_properties(${name} PROPERTIES BUILD_RPATH "$ORIGIN/../lib")
      target_link_options(${name} PRIVATE -Wl,--disable-new-dtags)
    endif()
  endforeach()
endfunction()

# farm_schema(OUT proto/X.proto): C for a schema, made in the build folder by protoc-c.
# OUT is the source to compile; its header is included as "proto/X.pb-c.h".
function(farm_schema out schema)
  find_program(FARM_PROTOC_C protoc-c REQUIRED)
  string(REGEX REPLACE "\\.proto$" ".pb-c" stem ${schema})
  set(base ${PROJECT_BINARY_DIR}/${stem})
  add_custom_command(
    OUTPUT ${base}.c ${base}.h
    COMMAND ${FARM_PROTOC_C} --c_out=${PROJECT_BINARY_DIR} -I${PROJECT_SOURCE_DIR}
            ${PROJECT_SOURCE_DIR}/${schema}
    DEPENDS ${PROJECT_SOURCE_DIR}/${schema}
    VERBATIM)
  # Generated code is not held to our warnings.
  set_source_files_properties(${base}.c PROPERTIES COMPILE_OPTIONS "-w")
  set(${out} ${base}.c PARENT_SCOPE)
endfunction()
