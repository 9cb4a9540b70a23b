/*
 * test.h - how a unit test is written.
 *
 * A file tests/unit/ANYTHING_test.c is found and linked by itself; it registers its tests like
 * this:
 *
 *     #include "test.h"
 *
 *     TEST(subnet, counts_as_low_below_its_watermark)      // prints "subnet: counts as low below
 * ..."
 *     {
 *         struct arena *arena = test_arena();              // emptied after each test
 *         struct slice xml = test_fixture("ec2/subnets.xml");  // tests/fixtures/ec2/subnets.xml
 *         ...
 *         expect_ok(wire_parse(xml, &out, &error), &error);
 *         expect_slice(out.id, "subnet-1");
 *         expect_u64(out.free, 12);
 *     }
 *
 * The suite is the part of the product, the name finishes a sentence about it. `expect_*` notes a
 * failure with the values and goes on; `require*` ends the test at once. CUnit's own CU_ASSERT_*
 * work as well. Run one suite with `build/tests/unit subnet`.
 */
#ifndef HEADROOM_TEST_H
#define HEADROOM_TEST_H

#include <CUnit/CUnit.h>

#include <headroom/arena.h>
#include <headroom/error.h>
#include <headroom/slice.h>

struct test_case {
    const char *suite, *name, *file;
    int line;
    void (*run)(void);
    struct test_case *next;
};

void test_register(struct test_case *test);

#define TEST(suite_name, test_name)                                                                \
    static void suite_name##_##test_name(void);                                                    \
    static struct test_case suite_name##_##test_name##_case = {                                    \
        #suite_name, #test_name, __FILE__, __LINE__, suite_name##_##test_name, NULL,               \
    };                                                                                             \
    __attribute__((constructor)) static void suite_name##_##test_name##_register(void)             \
    {                                                                                              \
        test_register(&suite_name##_##test_name##_case);                                           \
    }                                                                                              \
    static void suite_name##_##test_name(void)

/* One arena for the running test; what it holds is gone when the test ends. */
struct arena *test_arena(void);

/* The bytes of tests/fixtures/NAME, with a NUL after them, in the test's arena. A missing file ends
 * the test as failed. */
struct slice test_fixture(const char *name);

/* True when `run(context)` dies by abort(), as a broken assertion does. Runs it in a child process.
 */
bool test_aborts(void (*run)(void *context), void *context);

#define expect(condition)                                                                          \
    (void)CU_assertImplementation(!!(condition), __LINE__, #condition, __FILE__, "", CU_FALSE)
#define require(condition)                                                                         \
    (void)CU_assertImplementation(!!(condition), __LINE__, #condition, __FILE__, "", CU_TRUE)

/* Fails with a text of one's own; `test_fail` goes on. */
#define test_fail(...) test_fail_at(__FILE__, __LINE__, __VA_ARGS__)

#define expect_slice(actual, text) test_slice(__FILE__, __LINE__, #actual, (actual), slice_of(text))
#define expect_slices(actual, wanted) test_slice(__FILE__, __LINE__, #actual, (actual), (wanted))
#define expect_text(actual, text)                                                                  \
    test_slice(__FILE__, __LINE__, #actual, slice_of(actual), slice_of(text))
#define expect_u64(actual, wanted) test_u64(__FILE__, __LINE__, #actual, (actual), (wanted))
#define expect_i64(actual, wanted) test_i64(__FILE__, __LINE__, #actual, (actual), (wanted))
/* True when the slice contains the text. */
#define expect_contains(actual, text)                                                              \
    test_contains(__FILE__, __LINE__, #actual, (actual), slice_of(text))

/* `error` may be NULL; its text is printed when the code is not the wanted one. */
#define expect_ok(call, error) expect_err(call, ERR_OK, error)
#define expect_err(call, wanted, error)                                                            \
    (void)test_err(__FILE__, __LINE__, #call, (call), (wanted), (error))
#define require_ok(call, error)                                                                    \
    do {                                                                                           \
        if (!test_err(__FILE__, __LINE__, #call, (call), ERR_OK, (error))) {                       \
            test_end();                                                                            \
        }                                                                                          \
    } while (0)

void test_fail_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void test_slice(const char *file, int line, const char *what, struct slice actual,
                struct slice wanted);
void test_contains(const char *file, int line, const char *what, struct slice actual,
                   struct slice part);
void test_u64(const char *file, int line, const char *what, uint64_t actual, uint64_t wanted);
void test_i64(const char *file, int line, const char *what, int64_t actual, int64_t wanted);
bool test_err(const char *file, int line, const char *what, enum err actual, enum err wanted,
              const struct error *error);
/* Ends the running test, which has failed already. */
_Noreturn void test_end(void);

#endif
