/* SPDX-License-Identifier: MIT */
/* JSON that a coordinator answers, of another version or broken, as the CLI shows it. */
#include "coordinator/cli/screen/run_text.h"
#include "tests/fuzz/fuzz.h"

#include "coordinator/cli/screen/events.h"
#include "coordinator/cli/screen/grid.h"
#include "coordinator/cli/screen/page.h"

static void show(const json_t *body, struct buf *out)
{
    const json_t *run = json_object_get(body, "run");
    struct teller *teller = teller_create();
    size_t index;
    json_t *event;
    grid_print(run, false, out);
    run_print_counts(run, true, out);
    run_print_failures(run, false, out);
    run_print_waits(run, true, out);
    page_print(&(struct page){24, 80, true}, body, out);
    run_summary(run, out);
    run_is_over(run);
    run_waits(run);
    teller_learn(teller, run, json_object_get(body, "workers"));
    json_array_foreach(json_object_get(body, "events"), index, event)
        teller_tell(teller, event, 0, out);
    teller_destroy(teller);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = {0};
    json_t *body = json_loadb((const char *)data, size, 0, NULL);
    if (body)
        show(body, &out);
    json_decref(body);
    buf_release(&out);
    return 0;
}
