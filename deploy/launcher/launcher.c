/* SPDX-License-Identifier: MIT */
/* launcher.c - what a bundle has in bin/ under the name of each of its programs: runs the program
 * of that name in ../lib with the loader and the libc of ../lib, so that the host needs neither
 * (docs/adr/0016-own-libc.md).
 *
 * Does what the kernel does for a program that names a loader (PT_INTERP): maps the program and the
 * loader, says in the auxiliary vector where they are, and jumps to the loader. There is no second
 * execve, so the process keeps its name, its arguments and its environment, and /proc/self/exe is
 * this file: a program that starts itself again starts here.
 *
 * Freestanding: it uses no libc and no thread-local storage, because the loader and the libc of the
 * bundle set up the process, once. It does not handle what our programs are not:
 * position-dependent programs, and segments that need an alignment of more than a page.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { HEADER_BYTES = 4096, NAME_BYTES = 64, EXIT_CANNOT_RUN = 127 };

/* ---- the processor --------------------------------------------------------------------------- */

/* The process starts at _start with the stack that the kernel made; `launch` returns the address at
 * which the loader starts, with the same stack. */
uintptr_t launch(uintptr_t *stack);

#if defined __x86_64__
static const char loader_name[] = "ld-linux-x86-64.so.2";

__asm__(".globl _start\n"
        "_start:\n"
        "	xor %ebp, %ebp\n"
        "	mov %rsp, %rbx\n"
        "	mov %rsp, %rdi\n"
        "	and $-16, %rsp\n"
        "	call launch\n"
        "	mov %rbx, %rsp\n"
        "	xor %edx, %edx\n" /* no function to call at exit */
        "	jmp *%rax\n");

static long call_kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined __aarch64__
static const char loader_name[] = "ld-linux-aarch64.so.1";

__asm__(".globl _start\n"
        "_start:\n"
        "	mov x29, #0\n"
        "	mov x30, #0\n"
        "	mov x19, sp\n"
        "	mov x0, sp\n"
        "	bl launch\n"
        "	mov x16, x0\n"
        "	mov sp, x19\n"
        "	mov x0, #0\n" /* no function to call at exit */
        "	br x16\n");

static long call_kernel(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "no launcher for this processor"
#endif

/* ---- texts ----------------------------------------------------------------------------------- */

static size_t text_size(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    return size;
}

static char *text_add(char *end, const char *text)
{
    while (*text)
        *end++ = *text++;
    *end = '\0';
    return end;
}

static void complain(const char *text)
{
    call_kernel(SYS_write, 2, (long)text, (long)text_size(text), 0, 0, 0);
}

__attribute__((noreturn)) static void die(const char *why, const char *path)
{
    complain(why);
    complain(path);
    complain("\n");
    for (;;)
        call_kernel(SYS_exit_group, EXIT_CANNOT_RUN, 0, 0, 0, 0, 0);
}

/* ---- mapping --------------------------------------------------------------------------------- */

struct image {
    const char *path;
    int fd;
    size_t page;
    uintptr_t base;            /* to add to the addresses in the file */
    const Elf64_Phdr *headers; /* of the file, `count` of them */
    size_t count;
    uintptr_t entry;
    uintptr_t mapped_headers; /* where the process has them; 0: nowhere */
};

static uintptr_t page_down(const struct image *image, uintptr_t address)
{
    return address & ~(uintptr_t)(image->page - 1);
}

static uintptr_t page_up(const struct image *image, uintptr_t address)
{
    return page_down(image, address + image->page - 1);
}

static uintptr_t map(const struct image *image, uintptr_t at, size_t size, long protection,
                     long flags, uintptr_t offset)
{
    long fd = flags & MAP_ANONYMOUS ? -1 : image->fd;
    long got = call_kernel(SYS_mmap, (long)at, (long)size, protection, MAP_PRIVATE | flags, fd,
                           (long)offset);
    if (got < 0 && got > -HEADER_BYTES) /* an errno */
        die("cannot map ", image->path);
    return (uintptr_t)got;
}

/* Maps one segment over the reserved addresses. What it has in memory beyond its part of the file
 * is zero: the rest of the last page of the file, to its end, because the loader allocates there,
 * and pages of no file. */
static void map_segment(const struct image *image, const Elf64_Phdr *segment)
{
    long protection = (segment->p_flags & PF_R ? PROT_READ : 0) |
                      (segment->p_flags & PF_W ? PROT_WRITE : 0) |
                      (segment->p_flags & PF_X ? PROT_EXEC : 0);
    uintptr_t begin = image->base + segment->p_vaddr, first = page_down(image, begin);
    uintptr_t file_end = begin + segment->p_filesz, end = begin + segment->p_memsz;
    uintptr_t file_pages_end = page_up(image, file_end);
    if (segment->p_filesz)
        map(image, first, file_end - first, protection, MAP_FIXED,
            segment->p_offset - (begin - first));
    if (end <= file_end)
        return;
    for (volatile char *at = (volatile char *)file_end; (uintptr_t)at < file_pages_end; at++)
        *at = 0;
    if (end > file_pages_end)
        map(image, file_pages_end, page_up(image, end) - file_pages_end, protection,
            MAP_FIXED | MAP_ANONYMOUS, 0);
}

/* Reserves one range for all segments, so that their distances are those of the file. */
static void map_segments(struct image *image)
{
    uintptr_t end = 0;
    for (size_t i = 0; i < image->count; i++)
        if (image->headers[i].p_type == PT_LOAD)
            end = page_up(image, image->headers[i].p_vaddr + image->headers[i].p_memsz);
    if (!end)
        die("nothing to load in ", image->path);
    image->base = map(image, 0, end, PROT_NONE, MAP_ANONYMOUS, 0);
    for (size_t i = 0; i < image->count; i++)
        if (image->headers[i].p_type == PT_LOAD)
            map_segment(image, &image->headers[i]);
        else if (image->headers[i].p_type == PT_PHDR)
            image->mapped_headers = image->base + image->headers[i].p_vaddr;
}

static void load(struct image *image)
{
    static union {
        Elf64_Ehdr elf;
        char bytes[HEADER_BYTES];
    } file;
    image->fd =
        (int)call_kernel(SYS_openat, AT_FDCWD, (long)image->path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (image->fd < 0)
        die("cannot open ", image->path);
    long got = call_kernel(SYS_read, image->fd, (long)file.bytes, HEADER_BYTES, 0, 0, 0);
    if (got < (long)sizeof file.elf || file.elf.e_ident[EI_MAG0] != ELFMAG0 ||
        file.elf.e_ident[EI_MAG1] != ELFMAG1 || file.elf.e_type != ET_DYN ||
        file.elf.e_phentsize != sizeof(Elf64_Phdr) ||
        file.elf.e_phoff + file.elf.e_phnum * sizeof(Elf64_Phdr) > (size_t)got)
        die("not a program of this bundle: ", image->path);
    image->headers = (const Elf64_Phdr *)(file.bytes + file.elf.e_phoff);
    image->count = file.elf.e_phnum;
    map_segments(image);
    image->entry = image->base + file.elf.e_entry;
    call_kernel(SYS_close, image->fd, 0, 0, 0, 0, 0);
}

/* ---- launching ------------------------------------------------------------------------------- */

/* The auxiliary vector follows the arguments and the environment, each of which ends with NULL. */
static Elf64_auxv_t *find_vector(uintptr_t *stack)
{
    uintptr_t *at = stack + 1 + *stack + 1;
    while (*at)
        at++;
    return (Elf64_auxv_t *)(at + 1);
}

static uint64_t *value_of(Elf64_auxv_t *vector, uint64_t type)
{
    for (; vector->a_type != AT_NULL; vector++)
        if (vector->a_type == type)
            return &vector->a_un.a_val;
    die("the kernel gave no auxiliary vector", "");
}

/* Sets `path` to the file `name` of the bundle; the path of this program is in `self`, up to the
 * slash before its name. */
static void name_file(char *path, const char *self, const char *name)
{
    text_add(text_add(text_add(path, self), "/../lib/"), name);
}

uintptr_t launch(uintptr_t *stack)
{
    static char self[PATH_MAX], path[PATH_MAX + NAME_BYTES];
    Elf64_auxv_t *vector = find_vector(stack);
    long size = call_kernel(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)self,
                            sizeof self - 1, 0, 0);
    while (size > 0 && self[size] != '/')
        size--;
    const char *name = self + size + 1;
    if (size <= 0 || text_size(name) >= NAME_BYTES - sizeof "/../lib/")
        die("cannot read /proc/self/exe", "");
    self[size] = '\0';

    struct image program = {.path = path, .page = *value_of(vector, AT_PAGESZ)};
    name_file(path, self, name);
    load(&program);
    if (!program.mapped_headers)
        die("not a program of this bundle: ", path);
    *value_of(vector, AT_PHDR) = program.mapped_headers;
    *value_of(vector, AT_PHNUM) = program.count;
    *value_of(vector, AT_ENTRY) = program.entry;

    struct image loader = {.path = path, .page = program.page};
    name_file(path, self, loader_name);
    load(&loader);
    *value_of(vector, AT_BASE) = loader.base;
    return loader.entry;
}
