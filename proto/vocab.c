/* SPDX-License-Identifier: MIT */
/* vocab.c - the names and shapes of what vocab.h declares.
 *
 * One row per field, in the order of the struct. A new field is a row here, a member in vocab.h and
 * a field in wire.proto; codec_bind asserts that the three agree. Pure.
 */
#include "proto/vocab.h"

/* ---- names, by value ---------------------------------------------------------------------- */

const char *const phase_names[] = {"none", "checkout", "build", "check", "publish", NULL};
const char *const role_names[] = {"none", "viewer", "operator", "admin", "worker", NULL};
const char *const isolation_names[] = {"unknown", "none",       "namespaces",
                                       "users",   "users-only", NULL};
const char *const nix_sandbox_names[] = {"unknown", "off", "on", NULL};
const char *const builder_names[] = {"none", "flox", "nix", "command", NULL};
const char *const target_kind_names[] = {"none", "flox", "nix-cache", "command", NULL};
const char *const check_mode_names[] = {"auto", "required", "off", NULL};
const char *const checked_names[] = {"none", "cpu", "gpu", NULL};
const char *const collisions_names[] = {"refuse", "newest", "versions", "order", NULL};
const char *const verdict_names[] = {"none",    "ok",      "failed",     "timed-out",  "cancelled",
                                     "skipped", "blocked", "unroutable", "superseded", NULL};
const char *const outcome_names[] = {"none", "ok", "failed", "stopped", "lost", "refused", NULL};
const char *const cause_names[] = {"none",      "oom",     "disk-full", "silent",   "timeout",
                                   "host-lost", "network", "store",     "eval",     "wrong-host",
                                   "auth",      "denied",  "config",    "publish",  "stale",
                                   "check",     "compile", "unknown",   "hardware", NULL};
const char *const witness_names[] = {"none", "kernel", "sandbox", "trusted", "probe", NULL};
const char *const item_state_names[] = {"none", "accepted", "running", "ended", NULL};
const char *const order_kind_names[] = {"none", "offer", "stop", "forget", "grant", NULL};

/* ---- shared structs ------------------------------------------------------------------------ */

static const struct field token_fields[] = {
    SHAPE_FIELD(struct token, U32, epoch),
    SHAPE_FIELD(struct token, U64, number),
};
const struct shape token_shape = SHAPE(struct token, token_fields);

static const struct field variant_fields[] = {
    SHAPE_FIELD(struct variant, TEXT, project), SHAPE_FIELD(struct variant, TEXT, branch),
    SHAPE_FIELD(struct variant, TEXT, commit),  SHAPE_FIELD(struct variant, TEXT, package),
    SHAPE_FIELD(struct variant, TEXT, system),  SHAPE_FIELD(struct variant, TEXT, gpu),
    SHAPE_FIELD(struct variant, TEXT, isa),     SHAPE_FIELD(struct variant, TEXT, cuda),
    SHAPE_FIELD(struct variant, TEXT, python),
};
const struct shape variant_shape = SHAPE(struct variant, variant_fields);

static const struct field target_fields[] = {
    SHAPE_ENUM(struct target, kind, target_kind_names), SHAPE_FIELD(struct target, TEXT, name),
    SHAPE_FIELD(struct target, TEXT, location),         SHAPE_FIELD(struct target, TEXT, secret),
    SHAPE_FIELD(struct target, FLAG, no_rebuild),
};
const struct shape target_shape = SHAPE(struct target, target_fields);

static const struct field recipe_fields[] = {
    SHAPE_ENUM(struct recipe, builder, builder_names),
    SHAPE_FIELD(struct recipe, TEXT, url),
    SHAPE_FIELD(struct recipe, TEXT, path),
    SHAPE_FIELD(struct recipe, TEXT, command),
    SHAPE_FIELD(struct recipe, FLAG, checkout),
    SHAPE_ENUM(struct recipe, check, check_mode_names),
    SHAPE_FIELD(struct recipe, FLAG, has_check),
    SHAPE_FIELD(struct recipe, U64, wall_ms),
    SHAPE_FIELD(struct recipe, U64, silence_ms),
    SHAPE_FIELD(struct recipe, TEXT, bundle),
    SHAPE_FIELD(struct recipe, TEXT, rules),
    SHAPE_FIELD(struct recipe, TEXT, evaluate),
    SHAPE_ENUM(struct recipe, tool, builder_names),
    SHAPE_FIELD(struct recipe, TEXT, upkeep),
    SHAPE_FIELD(struct recipe, FLAG, restrict_eval),
    SHAPE_FIELD(struct recipe, TEXT, allowed_uris),
};
const struct shape recipe_shape = SHAPE(struct recipe, recipe_fields);

static const struct field needs_fields[] = {
    SHAPE_FIELD(struct needs, FLAG, heavy),
    SHAPE_FIELD(struct needs, U64, memory_bytes),
    SHAPE_FIELD(struct needs, U64, disk_bytes),
    SHAPE_FIELD(struct needs, FLAG, nix_sandbox),
};
const struct shape needs_shape = SHAPE(struct needs, needs_fields);

static const struct field inputs_fields[] = {
    SHAPE_FIELD(struct inputs, TEXT, hash),
    SHAPE_FIELD(struct inputs, FLAG, pinned),
};
const struct shape inputs_shape = SHAPE(struct inputs, inputs_fields);

static const struct field claim_fields[] = {
    SHAPE_ENUM(struct claim, policy, collisions_names),
    SHAPE_FIELD(struct claim, FLAG, wins),
    SHAPE_FIELD(struct claim, U32, rank),
    SHAPE_FIELD(struct claim, TEXT, line),
    SHAPE_FIELD(struct claim, U64, depth),
    SHAPE_FIELD(struct claim, TEXT, diverged),
    SHAPE_FIELD(struct claim, FLAG, supersedes),
    SHAPE_FIELD(struct claim, TEXT, over),
    SHAPE_FIELD(struct claim, TEXT, lost),
};
const struct shape claim_shape = SHAPE(struct claim, claim_fields);

static const struct field plan_item_fields[] = {
    SHAPE_STRUCT(struct plan_item, variant, variant_shape),
    SHAPE_STRUCT(struct plan_item, recipe, recipe_shape),
    SHAPE_STRUCT(struct plan_item, needs, needs_shape),
    SHAPE_STRUCT(struct plan_item, inputs, inputs_shape),
    SHAPE_STRUCT(struct plan_item, target, target_shape),
    SHAPE_STRUCT(struct plan_item, claim, claim_shape),
    SHAPE_FIELD(struct plan_item, TEXT, problem),
};
const struct shape plan_item_shape = SHAPE(struct plan_item, plan_item_fields);

static const struct field filesystem_fields[] = {
    SHAPE_FIELD(struct filesystem, TEXT, id),
    SHAPE_FIELD(struct filesystem, FLAG, is_store),
    SHAPE_FIELD(struct filesystem, FLAG, is_build),
    SHAPE_FIELD(struct filesystem, FLAG, is_state),
    SHAPE_FIELD(struct filesystem, U64, free_bytes),
    SHAPE_FIELD(struct filesystem, U64, total_bytes),
};
const struct shape filesystem_shape = SHAPE(struct filesystem, filesystem_fields);

static const struct field gpu_fields[] = {
    SHAPE_FIELD(struct gpu, TEXT, name),
    SHAPE_FIELD(struct gpu, TEXT, compute),
};
const struct shape gpu_shape = SHAPE(struct gpu, gpu_fields);

static const struct field pressure_fields[] = {
    SHAPE_FIELD(struct pressure, U32, cpu_some),
    SHAPE_FIELD(struct pressure, U32, memory_full),
    SHAPE_FIELD(struct pressure, U32, io_full),
};
const struct shape pressure_shape = SHAPE(struct pressure, pressure_fields);

static const struct field capabilities_fields[] = {
    SHAPE_FIELD(struct capabilities, TEXT, hostname),
    SHAPE_FIELD(struct capabilities, TEXT, machine_id),
    SHAPE_TEXTS(struct capabilities, systems),
    SHAPE_TEXTS(struct capabilities, features),
    SHAPE_TEXTS(struct capabilities, builders),
    SHAPE_LIST(struct capabilities, gpus, gpu_shape),
    SHAPE_LIST(struct capabilities, filesystems, filesystem_shape),
    SHAPE_FIELD(struct capabilities, U32, cores),
    SHAPE_FIELD(struct capabilities, U64, memory_bytes),
    SHAPE_FIELD(struct capabilities, U32, slots),
    SHAPE_FIELD(struct capabilities, U32, heavy_slots),
    SHAPE_FIELD(struct capabilities, FLAG, may_publish),
    SHAPE_FIELD(struct capabilities, TEXT, git_version),
    SHAPE_FIELD(struct capabilities, TEXT, problem),
    SHAPE_ENUM(struct capabilities, isolation, isolation_names),
    SHAPE_FIELD(struct capabilities, TEXT, isolation_why),
    SHAPE_FIELD(struct capabilities, FLAG, restricts_eval),
    SHAPE_ENUM(struct capabilities, nix_sandbox, nix_sandbox_names),
};
const struct shape capabilities_shape = SHAPE(struct capabilities, capabilities_fields);

static const struct field exit_facts_fields[] = {
    SHAPE_FIELD(struct exit_facts, I64, status),
    SHAPE_FIELD(struct exit_facts, U32, signal),
    SHAPE_FIELD(struct exit_facts, U32, oom_kills),
    SHAPE_FIELD(struct exit_facts, U64, free_bytes),
    SHAPE_FIELD(struct exit_facts, U64, cpu_ms),
    SHAPE_FIELD(struct exit_facts, U64, memory_peak),
    SHAPE_FIELD(struct exit_facts, U64, wall_ms),
    SHAPE_FIELD(struct exit_facts, FLAG, timed_out),
    SHAPE_FIELD(struct exit_facts, FLAG, silent),
    SHAPE_FIELD(struct exit_facts, U64, disk_bytes),
    SHAPE_FIELD(struct exit_facts, U32, daemon_oom_kills),
    SHAPE_FIELD(struct exit_facts, FLAG, daemon_restarted),
    SHAPE_FIELD(struct exit_facts, U32, memory_stall),
    SHAPE_FIELD(struct exit_facts, U32, io_stall),
};
const struct shape exit_facts_shape = SHAPE(struct exit_facts, exit_facts_fields);

static const struct field product_fields[] = {
    SHAPE_FIELD(struct product, TEXT, derivation),
    SHAPE_TEXTS(struct product, paths),
    SHAPE_ENUM(struct product, checked, checked_names),
    SHAPE_FIELD(struct product, TEXT, unchecked),
    SHAPE_ENUM(struct product, isolation, isolation_names),
};
const struct shape product_shape = SHAPE(struct product, product_fields);

static const struct field item_fields[] = {
    SHAPE_STRUCT(struct item, token, token_shape),
    SHAPE_FIELD(struct item, FLAG, is_publication),
    SHAPE_ENUM(struct item, state, item_state_names),
    SHAPE_ENUM(struct item, phase, phase_names),
    SHAPE_FIELD(struct item, U64, log_bytes),
    SHAPE_FIELD(struct item, U64, started_at_ms),
    SHAPE_ENUM(struct item, outcome, outcome_names),
    SHAPE_ENUM(struct item, cause, cause_names),
    SHAPE_FIELD(struct item, TEXT, detail),
    SHAPE_ENUM(struct item, failed_phase, phase_names),
    SHAPE_STRUCT(struct item, facts, exit_facts_shape),
    SHAPE_STRUCT(struct item, product, product_shape),
    SHAPE_FIELD(struct item, FLAG, already_published),
    SHAPE_FIELD(struct item, FLAG, rebuilt),
    SHAPE_FIELD(struct item, FLAG, unsure),
    SHAPE_STRUCT(struct item, variant, variant_shape),
    SHAPE_FIELD(struct item, U64, signature),
    SHAPE_FIELD(struct item, TEXT, lines),
    SHAPE_ENUM(struct item, stop_cause, cause_names),
    SHAPE_FIELD(struct item, U64, stop_at_ms),
    SHAPE_FIELD(struct item, TEXT, warning),
    SHAPE_ENUM(struct item, witness, witness_names),
};
const struct shape item_shape = SHAPE(struct item, item_fields);

/* ---- worker -> coordinator ---------------------------------------------------------------- */

static const struct field hello_fields[] = {
    SHAPE_FIELD(struct hello, U32, major),
    SHAPE_FIELD(struct hello, U32, minor),
    SHAPE_FIELD(struct hello, TEXT, program),
    SHAPE_FIELD(struct hello, TEXT, instance),
    SHAPE_FIELD(struct hello, TEXT, boot_id),
    SHAPE_FIELD(struct hello, U64, at_ms),
    SHAPE_STRUCT(struct hello, capabilities, capabilities_shape),
    SHAPE_LIST(struct hello, items, item_shape),
};
const struct shape hello_shape = SHAPE(struct hello, hello_fields);

static const struct field status_fields[] = {
    SHAPE_FIELD(struct status, U64, session),
    SHAPE_FIELD(struct status, U64, sequence),
    SHAPE_FIELD(struct status, U64, incarnation),
    SHAPE_FIELD(struct status, U64, at_ms),
    SHAPE_LIST(struct status, items, item_shape),
    SHAPE_LIST(struct status, filesystems, filesystem_shape),
    SHAPE_STRUCT(struct status, pressure, pressure_shape),
};
const struct shape status_shape = SHAPE(struct status, status_fields);

/* ---- coordinator -> worker ---------------------------------------------------------------- */

static const struct field welcome_fields[] = {
    SHAPE_FIELD(struct welcome, U64, session),      SHAPE_FIELD(struct welcome, U64, incarnation),
    SHAPE_FIELD(struct welcome, U64, heartbeat_ms), SHAPE_FIELD(struct welcome, U64, lost_grace_ms),
    SHAPE_FIELD(struct welcome, TEXT, worker),      SHAPE_FIELD(struct welcome, TEXT, log_endpoint),
};
const struct shape welcome_shape = SHAPE(struct welcome, welcome_fields);

static const struct field hello_again_fields[] = {
    SHAPE_FIELD(struct hello_again, U64, session),
};
const struct shape hello_again_shape = SHAPE(struct hello_again, hello_again_fields);

static const struct field refused_fields[] = {
    SHAPE_FIELD(struct refused, TEXT, reason),
    SHAPE_FIELD(struct refused, FLAG, permanent),
};
const struct shape refused_shape = SHAPE(struct refused, refused_fields);

static const struct field order_fields[] = {
    SHAPE_ENUM(struct order, kind, order_kind_names),
    SHAPE_STRUCT(struct order, token, token_shape),
    SHAPE_FIELD(struct order, FLAG, is_publication),
    SHAPE_STRUCT(struct order, variant, variant_shape),
    SHAPE_STRUCT(struct order, recipe, recipe_shape),
    SHAPE_STRUCT(struct order, needs, needs_shape),
    SHAPE_STRUCT(struct order, target, target_shape),
    SHAPE_STRUCT(struct order, built_by, token_shape),
    SHAPE_STRUCT(struct order, product, product_shape),
    SHAPE_FIELD(struct order, BYTES, secret),
    SHAPE_FIELD(struct order, BYTES, bundle),
    SHAPE_FIELD(struct order, TEXT, reason),
};
const struct shape order_shape = SHAPE(struct order, order_fields);

static const struct field orders_fields[] = {
    SHAPE_FIELD(struct orders, U64, session),
    SHAPE_FIELD(struct orders, U64, incarnation),
    SHAPE_LIST(struct orders, orders, order_shape),
};
const struct shape orders_shape = SHAPE(struct orders, orders_fields);

/* ---- logs --------------------------------------------------------------------------------- */

static const struct field log_data_fields[] = {
    SHAPE_STRUCT(struct log_data, token, token_shape), SHAPE_FIELD(struct log_data, U64, offset),
    SHAPE_FIELD(struct log_data, U32, raw_bytes),      SHAPE_FIELD(struct log_data, U64, at_ms),
    SHAPE_FIELD(struct log_data, BYTES, zstd),         SHAPE_FIELD(struct log_data, FLAG, last),
};
const struct shape log_data_shape = SHAPE(struct log_data, log_data_fields);

static const struct field log_ack_fields[] = {
    SHAPE_STRUCT(struct log_ack, token, token_shape),
    SHAPE_FIELD(struct log_ack, U64, offset),
    SHAPE_FIELD(struct log_ack, FLAG, sealed),
    SHAPE_FIELD(struct log_ack, TEXT, refused),
};
const struct shape log_ack_shape = SHAPE(struct log_ack, log_ack_fields);

static const struct field log_resume_fields[] = {
    SHAPE_STRUCT(struct log_resume, token, token_shape),
};
const struct shape log_resume_shape = SHAPE(struct log_resume, log_resume_fields);

static const struct field log_read_fields[] = {
    SHAPE_STRUCT(struct log_read, token, token_shape),
    SHAPE_FIELD(struct log_read, U64, offset),
    SHAPE_FIELD(struct log_read, U64, limit),
    SHAPE_FIELD(struct log_read, FLAG, follow),
};
const struct shape log_read_shape = SHAPE(struct log_read, log_read_fields);

static const struct field log_piece_fields[] = {
    SHAPE_STRUCT(struct log_piece, token, token_shape),
    SHAPE_FIELD(struct log_piece, U64, offset),
    SHAPE_FIELD(struct log_piece, U32, raw_bytes),
    SHAPE_FIELD(struct log_piece, BYTES, zstd),
    SHAPE_FIELD(struct log_piece, FLAG, last),
    SHAPE_FIELD(struct log_piece, TEXT, problem),
};
const struct shape log_piece_shape = SHAPE(struct log_piece, log_piece_fields);

/* ---- client ------------------------------------------------------------------------------- */

static const struct field request_fields[] = {
    SHAPE_FIELD(struct request, TEXT, id),
    SHAPE_FIELD(struct request, TEXT, verb),
    SHAPE_FIELD(struct request, TEXT, arguments),
};
const struct shape request_shape = SHAPE(struct request, request_fields);

static const struct field reply_fields[] = {
    SHAPE_FIELD(struct reply, TEXT, id),       SHAPE_FIELD(struct reply, FLAG, ok),
    SHAPE_FIELD(struct reply, FLAG, more),     SHAPE_FIELD(struct reply, TEXT, error),
    SHAPE_FIELD(struct reply, U32, exit_code), SHAPE_FIELD(struct reply, TEXT, body),
};
const struct shape reply_shape = SHAPE(struct reply, reply_fields);
