/*
 * setup.c - a fetch turned into curl's options.
 *
 * Knows curl's options and which of its defaults are not ours. Refuses to know what becomes of the
 * transfer.
 *
 * tls-server-name: the URL that curl is given names the server as its certificate does, and
 * CONNECT_TO says where that really is. So SNI and the check of the certificate follow by
 * themselves, and nothing is ever left unchecked; the Host header keeps the real address, as
 * client-go sends it.
 */
#include <assert.h>
#include <stdlib.h>

#include "state.h"

#define STREAM_IDLE_S 2L

enum { CERTIFICATE_USED_S = 300 }; /* as long as client-go takes to look at the files again */

/* The parts of "https://user@host:port/path?query"; port is empty when it is not there. */
struct url {
    struct slice scheme, host, port, rest;
    bool userinfo;
};

static bool url_split(struct slice text, struct url *ret)
{
    *ret = (struct url){ 0 };
    const char *mark = memmem(text.data, text.len, "://", 3);
    if (!mark) {
        return false;
    }
    ret->scheme = (struct slice){ text.data, (size_t)(mark - text.data) };
    struct slice rest = { mark + 3, text.len - ret->scheme.len - 3 };
    size_t len = 0;
    while (len < rest.len && !strchr("/?#", rest.data[len])) {
        len++;
    }
    struct slice authority = { rest.data, len };
    ret->rest = (struct slice){ rest.data + len, rest.len - len };
    const char *at = memrchr(authority.data, '@', authority.len);
    if (at) {
        ret->userinfo = true;
        authority.len -= (size_t)(at + 1 - authority.data);
        authority.data = at + 1;
    }
    const char *bracket = memrchr(authority.data, ']', authority.len);
    const char *colon = memrchr(authority.data, ':', authority.len);
    ret->host = authority;
    if (colon && (!bracket || colon > bracket)) {
        ret->host.len = (size_t)(colon - authority.data);
        ret->port = (struct slice){ colon + 1, authority.len - ret->host.len - 1 };
    }
    return ret->host.len > 0;
}

struct slice http_origin(struct arena *arena, struct slice text)
{
    struct url url;

    if (!url_split(text, &url)) {
        return SLICE("the address");
    }
    return arena_printf(arena, "%.*s://%.*s%s%.*s", SLICE_ARG(url.scheme), SLICE_ARG(url.host),
                        url.port.len > 0 ? ":" : "", SLICE_ARG(url.port));
}

/* A proxy has no way to our own machine, and the metadata services hand out credentials: Go leaves
 * out the first as well. 169.254.0.0/16, fd00:ec2::254 and ::23 are EC2's and EKS's. */
static bool never_proxied(struct slice host)
{
    return slice_eq_nocase(host, SLICE("localhost")) || slice_starts(host, SLICE("127.")) ||
           slice_starts(host, SLICE("169.254.")) || slice_is(host, "[::1]") ||
           slice_starts(host, SLICE("[fd00:ec2:"));
}

static void set_text(struct transfer *transfer, CURLoption option, struct slice value)
{
    /* curl copies strings at once. */
    (void)curl_easy_setopt(transfer->easy, option,
                           value.len > 0 ? arena_slice(&transfer->arena, value).data : NULL);
}

static void set_blob(struct transfer *transfer, CURLoption option, struct slice value)
{
    struct curl_blob blob = { .len = value.len, .flags = CURL_BLOB_COPY };

    memcpy(&blob.data, &value.data, sizeof(blob.data));
    (void)curl_easy_setopt(transfer->easy, option, &blob);
}

/* Whom to trust, by the options for the server or for a proxy that speaks TLS itself. */
struct trust {
    CURLoption path, file, blob, verify_peer, verify_host;
};

static const struct trust server_trust = {
    CURLOPT_CAPATH,         CURLOPT_CAINFO,         CURLOPT_CAINFO_BLOB,
    CURLOPT_SSL_VERIFYPEER, CURLOPT_SSL_VERIFYHOST,
};
static const struct trust proxy_trust = {
    CURLOPT_PROXY_CAPATH,         CURLOPT_PROXY_CAINFO,         CURLOPT_PROXY_CAINFO_BLOB,
    CURLOPT_PROXY_SSL_VERIFYPEER, CURLOPT_PROXY_SSL_VERIFYHOST,
};

static void set_trust(struct transfer *transfer, const struct fetch_tls *tls,
                      const struct trust *trust)
{
    struct slice system = io_env("SSL_CERT_FILE");

    if (tls && (tls->ca_pem.len > 0 || tls->ca_file.len > 0)) {
        /* This CA alone: curl would go on trusting the system's folder as well. */
        (void)curl_easy_setopt(transfer->easy, trust->path, NULL);
        if (tls->ca_pem.len > 0) {
            (void)curl_easy_setopt(transfer->easy, trust->file, NULL);
            set_blob(transfer, trust->blob, tls->ca_pem);
        } else {
            set_text(transfer, trust->file, tls->ca_file);
        }
    } else if (system.len > 0) {
        set_text(transfer, trust->file, system);
    }
    if (tls && tls->insecure) {
        (void)curl_easy_setopt(transfer->easy, trust->verify_peer, 0L);
        (void)curl_easy_setopt(transfer->easy, trust->verify_host, 0L);
    }
}

/* A certificate's files may be replaced. A session that is resumed stands for the certificate that
 * it began with, whatever is shown now, and a connection too: neither may last for ever. */
static void set_certificate(struct transfer *transfer, const struct fetch_tls *tls)
{
    CURL *easy = transfer->easy;

    if (tls->cert_pem.len > 0) {
        set_blob(transfer, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
    } else if (tls->cert_file.len > 0) {
        set_text(transfer, CURLOPT_SSLCERT, tls->cert_file);
    } else {
        return;
    }
    if (tls->key_pem.len > 0) {
        set_blob(transfer, CURLOPT_SSLKEY_BLOB, tls->key_pem);
    } else if (tls->key_file.len > 0) {
        set_text(transfer, CURLOPT_SSLKEY, tls->key_file);
    }
    (void)curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)CERTIFICATE_USED_S);
}

static void set_tls(struct transfer *transfer, const struct fetch_tls *tls)
{
    (void)curl_easy_setopt(transfer->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    set_trust(transfer, tls, &server_trust);
    if (tls && tls->ca_file.len > 0) {
        /* It rotates; curl would remember what it said for a day. */
        (void)curl_easy_setopt(transfer->easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    }
    if (tls) {
        transfer->insecure = tls->insecure;
        set_certificate(transfer, tls);
    }
}

/* As kubectl does: the server's authority speaks for its proxy too, NO_PROXY is no exception from a
 * proxy that was named for this server, and it is the proxy that asks the DNS. */
static void set_proxy(struct transfer *transfer, const struct fetch_tls *tls)
{
    struct slice url = tls->proxy_url, socks = SLICE("socks5://");

    if (slice_starts(url, socks)) {
        url = arena_printf(&transfer->arena, "socks5h://%.*s", (int)(url.len - socks.len),
                           url.data + socks.len);
    }
    set_text(transfer, CURLOPT_PROXY, url);
    (void)curl_easy_setopt(transfer->easy, CURLOPT_NOPROXY, "");
    (void)curl_easy_setopt(transfer->easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    set_trust(transfer, tls, &proxy_trust);
    transfer->proxy = http_origin(&transfer->arena, tls->proxy_url);
}

static void add_header(struct transfer *transfer, const char *line)
{
    struct curl_slist *headers = curl_slist_append(transfer->headers, line);

    assert(headers);
    transfer->headers = headers;
}

static bool one_line(struct slice s)
{
    return !memchr(s.data ? s.data : "", '\r', s.len) &&
           !memchr(s.data ? s.data : "", '\n', s.len) && !memchr(s.data ? s.data : "", '\0', s.len);
}

static enum err set_headers(struct transfer *transfer, const struct fetch *fetch,
                            struct error *error)
{
    bool content_type = false;

    for (size_t i = 0; i < fetch->header_count; i++) {
        const struct fetch_header *header = &fetch->headers[i];
        if (!one_line(header->name) || !one_line(header->value) || header->name.len == 0) {
            return error_set(error, ERR_INVALID, "a header of the request holds a line break");
        }
        content_type |= slice_eq_nocase(header->name, SLICE("content-type"));
        /* "Name;" is curl's way to send a header without a value; "Name:" would remove it. */
        add_header(transfer, arena_printf(&transfer->arena,
                                          header->value.len > 0 ? "%.*s: %.*s" : "%.*s;%.*s",
                                          SLICE_ARG(header->name), SLICE_ARG(header->value))
                                 .data);
    }
    add_header(transfer, "Expect:");
    if (!content_type) {
        add_header(transfer, "Content-Type:");
    }
    return ERR_OK;
}

/* The URL by the name that the certificate must hold, see the head of the file. */
static struct slice rename_server(struct transfer *transfer, const struct url *url,
                                  struct slice name)
{
    struct arena *arena = &transfer->arena;
    bool six = memchr(name.data, ':', name.len) != NULL && name.data[0] != '[';
    struct slice port = url->port.len > 0 ? url->port : SLICE("443");
    struct slice host = six ? arena_printf(arena, "[%.*s]", SLICE_ARG(name)) : name;

    transfer->connect_to = curl_slist_append(
        NULL, arena_printf(arena, "%.*s:%.*s:%.*s:%.*s", SLICE_ARG(host), SLICE_ARG(port),
                           SLICE_ARG(url->host), SLICE_ARG(port))
                  .data);
    assert(transfer->connect_to);
    (void)curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to);
    add_header(transfer, arena_printf(arena, "Host: %.*s%s%.*s", SLICE_ARG(url->host),
                                      url->port.len > 0 ? ":" : "", SLICE_ARG(url->port))
                             .data);
    return arena_printf(arena, "https://%.*s:%.*s%.*s", SLICE_ARG(host), SLICE_ARG(port),
                        SLICE_ARG(url->rest));
}

static enum err set_target(struct transfer *transfer, const struct fetch *fetch,
                           struct error *error)
{
    const struct fetch_tls *tls = fetch->tls;
    struct slice target = fetch->target;
    struct url url;

    if (!one_line(target) || !url_split(target, &url) || url.userinfo ||
        !(slice_is(url.scheme, "https") || slice_is(url.scheme, "http"))) {
        return error_set(error, ERR_INVALID,
                         "\"%.*s\" is no address that can be asked: it must be http:// or https:// "
                         "with a host and without a user",
                         (int)(target.len < 120 ? target.len : 120), target.data);
    }
    if (tls && tls->server_name.len > 0 && slice_is(url.scheme, "https")) {
        target = rename_server(transfer, &url, tls->server_name);
    }
    set_text(transfer, CURLOPT_URL, target);
    if (tls && tls->proxy_url.len > 0) {
        set_proxy(transfer, tls);
    } else if (never_proxied(url.host)) {
        (void)curl_easy_setopt(transfer->easy, CURLOPT_PROXY, "");
    }
    return ERR_OK;
}

static void set_method(struct transfer *transfer, const struct fetch *fetch)
{
    CURL *easy = transfer->easy;
    const char *method = fetch->method ? fetch->method : "GET";

    if (strcmp(method, "GET") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    /* A body, be it empty, also with PUT and PATCH: servers want its length. */
    if (strcmp(method, "DELETE") != 0 || fetch->body.len > 0) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->body.len);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                               arena_slice(&transfer->arena, fetch->body).data);
    }
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_connection(struct transfer *transfer, const struct fetch *fetch)
{
    CURL *easy = transfer->easy;

    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)transfer->connect_ms);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)transfer->total_ms);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
    if (fetch->gzip) {
        (void)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    }
    if (fetch->stream) {
        /* The connection of the list that it follows may serve. One that has stood idle for longer
         * may have lost its other end, which a stream would notice late. */
        (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, STREAM_IDLE_S);
        (void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
}

enum err http_setup(struct transfer *transfer, const struct fetch *fetch, struct error *error)
{
    set_connection(transfer, fetch);
    set_tls(transfer, fetch->tls);
    set_method(transfer, fetch);
    enum err err = set_headers(transfer, fetch, error);
    if (err == ERR_OK) {
        err = set_target(transfer, fetch, error);
    }
    (void)curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    return err;
}
