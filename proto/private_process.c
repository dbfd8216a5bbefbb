/* SPDX-License-Identifier: MIT */
#include "proto/private_process.h"

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void private_process_begin(void)
{
    struct rlimit cores;
    /* The hard limit stays: a build, which inherits both, may want a core of its own. */
    if (getrlimit(RLIMIT_CORE, &cores) == 0) {
        cores.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &cores);
    }
    /* Also where cores go to a program, which the limit does not stop. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* operator delete, which in these programs only libzmq calls. The linker prefers a program's own
 * function to that of libstdc++. Sanitizers have their own and must see each block. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER_OWNS_DELETE 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_OWNS_DELETE 1
#endif

#ifndef SANITIZER_OWNS_DELETE
void _ZdlPv(void *memory);
void _ZdlPvm(void *memory, size_t size);

void _ZdlPv(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void _ZdlPvm(void *memory, size_t size)
{
    (void)size;
    _ZdlPv(memory);
}
#endif
