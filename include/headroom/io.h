/*
 * io.h - the only system calls: HTTP on libcurl, files, programs, clocks, signals.
 *
 * One thread, one loop: io_wait() runs curl_multi_poll with the signals' descriptor as an extra
 * one and returns the fetch events that came in.
 * HTTP/1.1; a connection of its own for each stream, kept-alive ones for the rest; certificates
 * always checked unless told otherwise.
 */
#ifndef HEADROOM_IO_H
#define HEADROOM_IO_H

#include <headroom/fetch.h>

struct io;

enum err io_new(struct io **ret, struct error *error) ERR_CHECKED;
void io_free(struct io *io);

/* CLOCK_BOOTTIME: also runs while suspended, so that a lease is never thought fresh */
uint64_t io_now_ns(void);
uint64_t io_wall_ns(void); /* CLOCK_REALTIME */
uint64_t io_seed(void);    /* from the kernel */

/* Copies what it needs. A fetch that cannot even begin ends with an event like any other. */
void io_start(struct io *io, const struct fetch *fetch);
void io_cancel(struct io *io, uint64_t id);

/* Waits until deadline_ns at the latest, less if something came. Returns the events of this
 * round; they and what they point to live until the next io_wait. */
const struct fetch_event *io_wait(struct io *io, uint64_t deadline_ns, uint32_t *ret_count);

/* The signals that ask us to stop (SIGTERM, SIGINT) are blocked and counted here: how many so
 * far. */
uint32_t io_stop_requests(const struct io *io);

/* Wakes io_wait from another thread. */
void io_wake(struct io *io);

uint32_t io_under_way(const struct io *io);

/* Whole file, at most max bytes, into the arena. The error names the path. */
enum err io_read_file(struct arena *arena, const char *path, size_t max, struct slice *ret,
                      struct error *error) ERR_CHECKED;
/* Writes all of it to a file descriptor (1: stdout, 2: stderr). */
enum err io_write(int fd, struct slice s, struct error *error) ERR_CHECKED;
/* Makes or replaces the file. The error names the path. */
enum err io_write_file(const char *path, struct slice s, struct error *error) ERR_CHECKED;
/* What this process has used so far: CPU of user and system, memory that is resident now. */
void io_usage(double *ret_cpu_seconds, uint64_t *ret_resident_bytes);
/* This machine's (in a pod: the pod's) name, in the arena. */
struct slice io_host_name(struct arena *arena);
bool io_file_exists(const char *path);
/* From here on neither a core dump nor a debugger of the same user shows what is in memory. */
void io_hide_memory(void);
/* For a process that lives long and peaks early: what is freed from now on goes back to the system
 * at once. Call it before there are threads. */
void io_return_memory(void);
/* What has been read of the program and its libraries so far is held in memory no longer than until
 * it is needed again: a start leaves code behind that nothing after it has a use for. */
void io_drop_code(void);
/* The environment; empty slice when not set. Borrowed for the process's life. */
struct slice io_env(const char *name);

#endif
