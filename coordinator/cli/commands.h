/* SPDX-License-Identifier: MIT */
/* commands.h - the handlers in the table of commands, one file per command or family (cmd_*.c).
 * Each prints its own errors and returns the exit code. */
#ifndef FARM_CLI_COMMANDS_H
#define FARM_CLI_COMMANDS_H

#include "coordinator/cli/command.h"

enum exit_code cmd_init(struct invocation *invocation);
enum exit_code cmd_project_add(struct invocation *invocation);
enum exit_code cmd_up(struct invocation *invocation);
enum exit_code cmd_down(struct invocation *invocation);
enum exit_code cmd_config_check(struct invocation *invocation);
enum exit_code cmd_config_explain(struct invocation *invocation);
enum exit_code cmd_matrix(struct invocation *invocation);
enum exit_code cmd_plan(struct invocation *invocation);
enum exit_code cmd_rebuild(struct invocation *invocation);
enum exit_code cmd_build(struct invocation *invocation);
enum exit_code cmd_status(struct invocation *invocation);
enum exit_code cmd_watch(struct invocation *invocation);
enum exit_code cmd_runs(struct invocation *invocation);
enum exit_code cmd_logs(struct invocation *invocation);
enum exit_code cmd_why(struct invocation *invocation);
enum exit_code cmd_retry(struct invocation *invocation);
enum exit_code cmd_publish(struct invocation *invocation);
enum exit_code cmd_settle(struct invocation *invocation);
enum exit_code cmd_release(struct invocation *invocation);
enum exit_code cmd_cancel(struct invocation *invocation);
enum exit_code cmd_pause(struct invocation *invocation);
enum exit_code cmd_resume(struct invocation *invocation);
enum exit_code cmd_worker_list(struct invocation *invocation);
enum exit_code cmd_worker_add(struct invocation *invocation);
enum exit_code cmd_worker_upgrade(struct invocation *invocation);
enum exit_code cmd_worker_tunnel(struct invocation *invocation);
enum exit_code cmd_worker_start(struct invocation *invocation);
enum exit_code cmd_worker_smoke(struct invocation *invocation);
enum exit_code cmd_worker_clean(struct invocation *invocation);
enum exit_code cmd_worker_drain(struct invocation *invocation);
enum exit_code cmd_worker_resume(struct invocation *invocation);
enum exit_code cmd_worker_remove(struct invocation *invocation);
enum exit_code cmd_notice_list(struct invocation *invocation);
enum exit_code cmd_notice_test(struct invocation *invocation);
enum exit_code cmd_ledger(struct invocation *invocation);
enum exit_code cmd_secret_set(struct invocation *invocation);
enum exit_code cmd_token_create(struct invocation *invocation);
enum exit_code cmd_token_list(struct invocation *invocation);
enum exit_code cmd_token_revoke(struct invocation *invocation);
enum exit_code cmd_join(struct invocation *invocation);
enum exit_code cmd_key_add(struct invocation *invocation);
enum exit_code cmd_key_list(struct invocation *invocation);
enum exit_code cmd_key_revoke(struct invocation *invocation);
enum exit_code cmd_backup(struct invocation *invocation);
enum exit_code cmd_restore(struct invocation *invocation);
enum exit_code cmd_move(struct invocation *invocation);
enum exit_code cmd_help(struct invocation *invocation);

#endif
