/* SPDX-License-Identifier: MIT */
#include "tests/unit/fault_vfs.h"

#include "proto/base/io.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR_BYTES = 512, FILE_BYTES_MAX = 64 << 20 };

/* What was done to a file since it was synced. */
struct change {
    struct change *next;
    bool is_truncation; /* to `offset` */
    sqlite3_int64 offset;
    size_t size;
    uint8_t data[];
};

struct tracked {
    struct tracked *next;
    char *path;
    struct buf durable;
    struct change *first, **last;
};

struct fault_vfs {
    sqlite3_vfs base;
    sqlite3_vfs *real;
    struct tracked *files;
    enum fault fault;
    uint64_t at, operations;
    bool fired, dead;
};

/* SQLite's handle; the real VFS's handle stands behind it. */
struct handle {
    sqlite3_file base;
    struct fault_vfs *vfs;
    struct tracked *tracked; /* NULL: a temporary file */
    sqlite3_file *real;
};

/* ---- what the disk holds --------------------------------------------------------------------- */

static void forget_changes(struct tracked *file)
{
    while (file->first) {
        struct change *next = file->first->next;
        free(file->first);
        file->first = next;
    }
    file->last = &file->first;
}

static void remember(struct tracked *file, bool is_truncation, const void *data, size_t size,
                     sqlite3_int64 offset)
{
    if (!file)
        return;
    struct change *change = mem_new(sizeof *change + size);
    change->is_truncation = is_truncation;
    change->offset = offset;
    change->size = size;
    if (size)
        memcpy(change->data, data, size);
    *file->last = change;
    file->last = &change->next;
}

/* A file may end before `size`, and then there are zeros. */
static void resize(struct buf *content, size_t size)
{
    if (size > content->size) {
        size_t more = size - content->size;
        buf_reserve(content, more);
        memset(content->data + content->size, 0, more);
    }
    content->size = size;
}

static void apply(struct buf *content, const struct change *change, size_t size)
{
    size_t offset = (size_t)change->offset;
    if (change->is_truncation) {
        if (content->size > offset)
            content->size = offset;
        return;
    }
    if (content->size < offset + size)
        resize(content, offset + size);
    if (size)
        memcpy(content->data + offset, change->data, size);
}

static uint32_t draw(uint32_t *chance)
{
    *chance ^= *chance << 13;
    *chance ^= *chance >> 17;
    *chance ^= *chance << 5;
    return *chance;
}

/* Half of the changes, the last of these torn. */
static void apply_some(struct tracked *file, uint32_t *chance)
{
    const struct change *torn = NULL;
    for (const struct change *change = file->first; change; change = change->next) {
        if (draw(chance) & 1)
            continue;
        if (torn)
            apply(&file->durable, torn, torn->size);
        torn = change;
    }
    if (torn)
        apply(&file->durable, torn,
              torn->size / SECTOR_BYTES ? draw(chance) % (torn->size / SECTOR_BYTES) * SECTOR_BYTES
                                        : 0);
}

static void settle(struct tracked *file, enum loss loss, uint32_t *chance)
{
    if (loss == LOSS_NONE)
        for (const struct change *change = file->first; change; change = change->next)
            apply(&file->durable, change, change->size);
    else if (loss == LOSS_CHANCE)
        apply_some(file, chance);
    forget_changes(file);
}

static struct tracked *track(struct fault_vfs *vfs, const char *path)
{
    for (struct tracked *file = vfs->files; file; file = file->next)
        if (!strcmp(file->path, path))
            return file;
    struct tracked *file = mem_new(sizeof *file);
    file->path = mem_text(path);
    file->last = &file->first;
    if (io_exists(path) && !io_peek_file(path, FILE_BYTES_MAX, &file->durable))
        abort();
    file->next = vfs->files;
    vfs->files = file;
    return file;
}

static void drop(struct fault_vfs *vfs, const char *path)
{
    for (struct tracked **at = &vfs->files; *at; at = &(*at)->next) {
        struct tracked *file = *at;
        if (path && strcmp(file->path, path) != 0)
            continue;
        *at = file->next;
        forget_changes(file);
        buf_release(&file->durable);
        free(file->path);
        free(file);
        return;
    }
}

void fault_vfs_restore(struct fault_vfs *vfs, enum loss loss, uint32_t chance)
{
    struct err err;
    chance = chance * 2654435761u | 1;
    while (vfs->files) {
        struct tracked *file = vfs->files;
        settle(file, loss, &chance);
        if (io_exists(file->path) &&
            io_write_file(file->path, file->durable.data, file->durable.size, 0600, false, &err))
            abort();
        drop(vfs, NULL);
    }
}

/* ---- faults ---------------------------------------------------------------------------------- */

/* Counts an operation; SQLite's error for it, or SQLITE_OK. */
static int operate(struct fault_vfs *vfs, int error)
{
    if (vfs->dead)
        return error;
    if (++vfs->operations < vfs->at || vfs->fault == FAULT_NONE)
        return SQLITE_OK;
    bool first = !vfs->fired;
    vfs->fired = true;
    if (vfs->fault == FAULT_FULL)
        return error == SQLITE_IOERR_WRITE ? SQLITE_FULL : SQLITE_OK;
    vfs->dead = vfs->fault == FAULT_CUT || vfs->fault == FAULT_SHORT;
    return first ? error : SQLITE_OK;
}

void fault_vfs_arm(struct fault_vfs *vfs, enum fault fault, uint64_t at)
{
    vfs->fault = fault;
    vfs->at = at;
    vfs->operations = 0;
    vfs->fired = vfs->dead = false;
}

uint64_t fault_vfs_operations(const struct fault_vfs *vfs)
{
    return vfs->operations;
}

bool fault_vfs_fired(const struct fault_vfs *vfs)
{
    return vfs->fired;
}

void fault_vfs_kill(struct fault_vfs *vfs)
{
    vfs->dead = true;
}

/* ---- the methods of a file --------------------------------------------------------------------
 */

static struct handle *handle_of(sqlite3_file *file)
{
    return (struct handle *)(void *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return handle_of(file)->real;
}

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
    if (handle_of(file)->vfs->dead)
        return SQLITE_IOERR_READ;
    return real_of(file)->pMethods->xRead(real_of(file), data, size, offset);
}

static int put(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    int result = real_of(file)->pMethods->xWrite(real_of(file), data, size, offset);
    if (result == SQLITE_OK)
        remember(handle_of(file)->tracked, false, data, (size_t)size, offset);
    return result;
}

static int file_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct fault_vfs *vfs = handle_of(file)->vfs;
    bool was_dead = vfs->dead;
    int error = operate(vfs, SQLITE_IOERR_WRITE);
    if (error == SQLITE_OK)
        return put(file, data, size, offset);
    if (!was_dead && vfs->fault == FAULT_SHORT)
        put(file, data, size / 2, offset);
    return error;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int error = operate(handle_of(file)->vfs, SQLITE_IOERR_TRUNCATE);
    if (error != SQLITE_OK)
        return error;
    remember(handle_of(file)->tracked, true, NULL, 0, size);
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct handle *handle = handle_of(file);
    uint32_t none = 1;
    int error = operate(handle->vfs, SQLITE_IOERR_FSYNC);
    if (error == SQLITE_OK && handle->tracked)
        settle(handle->tracked, LOSS_NONE, &none);
    return error;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int file_check_lock(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int file_control(sqlite3_file *file, int verb, void *argument)
{
    /* Growing ahead of writes would be an operation that is not seen here. */
    if (verb == SQLITE_FCNTL_SIZE_HINT || verb == SQLITE_FCNTL_CHUNK_SIZE)
        return SQLITE_OK;
    return real_of(file)->pMethods->xFileControl(real_of(file), verb, argument);
}

static int file_sector(sqlite3_file *file)
{
    (void)file;
    return SECTOR_BYTES;
}

static int file_device(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

/* Version 2: with shared memory for the WAL, without memory-mapped pages, which would write past
 * us. */
static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = file_close,
                                           .xRead = file_read,
                                           .xWrite = file_write,
                                           .xTruncate = file_truncate,
                                           .xSync = file_sync,
                                           .xFileSize = file_size,
                                           .xLock = file_lock,
                                           .xUnlock = file_unlock,
                                           .xCheckReservedLock = file_check_lock,
                                           .xFileControl = file_control,
                                           .xSectorSize = file_sector,
                                           .xDeviceCharacteristics = file_device,
                                           .xShmMap = shm_map,
                                           .xShmLock = shm_lock,
                                           .xShmBarrier = shm_barrier,
                                           .xShmUnmap = shm_unmap};

/* ---- the VFS ----------------------------------------------------------------------------------
 */

static int vfs_open(sqlite3_vfs *base, const char *path, sqlite3_file *file, int flags, int *out)
{
    struct fault_vfs *vfs = base->pAppData;
    struct handle *handle = handle_of(file);
    memset(handle, 0, sizeof *handle);
    if (vfs->dead)
        return SQLITE_CANTOPEN;
    handle->vfs = vfs;
    handle->real = (sqlite3_file *)(void *)(handle + 1);
    if (path)
        handle->tracked = track(vfs, path);
    int result = vfs->real->xOpen(vfs->real, path, handle->real, flags, out);
    if (result == SQLITE_OK)
        handle->base.pMethods = &methods;
    return result;
}

static int vfs_delete(sqlite3_vfs *base, const char *path, int sync)
{
    struct fault_vfs *vfs = base->pAppData;
    (void)sync;
    if (vfs->dead)
        return SQLITE_IOERR_DELETE;
    drop(vfs, path);
    return vfs->real->xDelete(vfs->real, path, 0);
}

struct fault_vfs *fault_vfs_create(void)
{
    struct fault_vfs *vfs = mem_new(sizeof *vfs);
    vfs->real = sqlite3_vfs_find(NULL);
    assert(vfs->real);
    vfs->base = *vfs->real;
    vfs->base.pNext = NULL;
    vfs->base.zName = "fault";
    vfs->base.pAppData = vfs;
    vfs->base.szOsFile = (int)sizeof(struct handle) + vfs->real->szOsFile;
    vfs->base.xOpen = vfs_open;
    vfs->base.xDelete = vfs_delete;
    sqlite3_vfs_register(&vfs->base, 1);
    return vfs;
}

void fault_vfs_destroy(struct fault_vfs *vfs)
{
    sqlite3_vfs_unregister(&vfs->base);
    sqlite3_vfs_register(vfs->real, 1);
    while (vfs->files)
        drop(vfs, NULL);
    free(vfs);
}
