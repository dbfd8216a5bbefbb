/* SPDX-License-Identifier: MIT */
/* run_file.h - the layout of FOLDER/PHASE.run, which a supervisor writes and the worker reads.
 *
 * One file per phase, because for a light job each inode costs more than the job.
 * The supervisor holds an exclusive flock on it while it lives. It has three parts at fixed
 * offsets, each one text with a "key value" per line, ended by the line "end":
 *
 *   offset 0      identity, written at start
 *     boot_id     /proc/sys/kernel/random/boot_id
 *     pid         of the supervisor
 *     start_time  of the supervisor: clock ticks since boot, field 22 of /proc/PID/stat
 *     log_from    size of the log when the phase started
 *     cgroup      path of a cgroup of the command; repeated, absent if there is none
 *
 *   offset 1536   exit facts, written last; the room is allocated at start
 *     status      exit status of the command; -1 if a signal ended it
 *     signal      the signal that ended the command; 0 if it exited
 *     oom_kills   processes of the cgroups that the kernel killed for lack of memory
 *     free_bytes  free bytes of the disk at the end
 *     cpu_ms, memory_peak, wall_ms          of the command and its descendants
 *     timed_out, silent                     1 if it was stopped by that limit, else 0
 *     log_lost_bytes                        output that the disk refused
 *     disk_bytes                            peak of the disk space used, by the free space
 *     daemon_oom_kills, daemon_restarted    of nix-daemon, with --host-facts
 *     memory_stall, io_stall                pressure of the host, with --host-facts
 *
 *   offset 2048   coming stop, only while a limit is near; zeros otherwise. The file of an older
 *                 supervisor ends here
 *     stop_cause  silent or timeout
 *     stop_at_ms  in ms since boot
 */
#ifndef FARM_WORKER_PROCESS_RUN_FILE_H
#define FARM_WORKER_PROCESS_RUN_FILE_H

#define RUN_FILE_EXIT_OFFSET 1536
#define RUN_FILE_EXIT_BYTES  512
#define RUN_FILE_STOP_OFFSET (RUN_FILE_EXIT_OFFSET + RUN_FILE_EXIT_BYTES)
#define RUN_FILE_STOP_BYTES  64
#define RUN_FILE_CGROUPS_MAX 4

#endif
