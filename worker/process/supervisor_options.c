/* SPDX-License-Identifier: MIT */
#include "worker/process/supervisor_options.h"

#include "proto/limits.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_FOLDER = 1,
    OPT_PHASE,
    OPT_WALL,
    OPT_SILENCE,
    OPT_GRACE,
    OPT_LOG_MAX,
    OPT_CGROUP,
    OPT_CHDIR,
    OPT_NICE,
    OPT_SECRET_ENV,
    OPT_SECRET_FD,
    OPT_HOST_FACTS
};

static const struct option long_options[] = {
    {"folder", required_argument, NULL, OPT_FOLDER},
    {"phase", required_argument, NULL, OPT_PHASE},
    {"wall-ms", required_argument, NULL, OPT_WALL},
    {"silence-ms", required_argument, NULL, OPT_SILENCE},
    {"stop-grace-ms", required_argument, NULL, OPT_GRACE},
    {"log-bytes-max", required_argument, NULL, OPT_LOG_MAX},
    {"cgroup", required_argument, NULL, OPT_CGROUP},
    {"chdir", required_argument, NULL, OPT_CHDIR},
    {"nice", required_argument, NULL, OPT_NICE},
    {"secret-env", required_argument, NULL, OPT_SECRET_ENV},
    {"secret-fd", required_argument, NULL, OPT_SECRET_FD},
    {"host-facts", required_argument, NULL, OPT_HOST_FACTS},
    {NULL, 0, NULL, 0},
};

static bool take_number(const char *text, unsigned long long *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool is_phase(const char *name)
{
    static const char *const names[] = {"checkout", "build", "check", "publish"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool take_option(struct supervisor_options *options, int option, const char *value)
{
    unsigned long long number = 0;
    switch (option) {
    case OPT_FOLDER:
        options->folder = value;
        return true;
    case OPT_PHASE:
        options->phase = value;
        return is_phase(value);
    case OPT_WALL:
        return take_number(value, &options->wall_ms);
    case OPT_SILENCE:
        return take_number(value, &options->silence_ms);
    case OPT_GRACE:
        return take_number(value, &options->stop_grace_ms);
    case OPT_LOG_MAX:
        return take_number(value, &options->log_bytes_max);
    case OPT_CGROUP:
        if (options->cgroup_count == RUN_FILE_CGROUPS_MAX)
            return false;
        options->cgroups[options->cgroup_count++] = value;
        return true;
    case OPT_CHDIR:
        options->working_folder = value;
        return true;
    case OPT_NICE:
        options->nice = take_number(value, &number) && number < 20 ? (int)number : -1;
        return options->nice >= 0;
    case OPT_SECRET_ENV:
        options->secret_env = value;
        return *value != '\0';
    case OPT_SECRET_FD:
        options->secret_fd_env = value;
        return *value != '\0';
    case OPT_HOST_FACTS:
        options->host_root = value;
        return true;
    default:
        return false;
    }
}

bool supervisor_options_parse(struct supervisor_options *options, int argc, char **argv)
{
    *options = (struct supervisor_options){
        .nice = 10, .stop_grace_ms = 10000, .log_bytes_max = LIMIT_LOG_BYTES};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "+", long_options, NULL)) != -1;)
        if (!take_option(options, option, optarg))
            return false;
    options->command = argv + optind;
    return options->folder && options->phase && optind < argc &&
           !(options->secret_env && options->secret_fd_env);
}
