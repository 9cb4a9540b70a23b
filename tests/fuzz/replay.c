/*
 * replay.c - runs a harness over saved inputs, without libFuzzer: `make test` does it with any
 * compiler.
 *
 *     build/tests/replay-NAME tests/fuzz/corpus/NAME
 *
 * Each input is run as it is, and also cut short at a few places: a cut is what a lost connection
 * makes. Knows folders and files. Refuses to know what a harness does.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <headroom/arena.h>
#include <headroom/buf.h>

#include "fuzz.h"

enum { INPUT_MAX = 4 * 1024 * 1024, CUTS = 16 };

static bool read_file(const char *path, struct buf *ret)
{
    char piece[4096];
    size_t got = 0;
    FILE *file = fopen(path, "rb");

    if (!file) {
        printf("FAIL %s: %s\n", path, strerror(errno));
        return false;
    }
    buf_reset(ret);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0) {
        buf_add(ret, piece, got);
    }
    (void)fclose(file);
    if (ret->failed) {
        printf("FAIL %s: larger than %d bytes\n", path, INPUT_MAX);
        return false;
    }
    return true;
}

/* From a copy of exactly that size, so that a sanitizer sees a read past its end. */
static void run(struct slice input)
{
    uint8_t *copy = mem_resize(NULL, input.len + 1, 1);

    copy = mem_resize(copy, input.len ? input.len : 1, 1);
    if (input.len > 0) {
        memcpy(copy, input.data, input.len);
    }
    (void)LLVMFuzzerTestOneInput(copy, input.len);
    mem_free(copy);
}

static bool replay(const char *path, struct buf *bytes)
{
    printf("     %s\n", path);
    (void)fflush(stdout); /* the last line names the input that ended the program */
    if (!read_file(path, bytes)) {
        return false;
    }
    run(buf_slice(bytes));
    for (size_t cut = 0; cut < CUTS; cut++) {
        run((struct slice){ bytes->data, bytes->len * cut / CUTS });
    }
    return true;
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    struct dirent **entries = NULL;
    struct buf bytes;
    char path[1024];

    if (argc != 2) {
        (void)fprintf(stderr, "usage: replay-NAME FOLDER\n");
        return 2;
    }
    int count = scandir(argv[1], &entries, NULL, alphasort);
    if (count < 0) {
        printf("FAIL %s: %s\n0 passed, 1 failed\n", argv[1], strerror(errno));
        return 1;
    }
    buf_init(&bytes, INPUT_MAX);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
            bool good = replay(path, &bytes);
            passed += good;
            failed += !good;
        }
        mem_free(entries[i]);
    }
    mem_free(entries);
    buf_done(&bytes);
    printf("%u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}
