# SPDX-License-Identifier: MIT
#
# Writes HEADER with the commit of SOURCE_DIR, at each build but only when it changed, so that one
# file is compiled again. "unknown" where there is no git repository; "-dirty" with local changes.
# usage: cmake -DSOURCE_DIR=DIR -DHEADER=FILE -P FarmCommit.cmake
execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude *
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
set(text "/* SPDX-License-Identifier: MIT */\n#define FARM_COMMIT \"${commit}\"\n")
set(old "")
if(EXISTS ${HEADER})
  file(READ ${HEADER} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${HEADER} "${text}")
endif()
