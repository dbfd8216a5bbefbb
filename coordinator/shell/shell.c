/* SPDX-License-Identifier: MIT */
#include "coordinator/shell/shell.h"

#include "coordinator/storage/journal.h"
#include "proto/base/log.h"

#include <unistd.h>

_Noreturn void shell_give_up(const struct shell *shell, const char *what, const struct err *err)
{
    log_error("%s: %s; the coordinator stops; it continues from the journal when it is restarted",
              what, err->text);
    _exit(journal_lacks_room(shell->journal) ? FARMD_NO_ROOM : FARMD_GAVE_UP);
}

void shell_step(struct shell *shell, struct input *input)
{
    input->now_ms = shell->now_ms;
    input->wall_ms = shell->wall_ms;
    size_t first = shell->outcome.record_count;
    farm_step(shell->farm, input, &shell->outcome);
    struct err err;
    for (size_t i = first; i < shell->outcome.record_count; i++) {
        uint64_t sequence;
        if (journal_append(shell->journal, &shell->outcome.records[i], &sequence, &err))
            shell_give_up(shell, "cannot write a record", &err);
        shell->sequence = sequence ? sequence : shell->sequence; /* 0: a passing record */
    }
}

char *shell_path(struct shell *shell, const char *name)
{
    return arena_print(&shell->arena, "%s/%s", shell->home, name);
}
