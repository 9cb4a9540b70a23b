/*
 * sigv4_test.c - the signer's habits, and a check that refuses whatever was changed on the way. The
 * published vectors: sigv4_vectors_test.c.
 */
#include <stdio.h>

#include <headroom/sigv4.h>

#include "test.h"

#define DATE "20150830T123600Z"

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        { "" name, sizeof(name) - 1 },                                                             \
        {                                                                                          \
            "" value, sizeof(value) - 1                                                            \
        }                                                                                          \
    }

/* ---- signing ---- */

static struct slice sign_query(const char *query)
{
    static const struct fetch_header host[] = { HEADER("Host", "example.amazonaws.com") };
    const struct sigv4_credentials credentials = { SLICE("AKIDEXAMPLE"),
                                                   SLICE("secret"),
                                                   { NULL, 0 } };
    const struct sigv4_request request = { .method = SLICE("GET"),
                                           .path = SLICE("/"),
                                           .query = slice_of(query),
                                           .headers = host,
                                           .header_count = 1 };

    return sigv4_authorization(test_arena(), &credentials, SLICE("us-east-1"), SLICE("service"),
                               SLICE(DATE), &request);
}

TEST(sigv4, signs_the_same_for_a_parameter_escaped_or_not)
{
    expect_slices(sign_query("%e1%88%b4=bar"), sign_query("\xE1\x88\xB4=bar"));
    expect_slices(sign_query("b=2&a=%7E"), sign_query("a=~&b=2"));
    expect(!slice_eq(sign_query("a=b"), sign_query("a=c")));
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
