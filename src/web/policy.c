/*
 * policy.c - the browser's limits: the Content-Security-Policy by hashes, and the check of Origin.
 *
 * Knows CSP level 2 (w3.org/TR/CSP2, hash-source) and RFC 6454. Refuses to know what the page does.
 */
#include <assert.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "policy.h"

enum { SHA256_LEN = 32, HASH_TEXT_MAX = 48 };

/* What stands between the first <tag> and </tag>. */
static struct slice element(struct slice page, const char *open, const char *close)
{
    const char *begin = memmem(page.data, page.len, open, strlen(open));

    if (!begin) {
        return (struct slice){ 0 };
    }
    begin += strlen(open);
    size_t left = page.len - (size_t)(begin - page.data);
    const char *end = memmem(begin, left, close, strlen(close));
    return (struct slice){ begin, end ? (size_t)(end - begin) : 0 };
}

static void hash(struct slice text, char ret[HASH_TEXT_MAX])
{
    unsigned char digest[SHA256_LEN];
    unsigned len = 0;
    int ok = EVP_Digest(text.data ? text.data : "", text.len, digest, &len, EVP_sha256(), NULL);

    assert(ok == 1 && len == SHA256_LEN);
    (void)EVP_EncodeBlock((unsigned char *)ret, digest, SHA256_LEN);
}

void web_policy(struct slice page, char ret[WEB_POLICY_MAX])
{
    char script[HASH_TEXT_MAX], style[HASH_TEXT_MAX];

    hash(element(page, "<script>", "</script>"), script);
    hash(element(page, "<style>", "</style>"), style);
    int len = snprintf(ret, WEB_POLICY_MAX,
                       "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
                       "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'",
                       script, style);
    assert(len < WEB_POLICY_MAX);
}

bool web_same_origin(struct slice origin, struct slice host)
{
    if (slice_starts(origin, SLICE("https://"))) {
        origin.data += 8;
        origin.len -= 8;
    } else if (slice_starts(origin, SLICE("http://"))) {
        origin.data += 7;
        origin.len -= 7;
    } else {
        return false;
    }
    return host.len > 0 && slice_eq_nocase(origin, host);
}
