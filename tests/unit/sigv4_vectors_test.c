/*
 * sigv4_vectors_test.c - the whole test suite of Signature Version 4 that Amazon publishes
 * (tests/fixtures/sigv4; credentials AKIDEXAMPLE, 30 August 2015, us-east-1, service "service").
 *
 * Of each case: the request as it went over the wire and the Authorization header that it must
 * bring. The signer is given the headers that this one names, and must come to the same; the
 * checker is given all of them.
 */
#include <headroom/sigv4.h>

#include "test.h"

#define DATE "20150830T123600Z"

static const char *const cases[] = {
    "get-header-key-duplicate",
    "get-header-value-multiline",
    "get-header-value-order",
    "get-header-value-trim",
    "get-relative",
    "get-relative-relative",
    "get-slash",
    "get-slash-dot-slash",
    "get-slash-pointless-dot",
    "get-slashes",
    "get-space",
    "get-special-character",
    "get-unreserved",
    "get-utf8",
    "get-vanilla",
    "get-vanilla-empty-query-key",
    "get-vanilla-query",
    "get-vanilla-query-order-encoded",
    "get-vanilla-query-order-key",
    "get-vanilla-query-order-key-case",
    "get-vanilla-query-order-value",
    "get-vanilla-query-unreserved",
    "get-vanilla-utf8-query",
    "get-vanilla-with-session-token",
    "post-header-key-case",
    "post-header-key-sort",
    "post-header-value-case",
    "post-sts-header-after",
    "post-sts-header-before",
    "post-vanilla",
    "post-vanilla-empty-query-value",
    "post-vanilla-query",
    "post-x-www-form-urlencoded",
    "post-x-www-form-urlencoded-parameters",
};

enum { CASES = sizeof(cases) / sizeof(cases[0]), HEADERS_MAX = 12 };

static const struct sigv4_credentials example = {
    .access_key_id = { "AKIDEXAMPLE", 11 },
    .secret_access_key = { "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40 },
};

/* A case, read. */
struct vector {
    struct fetch_header headers[HEADERS_MAX]; /* all but Authorization */
    struct sigv4_request request;
    struct slice authorization, token;
};

/* "GET /a path?x=1 HTTP/1.1" */
static void read_request_line(struct slice line, struct sigv4_request *ret)
{
    size_t end = line.len;

    ret->method = slice_cut(&line, ' ');
    for (end = line.len; end > 0 && line.data[end - 1] != ' '; end--) {
        /* the protocol */
    }
    require(end > 0);
    line.len = end - 1;
    ret->path = slice_cut(&line, '?');
    ret->query = line;
}

/* A line that begins with a space goes on with the header before. */
static void read_header(struct slice line, struct vector *ret)
{
    if (line.data[0] == ' ') {
        struct slice *value = &ret->headers[ret->request.header_count - 1].value;
        value->len = (size_t)(line.data + line.len - value->data);
        return;
    }
    struct slice name = slice_cut(&line, ':');
    if (slice_eq_nocase(name, SLICE("Authorization"))) {
        return;
    }
    if (slice_eq_nocase(name, SLICE("X-Amz-Security-Token"))) {
        ret->token = line;
    }
    require(ret->request.header_count < HEADERS_MAX);
    ret->headers[ret->request.header_count++] = (struct fetch_header){ name, line };
}

static struct slice vector_file(const char *name, const char *end)
{
    return test_fixture(arena_printf(test_arena(), "sigv4/%s.%s", name, end).data);
}

static void read_vector(const char *name, struct vector *ret)
{
    struct slice rest = vector_file(name, "sreq");

    *ret = (struct vector){ .authorization = slice_trim(vector_file(name, "authz")) };
    ret->request.headers = ret->headers;
    read_request_line(slice_cut(&rest, '\n'), &ret->request);
    while (rest.len > 0) {
        struct slice line = slice_cut(&rest, '\n');
        if (line.len == 0) {
            ret->request.body = rest;
            break;
        }
        read_header(line, ret);
    }
}

static bool names(struct slice list, struct slice name)
{
    while (list.len > 0) {
        if (slice_eq_nocase(slice_cut(&list, ';'), name)) {
            return true;
        }
    }
    return false;
}

static void parse(struct slice authorization, struct sigv4_parsed *ret)
{
    struct error error = { 0 };

    require_ok(sigv4_parse(authorization, ret, &error), &error);
}

TEST(sigv4, signs_every_request_of_the_published_suite)
{
    for (size_t i = 0; i < CASES; i++) {
        struct vector vector;
        struct sigv4_parsed wanted;
        struct fetch_header signed_ones[HEADERS_MAX];
        size_t count = 0;

        read_vector(cases[i], &vector);
        parse(vector.authorization, &wanted);
        for (size_t j = 0; j < vector.request.header_count; j++) {
            if (names(wanted.signed_headers, vector.headers[j].name)) {
                signed_ones[count++] = vector.headers[j];
            }
        }
        vector.request.headers = signed_ones;
        vector.request.header_count = count;
        struct slice ours = sigv4_authorization(test_arena(), &example, SLICE("us-east-1"),
                                                SLICE("service"), SLICE(DATE), &vector.request);
        if (!slice_eq(ours, vector.authorization)) {
            test_fail("%s: %.*s, wanted %.*s", cases[i], SLICE_ARG(ours),
                      SLICE_ARG(vector.authorization));
        }
    }
    expect_u64(CASES, 34);
}

TEST(sigv4, check_accepts_every_request_of_the_published_suite_that_signs_its_token)
{
    for (size_t i = 0; i < CASES; i++) {
        struct vector vector;
        struct sigv4_parsed parsed;
        struct error error = { 0 };
        struct sigv4_credentials credentials = example;

        read_vector(cases[i], &vector);
        parse(vector.authorization, &parsed);
        credentials.session_token = vector.token;
        enum err err = sigv4_check(&parsed, &credentials, SLICE(DATE), &vector.request, &error);
        /* EC2 and STS want the token signed; the suite also has services that do not. */
        bool wanted = !slice_is(slice_of(cases[i]), "post-sts-header-after");
        if ((err == ERR_OK) != wanted) {
            test_fail("%s: %s", cases[i], error.text);
        }
    }
}
