/*
 * sigv4_test.c - signatures against the vectors that AWS publishes (credentials AKIDEXAMPLE, 30
 * August 2015, us-east-1, service "service"), and a check that refuses whatever was changed on the
 * way.
 */
#include <stdio.h>

#include <headroom/sigv4.h>

#include "test.h"

#define DATE "20150830T123600Z"

static const struct sigv4_credentials example = {
    .access_key_id = { "AKIDEXAMPLE", 11 },
    .secret_access_key = { "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40 },
};

static const struct fetch_header vanilla[] = {
    { { "Host", 4 }, { "example.amazonaws.com", 21 } },
    { { "X-Amz-Date", 10 }, { DATE, 16 } },
};

/* The signature of a request of the suite; headers follow host, x-amz-date stands last. */
static struct slice sign(const char *method, const char *path, const char *query,
                         const struct fetch_header *more, size_t count, const char *body)
{
    struct fetch_header headers[16] = { vanilla[0] };

    for (size_t i = 0; i < count; i++) {
        headers[i + 1] = more[i];
    }
    headers[count + 1] = vanilla[1];
    struct sigv4_request request = {
        .method = slice_of(method),
        .path = slice_of(path),
        .query = slice_of(query),
        .headers = headers,
        .header_count = count + 2,
        .body = slice_of(body),
    };
    struct slice authorization = sigv4_authorization(test_arena(), &example, SLICE("us-east-1"),
                                                     SLICE("service"), SLICE(DATE), &request);
    struct sigv4_parsed parsed;
    struct error error = { 0 };
    require_ok(sigv4_parse(authorization, &parsed, &error), &error);
    return parsed.signature;
}

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        { "" name, sizeof(name) - 1 },                                                             \
        {                                                                                          \
            "" value, sizeof(value) - 1                                                            \
        }                                                                                          \
    }

TEST(sigv4, signs_the_plain_requests_of_the_published_suite)
{
    expect_slice(sign("GET", "/", "", NULL, 0, ""),
                 "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    expect_slice(sign("POST", "/", "", NULL, 0, ""),
                 "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

TEST(sigv4, sorts_and_encodes_the_query_as_the_published_suite_does)
{
    expect_slice(sign("GET", "/", "Param2=value2&Param1=value1", NULL, 0, ""),
                 "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
    expect_slice(sign("GET", "/", "Param1=value2&Param1=Value1", NULL, 0, ""),
                 "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1");
    expect_slice(sign("GET", "/", "\xE1\x88\xB4=bar", NULL, 0, ""),
                 "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04");
    /* The same parameters, escaped on the wire: the same signature. */
    expect_slice(sign("GET", "/", "%e1%88%b4=bar", NULL, 0, ""),
                 "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04");
}

TEST(sigv4, normalizes_and_encodes_the_path_as_the_published_suite_does)
{
    expect_slice(sign("GET", "/\xE1\x88\xB4", "", NULL, 0, ""),
                 "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
    expect_slice(sign("GET", "/example space/", "", NULL, 0, ""),
                 "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741");
    struct slice root = sign("GET", "/", "", NULL, 0, "");
    expect_slices(sign("GET", "/example/..", "", NULL, 0, ""), root);
    expect_slices(sign("GET", "/example1/example2/../..", "", NULL, 0, ""), root);
    expect_slices(sign("GET", "//", "", NULL, 0, ""), root);
    expect_slices(sign("GET", "/./", "", NULL, 0, ""), root);
    expect_slices(sign("GET", "//example//", "", NULL, 0, ""),
                  sign("GET", "/example/", "", NULL, 0, ""));
    expect_slices(sign("GET", "/./example", "", NULL, 0, ""),
                  sign("GET", "/example", "", NULL, 0, ""));
}

TEST(sigv4, trims_folds_and_joins_headers_as_the_published_suite_does)
{
    static const struct fetch_header trim[] = {
        HEADER("My-Header1", " value1"),
        HEADER("My-Header2", " \"a   b   c\""),
    };
    static const struct fetch_header order[] = {
        HEADER("My-Header1", "value4"),
        HEADER("My-Header1", "value1"),
        HEADER("My-Header1", "value3"),
        HEADER("My-Header1", "value2"),
    };
    static const struct fetch_header multiline[] = {
        HEADER("My-Header1", "value1\n  value2\n     value3"),
    };

    expect_slice(sign("GET", "/", "", trim, 2, ""),
                 "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
    expect_slice(sign("GET", "/", "", order, 4, ""),
                 "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01");
    expect_slice(sign("GET", "/", "", multiline, 1, ""),
                 "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd");
}

TEST(sigv4, covers_the_body_of_a_form)
{
    static const struct fetch_header form[] = {
        HEADER("Content-Type", "application/x-www-form-urlencoded"),
    };

    expect_slice(sign("POST", "/", "", form, 1, "Param1=value1"),
                 "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

TEST(sigv4, writes_the_date_in_utc)
{
    char date[SIGV4_DATE_LEN + 1];

    sigv4_date(UINT64_C(1440938160) * 1000000000 + 999999999, date);
    expect_text(date, DATE);
}

/* ---- the check ---- */

struct exchange {
    struct fetch_header headers[8];
    struct sigv4_request request;
    struct sigv4_credentials credentials;
    struct sigv4_parsed parsed;
};

/* A request as it arrives: signed by a client that holds a session token, sent with one header
 * more. */
static void send_signed(struct exchange *x)
{
    *x = (struct exchange){
        .headers = {
            HEADER("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            HEADER("host", "ec2.us-west-2.amazonaws.com"),
            HEADER("X-Amz-Date", DATE),
            HEADER("X-Amz-Security-Token", "token"),
            HEADER("user-agent", "headroom"),
        },
        .request = { .method = SLICE("POST"), .path = SLICE("/"), .header_count = 4,
                     .body = SLICE("Action=DescribeSubnets&Version=2016-11-15") },
        .credentials = { SLICE("AKIDEXAMPLE"), SLICE("secret"), SLICE("token") },
    };
    x->request.headers = x->headers;
    struct slice authorization = sigv4_authorization(
        test_arena(), &x->credentials, SLICE("us-west-2"), SLICE("ec2"), SLICE(DATE), &x->request);
    struct error error = { 0 };
    require_ok(sigv4_parse(authorization, &x->parsed, &error), &error);
    x->request.header_count = 5;
}

static enum err check(const struct exchange *x, struct error *error)
{
    *error = (struct error){ 0 };
    return sigv4_check(&x->parsed, &x->credentials, SLICE(DATE), &x->request, error);
}

TEST(sigv4, check_accepts_what_was_signed_and_says_who_signed)
{
    struct exchange x;
    struct error error;

    send_signed(&x);
    expect_ok(check(&x, &error), &error);
    expect_slice(x.parsed.access_key_id, "AKIDEXAMPLE");
    expect_slice(x.parsed.date, "20150830");
    expect_slice(x.parsed.region, "us-west-2");
    expect_slice(x.parsed.service, "ec2");
    expect_slice(x.parsed.signed_headers, "content-type;host;x-amz-date;x-amz-security-token");
}

TEST(sigv4, check_refuses_whatever_was_changed_on_the_way)
{
    struct exchange x;
    struct error error;

    send_signed(&x);
    x.request.body = SLICE("Action=DeleteSubnet&Version=2016-11-15");
    expect_err(check(&x, &error), ERR_DENIED, &error);

    send_signed(&x);
    x.headers[1].value = SLICE("ec2.us-east-1.amazonaws.com");
    expect_err(check(&x, &error), ERR_DENIED, &error);

    send_signed(&x);
    x.credentials.secret_access_key = SLICE("another");
    expect_err(check(&x, &error), ERR_DENIED, &error);
    expect_contains(slice_of(error.text), "does not match");

    send_signed(&x);
    x.request.query = SLICE("a=b");
    expect_err(check(&x, &error), ERR_DENIED, &error);
}

TEST(sigv4, check_says_what_a_signature_lacks)
{
    struct exchange x;
    struct error error;

    send_signed(&x);
    x.headers[4] = (struct fetch_header)HEADER("X-Amz-Target", "x");
    expect_err(check(&x, &error), ERR_DENIED, &error);
    expect_contains(slice_of(error.text), "X-Amz-Target is not signed");

    send_signed(&x);
    x.headers[0].name = SLICE("x-content-type");
    expect_err(check(&x, &error), ERR_DENIED, &error);
    expect_contains(slice_of(error.text), "content-type was not sent");

    send_signed(&x);
    x.parsed.date = SLICE("20150831");
    expect_err(check(&x, &error), ERR_DENIED, &error);
    expect_contains(slice_of(error.text), "X-Amz-Date");

    send_signed(&x);
    x.credentials.session_token = (struct slice){ 0 };
    expect_err(check(&x, &error), ERR_DENIED, &error);
    expect_contains(slice_of(error.text), "security token");
}

TEST(sigv4, refuses_an_authorization_header_that_is_none)
{
    static const char *const bad[] = {
        "",
        "Basic dXNlcjpwYXNz",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws4_request, Signature=00",
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws4_request,Signature=0,Signature=1",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sigv4_parsed parsed;
        expect_err(sigv4_parse(slice_of(bad[i]), &parsed, NULL), ERR_INVALID, NULL);
    }
}
