/*
 * system.c - clocks, randomness, files and the environment: system calls that do not wait.
 *
 * Knows the operating system. Refuses to know sockets and what the bytes mean.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <headroom/buf.h>
#include <headroom/io.h>

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    int result = clock_gettime(clock, &now);

    assert(result == 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t io_now_ns(void)
{
    return clock_ns(CLOCK_BOOTTIME);
}

uint64_t io_wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

uint64_t io_seed(void)
{
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        /* Only before the kernel has gathered entropy: the seed spreads retries, it guards nothing.
         */
        seed = io_now_ns() ^ ((uint64_t)getpid() << 32);
    }
    return seed;
}

static enum err read_all(int fd, const char *path, size_t max, struct buf *bytes,
                         struct error *error)
{
    char piece[16 * 1024];

    for (;;) {
        ssize_t got = read(fd, piece, sizeof(piece));
        if (got == 0) {
            return ERR_OK;
        }
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return error_set(error, ERR_IO, "cannot read %s: %s", path, strerror(errno));
        }
        buf_add(bytes, piece, (size_t)got);
        if (bytes->failed) {
            return error_set(error, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
        }
    }
}

enum err io_read_file(struct arena *arena, const char *path, size_t max, struct slice *ret,
                      struct error *error)
{
    struct buf bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        enum err code = errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND
                        : errno == EACCES || errno == EPERM ? ERR_DENIED
                                                            : ERR_IO;
        return error_set(error, code, "cannot open %s: %s", path, strerror(errno));
    }
    buf_init(&bytes, max);
    enum err err = read_all(fd, path, max, &bytes, error);
    (void)close(fd);
    if (err == ERR_OK) {
        *ret = arena_slice(arena, buf_slice(&bytes));
    }
    buf_done(&bytes);
    return err;
}

enum err io_write(int fd, struct slice s, struct error *error)
{
    while (s.len > 0) {
        ssize_t put = write(fd, s.data, s.len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return error_set(error, ERR_IO, "cannot write: %s", strerror(errno));
        }
        s.data += put;
        s.len -= (size_t)put;
    }
    return ERR_OK;
}

enum err io_write_file(const char *path, struct slice s, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0) {
        return error_set(error, errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_IO,
                         "cannot write %s: %s", path, strerror(errno));
    }
    enum err err = io_write(fd, s, error);
    if (close(fd) != 0 && err == ERR_OK) {
        err = error_set(error, ERR_IO, "cannot write: %s", strerror(errno));
    }
    if (err != ERR_OK) {
        (void)error_prefix(error, "%s", path);
    }
    return err;
}

static uint64_t resident_bytes(void)
{
    char text[128];
    uint64_t pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return 0;
    }
    ssize_t got = read(fd, text, sizeof(text));
    (void)close(fd);
    struct slice rest = { text, got > 0 ? (size_t)got : 0 };
    (void)slice_cut(&rest, ' ');
    if (slice_u64(slice_cut(&rest, ' '), UINT32_MAX, &pages) != ERR_OK) {
        return 0;
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void io_usage(double *ret_cpu_seconds, uint64_t *ret_resident_bytes)
{
    *ret_cpu_seconds = (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
    *ret_resident_bytes = resident_bytes();
}

struct slice io_host_name(struct arena *arena)
{
    char name[256];

    if (gethostname(name, sizeof(name)) < 0) {
        return SLICE("unknown");
    }
    name[sizeof(name) - 1] = '\0';
    return arena_slice(arena, slice_of(name));
}

bool io_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

void io_hide_memory(void)
{
#ifndef __SANITIZE_ADDRESS__ /* the search for leaks needs to look */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* What is needed again is mapped again, from the page cache. */
static int drop_segments(struct dl_phdr_info *info, size_t size, void *context)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    (void)context;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t begin = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);
        /* Never one that can be written, whose pages are our own. */
        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W) && end > begin) {
            (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
        }
    }
    return 0;
}

void io_drop_code(void)
{
    (void)dl_iterate_phdr(drop_segments, NULL);
}

void io_return_memory(void)
{
    /* Else glibc raises both bounds with each large piece that is freed, up to 32 MB, and a list
     * that is read once at the start leaves its holes for good. */
    (void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    (void)mallopt(M_ARENA_MAX, 1); /* the page's thread allocates little */
}

struct slice io_env(const char *name)
{
    return slice_of(getenv(name));
}
