/*
 * main.c - runs the unit tests: all of them, one suite, or one test.
 *
 *     build/tests/unit                   all
 *     build/tests/unit plan              one suite
 *     build/tests/unit plan watermark    the tests of a suite whose sentence contains a text
 *
 * Knows CUnit. Refuses to know any test: they register themselves, see test.h.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CUnit/TestRun.h>

#include <headroom/buf.h>

#include "test.h"

enum { FIXTURE_MAX = 16 * 1024 * 1024, SENTENCE_MAX = 200 };

static struct test_case *registered;
static struct arena arena;
static char running[2 * SENTENCE_MAX];
static unsigned failed_tests, passed_tests;

void test_register(struct test_case *test)
{
    test->next = registered;
    registered = test;
}

struct arena *test_arena(void)
{
    return &arena;
}

/* "counts_as_low" reads better as "counts as low". */
static void sentence(const char *identifier, char ret[SENTENCE_MAX])
{
    (void)snprintf(ret, SENTENCE_MAX, "%s", identifier);
    for (char *at = ret; *at; at++) {
        if (*at == '_') {
            *at = ' ';
        }
    }
}

struct slice test_fixture(const char *name)
{
    const char *folder = getenv("TEST_FIXTURES");
    char path[512];
    struct buf bytes;
    char piece[4096];
    size_t got = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", folder ? folder : "tests/fixtures", name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        test_fail("cannot open the fixture %s: %s (run from the repository's top)", path,
                  strerror(errno));
        test_end();
    }
    buf_init(&bytes, FIXTURE_MAX);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0) {
        buf_add(&bytes, piece, got);
    }
    (void)fclose(file);
    if (bytes.failed) {
        test_fail("the fixture %s is larger than %d bytes", path, FIXTURE_MAX);
    }
    struct slice copy = arena_slice(&arena, buf_slice(&bytes));
    buf_done(&bytes);
    return copy;
}

bool test_aborts(void (*run)(void *context), void *context)
{
    int status = 0;

    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        /* The assertion's text would look like a failure, and a core file would stay behind. */
        (void)signal(SIGABRT, SIG_DFL);
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        if (!freopen("/dev/null", "w", stderr)) {
            _exit(3);
        }
        run(context);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        test_fail("cannot run a child process: %s", strerror(errno));
        return false;
    }
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

void test_end(void)
{
    (void)CU_assertImplementation(CU_FALSE, __LINE__, "the test cannot go on", __FILE__, "",
                                  CU_TRUE);
    abort(); /* not reached: CUnit jumps out of the test */
}

void test_fail_at(const char *file, int line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct slice text = arena_vprintf(&arena, format, args);
    va_end(args);
    (void)CU_assertImplementation(CU_FALSE, (unsigned)line, text.data, file, "", CU_FALSE);
}

/* Counts a success, so that CUnit's number of asserts stays true. */
static void hold(const char *file, int line)
{
    (void)CU_assertImplementation(CU_TRUE, (unsigned)line, "", file, "", CU_FALSE);
}

/* Quoted, with what does not print as \xNN: white space at an end is what such failures are about.
 */
static struct slice quoted(struct slice s)
{
    enum { SHOWN_MAX = 2000 };
    struct buf text;

    if (!s.data) {
        return SLICE("(nothing)");
    }
    buf_init(&text, (size_t)SHOWN_MAX * 5);
    buf_add_char(&text, '"');
    for (size_t i = 0; i < s.len && i < SHOWN_MAX; i++) {
        if (isprint((unsigned char)s.data[i]) || (unsigned char)s.data[i] >= 0x80) {
            buf_add_char(&text, s.data[i]);
        } else {
            buf_addf(&text, s.data[i] == '\n' ? "\\n" : "\\x%02x", (unsigned char)s.data[i]);
        }
    }
    buf_add_text(&text, s.len > SHOWN_MAX ? "\"..." : "\"");
    struct slice copy = arena_slice(&arena, buf_slice(&text));
    buf_done(&text);
    return copy;
}

void test_slice(const char *file, int line, const char *what, struct slice actual,
                struct slice wanted)
{
    if (slice_eq(actual, wanted)) {
        hold(file, line);
        return;
    }
    test_fail_at(file, line, "%s is %s, wanted %s", what, quoted(actual).data, quoted(wanted).data);
}

void test_contains(const char *file, int line, const char *what, struct slice actual,
                   struct slice part)
{
    if (slice_contains(actual, part)) {
        hold(file, line);
        return;
    }
    test_fail_at(file, line, "%s is %s, which does not contain %s", what, quoted(actual).data,
                 quoted(part).data);
}

void test_u64(const char *file, int line, const char *what, uint64_t actual, uint64_t wanted)
{
    if (actual == wanted) {
        hold(file, line);
        return;
    }
    test_fail_at(file, line, "%s is %llu, wanted %llu", what, (unsigned long long)actual,
                 (unsigned long long)wanted);
}

void test_i64(const char *file, int line, const char *what, int64_t actual, int64_t wanted)
{
    if (actual == wanted) {
        hold(file, line);
        return;
    }
    test_fail_at(file, line, "%s is %lld, wanted %lld", what, (long long)actual, (long long)wanted);
}

bool test_err(const char *file, int line, const char *what, enum err actual, enum err wanted,
              const struct error *error)
{
    if (actual == wanted) {
        hold(file, line);
        return true;
    }
    test_fail_at(file, line, "%s says \"%s\" (%s), wanted \"%s\"", what, err_name(actual),
                 error ? error->text : "", err_name(wanted));
    return false;
}

static void on_start(const CU_pTest test, const CU_pSuite suite)
{
    (void)snprintf(running, sizeof(running), "%s: %s", suite->pName, test->pName);
}

/* The suite's reports come as lines of their own: a log can be searched for "FAIL". */
static void on_complete(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failure)
{
    printf("%s %s: %s\n", failure ? "FAIL" : "ok  ", suite->pName, test->pName);
    for (const CU_FailureRecord *at = failure; at; at = at->pNext) {
        printf("     %s:%u: %s\n", at->strFileName, at->uiLineNumber, at->strCondition);
    }
    (void)fflush(stdout);
    failed_tests += failure != NULL;
    passed_tests += failure == NULL;
    running[0] = '\0';
    arena_reset(&arena);
}

/* A broken assertion of the product ends the whole program: say in which test. */
static void on_abort(int number)
{
    static const char before[] = "FAIL ", after[] = " (aborted)\n";

    if (write(STDOUT_FILENO, before, sizeof(before) - 1) < 0 ||
        write(STDOUT_FILENO, running, strlen(running)) < 0 ||
        write(STDOUT_FILENO, after, sizeof(after) - 1) < 0) {
        _exit(3);
    }
    (void)signal(number, SIG_DFL);
}

static int compare(const void *a, const void *b)
{
    const struct test_case *left = *(struct test_case *const *)a;
    const struct test_case *right = *(struct test_case *const *)b;
    int order = strcmp(left->suite, right->suite);

    order = order ? order : strcmp(left->file, right->file);
    return order ? order : left->line - right->line;
}

/* By suite, file and line: the linker's order is nobody's. */
static struct test_case **sorted(uint32_t *ret_count)
{
    uint32_t count = 0, capacity = 0;
    struct test_case **tests = NULL;

    for (struct test_case *test = registered; test; test = test->next) {
        mem_reserve(&tests, &capacity, count + 1, sizeof(struct test_case *));
        tests[count++] = test;
    }
    if (count > 1) {
        qsort(tests, count, sizeof(struct test_case *), compare);
    }
    *ret_count = count;
    return tests;
}

static uint32_t add_chosen(struct test_case **tests, uint32_t count, const char *suite_name,
                           const char *part)
{
    CU_pSuite suite = NULL;
    uint32_t added = 0;
    char text[SENTENCE_MAX];

    for (uint32_t i = 0; i < count; i++) {
        if (suite_name && strcmp(tests[i]->suite, suite_name) != 0) {
            continue;
        }
        sentence(tests[i]->name, text);
        if (part && !strstr(text, part)) {
            continue;
        }
        if (!suite || strcmp(suite->pName, tests[i]->suite) != 0) {
            suite = CU_add_suite(tests[i]->suite, NULL, NULL);
        }
        if (!suite || !CU_add_test(suite, text, tests[i]->run)) {
            (void)fprintf(stderr, "unit: cannot add a test: %s\n", CU_get_error_msg());
            exit(3);
        }
        added++;
    }
    return added;
}

static void print_suites(struct test_case **tests, uint32_t count)
{
    (void)fprintf(stderr, "unit: no such test; the suites are:");
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(tests[i]->suite, tests[i - 1]->suite) != 0) {
            (void)fprintf(stderr, " %s", tests[i]->suite);
        }
    }
    (void)fprintf(stderr, "\n");
}

int main(int argc, char **argv)
{
    uint32_t count = 0;
    struct test_case **tests = sorted(&count);

    if (CU_initialize_registry() != CUE_SUCCESS) {
        (void)fprintf(stderr, "unit: %s\n", CU_get_error_msg());
        return 3;
    }
    arena_init(&arena);
    (void)signal(SIGABRT, on_abort);
    if (add_chosen(tests, count, argc > 1 ? argv[1] : NULL, argc > 2 ? argv[2] : NULL) == 0) {
        print_suites(tests, count);
        failed_tests = 1;
    }
    CU_set_test_start_handler(on_start);
    CU_set_test_complete_handler(on_complete);
    (void)CU_run_all_tests();
    printf("%u passed, %u failed\n", passed_tests, failed_tests);
    CU_cleanup_registry();
    arena_done(&arena);
    mem_free(tests);
    return failed_tests ? 1 : 0;
}
