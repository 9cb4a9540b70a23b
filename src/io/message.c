/*
 * message.c - curl's failures in words for people: what happened, where, and what to look at.
 *
 * Knows curl's codes and OpenSSL's verdicts as curl passes them on. Refuses to know who will read
 * it. Never shows a path, query or header of the request: they may hold secrets.
 */
#include <errno.h>

#include <openssl/x509_vfy.h>

#include "state.h"

/* curl's own detail, else its name for the code. */
static const char *detail(const struct transfer *transfer, CURLcode code)
{
    return transfer->curl_error[0] ? transfer->curl_error : curl_easy_strerror(code);
}

static long info_long(const struct transfer *transfer, CURLINFO info)
{
    long value = 0;

    return curl_easy_getinfo(transfer->easy, info, &value) == CURLE_OK ? value : 0;
}

static bool connected(const struct transfer *transfer)
{
    curl_off_t us = 0;

    return curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &us) == CURLE_OK &&
           us > 0;
}

/* The operating system's reason, which says the same each time, else curl's. */
static const char *connect_detail(const struct transfer *transfer, CURLcode code)
{
    int number = (int)info_long(transfer, CURLINFO_OS_ERRNO);

    return number != 0 ? strerror(number) : detail(transfer, code);
}

/* It is the proxy that did not let us, not the server. */
static bool explain_proxy(const struct transfer *transfer, CURLcode code, struct error *error)
{
    struct slice proxy = transfer->proxy.len > 0 ? transfer->proxy : SLICE("of the environment");
    long answered = info_long(transfer, CURLINFO_HTTP_CONNECTCODE);

    if (info_long(transfer, CURLINFO_PROXY_SSL_VERIFYRESULT) != X509_V_OK) {
        (void)error_set(
            error, ERR_DENIED,
            "the certificate of the proxy %.*s is not trusted: %s; it must be signed by "
            "the certificate authority that is configured for %.*s",
            SLICE_ARG(proxy),
            X509_verify_cert_error_string(info_long(transfer, CURLINFO_PROXY_SSL_VERIFYRESULT)),
            SLICE_ARG(transfer->origin));
    } else if (answered == 407) {
        (void)error_set(
            error, ERR_DENIED,
            "the proxy %.*s on the way to %.*s wants to know who asks; put a user and a "
            "password into its URL",
            SLICE_ARG(proxy), SLICE_ARG(transfer->origin));
    } else if (answered >= 300) {
        (void)error_set(error, ERR_UNAVAILABLE,
                        "the proxy %.*s does not connect to %.*s: HTTP status %ld",
                        SLICE_ARG(proxy), SLICE_ARG(transfer->origin), answered);
    } else if (code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_PROXY ||
               (code == CURLE_COULDNT_CONNECT && transfer->proxy.len > 0)) {
        (void)error_set(error, ERR_UNAVAILABLE, "the proxy %.*s on the way to %.*s: %s",
                        SLICE_ARG(proxy), SLICE_ARG(transfer->origin),
                        connect_detail(transfer, code));
    } else {
        return false;
    }
    return true;
}

static void explain_connect(const struct transfer *transfer, CURLcode code, struct error *error)
{
    int number = (int)info_long(transfer, CURLINFO_OS_ERRNO);

    if (number == ECONNREFUSED) {
        (void)error_set(error, ERR_UNAVAILABLE,
                        "%.*s: connection refused; is it running, and is the address right?",
                        SLICE_ARG(transfer->origin));
    } else {
        (void)error_set(error, ERR_UNAVAILABLE, "cannot connect to %.*s: %s",
                        SLICE_ARG(transfer->origin), connect_detail(transfer, code));
    }
}

static void explain_timeout(const struct transfer *transfer, struct error *error)
{
    if (connected(transfer)) {
        (void)error_set(error, ERR_TIMEOUT, "no complete answer from %.*s within %u.%03u s",
                        SLICE_ARG(transfer->origin), transfer->total_ms / 1000,
                        transfer->total_ms % 1000);
    } else {
        uint32_t ms = transfer->connect_ms;
        if (transfer->total_ms > 0 && transfer->total_ms < ms) {
            ms = transfer->total_ms;
        }
        (void)error_set(error, ERR_TIMEOUT,
                        "no connection to %.*s%s%.*s within %u.%03u s; a firewall or security "
                        "group may drop it",
                        SLICE_ARG(transfer->origin),
                        transfer->proxy.len > 0 ? " by the proxy " : "", SLICE_ARG(transfer->proxy),
                        ms / 1000, ms % 1000);
    }
}

static void explain_certificate(const struct transfer *transfer, CURLcode code, struct error *error)
{
    long verdict = info_long(transfer, CURLINFO_SSL_VERIFYRESULT);

    if (verdict == X509_V_OK || verdict == X509_V_ERR_UNSPECIFIED) {
        /* The chain is good, so the name is not: curl checks that by itself and leaves no verdict.
         */
        (void)error_set(
            error, ERR_DENIED,
            "the certificate of %.*s is for another name: %s; use a name that it holds, "
            "or set tls-server-name",
            SLICE_ARG(transfer->origin), detail(transfer, code));
    } else if (verdict == X509_V_ERR_CERT_HAS_EXPIRED) {
        (void)error_set(error, ERR_DENIED,
                        "the certificate of %.*s has expired; renew it, or check this machine's "
                        "clock",
                        SLICE_ARG(transfer->origin));
    } else if (verdict == X509_V_ERR_CERT_NOT_YET_VALID) {
        (void)error_set(error, ERR_DENIED,
                        "the certificate of %.*s is not valid yet; check this machine's clock",
                        SLICE_ARG(transfer->origin));
    } else {
        (void)error_set(error, ERR_DENIED,
                        "the certificate of %.*s is not trusted: %s; check the certificate "
                        "authority that is configured for it",
                        SLICE_ARG(transfer->origin), X509_verify_cert_error_string(verdict));
    }
}

static void explain_handshake(const struct transfer *transfer, CURLcode code, struct error *error)
{
    bool plain = strstr(transfer->curl_error, "wrong version number") != NULL;

    (void)error_set(error, ERR_UNAVAILABLE, "no TLS connection with %.*s: %s%s",
                    SLICE_ARG(transfer->origin), detail(transfer, code),
                    plain ? "; it seems to speak plain http://" : "");
}

static void set(struct error *error, enum err code, const struct transfer *transfer,
                const char *format) __attribute__((format(printf, 4, 0)));

/* format takes the origin. */
static void set(struct error *error, enum err code, const struct transfer *transfer,
                const char *format)
{
    char text[ERROR_TEXT_MAX];

    (void)snprintf(text, sizeof(text), format, SLICE_ARG(transfer->origin));
    (void)error_set(error, code, "%s", text);
}

/* The causes that lie in what was configured here. */
static bool explain_own(const struct transfer *transfer, CURLcode code, struct error *error)
{
    switch (code) {
    case CURLE_SSL_CERTPROBLEM:
        (void)error_set(error, ERR_INVALID,
                        "the client certificate or key for %.*s cannot be used: %s",
                        SLICE_ARG(transfer->origin), detail(transfer, code));
        return true;
    case CURLE_SSL_CACERT_BADFILE:
        (void)error_set(error, ERR_INVALID, "the certificate authority for %.*s cannot be read: %s",
                        SLICE_ARG(transfer->origin), detail(transfer, code));
        return true;
    case CURLE_URL_MALFORMAT:
        (void)error_set(error, ERR_INVALID, "%.*s is no usable address: %s",
                        SLICE_ARG(transfer->origin), detail(transfer, code));
        return true;
    default:
        return false;
    }
}

void http_explain(const struct transfer *transfer, CURLcode code, struct error *error)
{
    if (explain_proxy(transfer, code, error) || explain_own(transfer, code, error)) {
        return;
    }
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        set(error, ERR_UNAVAILABLE, transfer,
            "the host of %.*s is not known; check the address and this machine's DNS");
        return;
    case CURLE_COULDNT_CONNECT:
        explain_connect(transfer, code, error);
        return;
    case CURLE_OPERATION_TIMEDOUT:
        explain_timeout(transfer, error);
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
        explain_certificate(transfer, code, error);
        return;
    case CURLE_SSL_CONNECT_ERROR:
        explain_handshake(transfer, code, error);
        return;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
        set(error, ERR_UNAVAILABLE, transfer, "%.*s closed the connection without an answer");
        return;
    case CURLE_RECV_ERROR:
        (void)error_set(error, ERR_UNAVAILABLE, "the connection to %.*s broke: %s",
                        SLICE_ARG(transfer->origin), detail(transfer, code));
        return;
    case CURLE_PARTIAL_FILE:
        set(error, ERR_TRUNCATED, transfer, "%.*s closed the connection in mid-answer");
        return;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        set(error, ERR_INVALID, transfer, "%.*s does not answer in HTTP");
        return;
    case CURLE_BAD_CONTENT_ENCODING:
        set(error, ERR_INVALID, transfer, "the answer of %.*s is not the gzip that it says it is");
        return;
    default:
        (void)error_set(error, ERR_IO, "%.*s: %s", SLICE_ARG(transfer->origin),
                        detail(transfer, code));
    }
}
