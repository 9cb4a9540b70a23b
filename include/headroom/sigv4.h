/*
 * sigv4.h - AWS Signature Version 4 of one HTTP request, and its check.
 *
 * Source: the AWS General Reference, "Signing AWS API requests", and its published test suite. The
 * signer gets the time from its caller, so a learnt clock skew and fixed vectors both work. The
 * checker is what ec2sim holds clients to.
 */
#ifndef HEADROOM_SIGV4_H
#define HEADROOM_SIGV4_H

#include <headroom/arena.h>
#include <headroom/fetch.h>

struct sigv4_credentials {
    struct slice access_key_id, secret_access_key, session_token; /* secret; token may be empty */
};

struct sigv4_request {
    struct slice method;
    struct slice path;  /* as it goes over the wire; "/" at least */
    struct slice query; /* without "?"; any order */
    /* To be signed; host and, for a token, x-amz-security-token among them. */
    const struct fetch_header *headers;
    size_t header_count;
    struct slice body;
};

enum { SIGV4_DATE_LEN = 16 }; /* "20260102T030405Z" */

/* The value of the Authorization header, in the arena. `date` is written as X-Amz-Date's value
 * and must be among the headers already (the caller formats it with sigv4_date). */
struct slice sigv4_authorization(struct arena *arena, const struct sigv4_credentials *credentials,
                                 struct slice region, struct slice service, struct slice date,
                                 const struct sigv4_request *request);

void sigv4_date(uint64_t wall_ns, char ret[SIGV4_DATE_LEN + 1]);

/* The pieces of an Authorization header; borrowed from it. */
struct sigv4_parsed {
    struct slice access_key_id, date, region, service; /* of the credential scope */
    struct slice signed_headers, signature;
};

enum err sigv4_parse(struct slice authorization, struct sigv4_parsed *ret, struct error *error)
    ERR_CHECKED;

/* Recomputes and compares in constant time. ERR_DENIED with a text that says what is wrong. */
enum err sigv4_check(const struct sigv4_parsed *parsed, const struct sigv4_credentials *credentials,
                     struct slice date, const struct sigv4_request *request, struct error *error)
    ERR_CHECKED;

#endif
