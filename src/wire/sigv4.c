/*
 * sigv4.c - AWS Signature Version 4: a request's canonical form, its signature, the check of one.
 *
 * Knows the canonical form and the key derivation, on OpenSSL's HMAC and SHA-256. Refuses to know a
 * clock, where credentials come from, and what the request means. Key material that it derives is
 * wiped before it returns.
 *
 *   request --> canonical request --SHA-256--> string to sign --HMAC--> signature
 *   secret, day, region, service  --4 x HMAC--> signing key ------^
 */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <headroom/buf.h>
#include <headroom/sigv4.h>

enum { DIGEST_SIZE = SHA256_DIGEST_LENGTH, HEX_SIZE = 2 * DIGEST_SIZE, DAY_LEN = 8 };
/* Never met: what we sign we built, what we check came through a server with limits of its own. */
enum { CANONICAL_MAX = 64 * 1024 * 1024 };

static const char algorithm[] = "AWS4-HMAC-SHA256";

void sigv4_date(uint64_t wall_ns, char ret[SIGV4_DATE_LEN + 1])
{
    time_t seconds = (time_t)(wall_ns / UINT64_C(1000000000));
    struct tm utc = { 0 };

    (void)gmtime_r(&seconds, &utc);
    size_t len = strftime(ret, SIGV4_DATE_LEN + 1, "%Y%m%dT%H%M%SZ", &utc);
    assert(len == SIGV4_DATE_LEN);
}

/* ---- digests ---- */

static void to_hex(const unsigned char digest[DIGEST_SIZE], char ret[HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
}

static void hash_hex(struct slice s, char ret[HEX_SIZE])
{
    unsigned char digest[DIGEST_SIZE];

    (void)SHA256((const unsigned char *)(s.data ? s.data : ""), s.len, digest);
    to_hex(digest, ret);
}

static void hmac(const void *key, size_t key_len, struct slice s, unsigned char ret[DIGEST_SIZE])
{
    unsigned int len = 0;
    assert(key_len <= INT32_MAX);
    const unsigned char *done = HMAC(EVP_sha256(), key, (int)key_len,
                                     (const unsigned char *)(s.data ? s.data : ""), s.len, ret,
                                     &len);

    assert(done && len == DIGEST_SIZE);
}

static void signing_key(struct arena *arena, struct slice secret, struct slice day,
                        struct slice region, struct slice service, unsigned char ret[DIGEST_SIZE])
{
    unsigned char step[DIGEST_SIZE];
    size_t len = 4 + secret.len;
    char *first = arena_alloc(arena, len);

    memcpy(first, "AWS4", 4);
    if (secret.len > 0) {
        memcpy(first + 4, secret.data, secret.len);
    }
    hmac(first, len, day, step);
    OPENSSL_cleanse(first, len);
    hmac(step, sizeof(step), region, ret);
    hmac(ret, DIGEST_SIZE, service, step);
    hmac(step, sizeof(step), SLICE("aws4_request"), ret);
    OPENSSL_cleanse(step, sizeof(step));
}

/* ---- the canonical request ---- */

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static void add_encoded(struct buf *out, struct slice s, bool keep_slash)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            buf_add_char(out, c);
        } else {
            buf_addf(out, "%%%02X", (unsigned char)c);
        }
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What a query's name or value stands for; a "%" that begins no escape stays. */
static struct slice decoded(struct arena *arena, struct slice s)
{
    char *text = arena_alloc(arena, s.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i] == '+' ? ' ' : s.data[i];
        if (c == '%' && i + 2 < s.len && hex_value(s.data[i + 1]) >= 0 &&
            hex_value(s.data[i + 2]) >= 0) {
            c = (char)(hex_value(s.data[i + 1]) * 16 + hex_value(s.data[i + 2]));
            i += 2;
        }
        text[len++] = c;
    }
    return (struct slice){ text, len };
}

/* Removes empty, "." and ".." segments and encodes what is left; a "%" on the wire becomes "%25",
 * as every service but S3 wants it. */
static void add_path(struct arena *arena, struct buf *out, struct slice path)
{
    struct slice *segments = ARENA_ARRAY(arena, struct slice, path.len + 1);
    size_t count = 0;
    bool folder = true; /* the last segment named one: the path ends with "/" */
    struct slice rest = path;

    while (rest.len > 0) {
        struct slice segment = slice_cut(&rest, '/');
        folder = rest.data != NULL || segment.len == 0;
        if (slice_is(segment, "..")) {
            count -= count > 0;
            folder = true;
        } else if (slice_is(segment, ".")) {
            folder = true;
        } else if (segment.len > 0) {
            segments[count++] = segment;
        }
    }
    buf_add_char(out, '/');
    for (size_t i = 0; i < count; i++) {
        add_encoded(out, segments[i], false);
        if (i + 1 < count || folder) {
            buf_add_char(out, '/');
        }
    }
}

/* A query's parameter or a header, canonical; `order` keeps equals in the order of their coming. */
struct item {
    struct slice name, value;
    size_t order;
};

static int compare_parameters(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    int order = slice_cmp(left->name, right->name);

    return order != 0 ? order : slice_cmp(left->value, right->value);
}

static int compare_headers(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    int order = slice_cmp(left->name, right->name);

    return order != 0 ? order : (left->order > right->order) - (left->order < right->order);
}

static struct slice encoded(struct arena *arena, struct slice s)
{
    struct buf out;
    buf_init(&out, CANONICAL_MAX);
    add_encoded(&out, decoded(arena, s), false);
    struct slice copy = arena_slice(arena, buf_slice(&out));
    buf_done(&out);
    return copy;
}

static void add_query(struct arena *arena, struct buf *out, struct slice query)
{
    size_t count = 0, most = 1;

    for (size_t i = 0; i < query.len; i++) {
        most += query.data[i] == '&';
    }
    struct item *items = ARENA_ARRAY(arena, struct item, most);
    while (query.len > 0) {
        struct slice value = slice_cut(&query, '&');
        struct slice name = slice_cut(&value, '=');
        if (name.len > 0 || value.len > 0) {
            items[count++] = (struct item){ .name = encoded(arena, name),
                                            .value = encoded(arena, value) };
        }
    }
    qsort(items, count, sizeof(*items), compare_parameters);
    for (size_t i = 0; i < count; i++) {
        buf_add_text(out, i > 0 ? "&" : "");
        buf_add_slice(out, items[i].name);
        buf_add_char(out, '=');
        buf_add_slice(out, items[i].value);
    }
}

static struct slice lower(struct arena *arena, struct slice s)
{
    char *text = arena_alloc(arena, s.len + 1);

    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        text[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return (struct slice){ text, s.len };
}

/* Trims; each run of white space (also the line ends of a folded header) becomes one space. */
static struct slice folded(struct arena *arena, struct slice value)
{
    value = slice_trim(value);
    char *text = arena_alloc(arena, value.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        bool space = c == ' ' || (c >= '\t' && c <= '\r');
        if (space && len > 0 && text[len - 1] == ' ') {
            continue;
        }
        text[len++] = space ? ' ' : c;
    }
    return (struct slice){ text, len };
}

static struct item *canonical_headers(struct arena *arena, const struct sigv4_request *request)
{
    struct item *items = ARENA_ARRAY(arena, struct item, request->header_count);

    for (size_t i = 0; i < request->header_count; i++) {
        items[i] = (struct item){
            .name = lower(arena, request->headers[i].name),
            .value = folded(arena, request->headers[i].value),
            .order = i,
        };
    }
    qsort(items, request->header_count, sizeof(*items), compare_headers);
    return items;
}

/* Of each name all values, in the order in which they came; the names also go to signed_names. */
static void add_headers(struct buf *out, struct buf *signed_names, const struct item *items,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && slice_eq(items[i].name, items[i - 1].name)) {
            buf_add_char(out, ',');
        } else {
            buf_add_text(out, i > 0 ? "\n" : "");
            buf_add_slice(out, items[i].name);
            buf_add_char(out, ':');
            buf_add_text(signed_names, i > 0 ? ";" : "");
            buf_add_slice(signed_names, items[i].name);
        }
        buf_add_slice(out, items[i].value);
    }
    buf_add_text(out, count > 0 ? "\n\n" : "\n");
}

/* Hash of the canonical request, and the list of signed headers in the arena. */
static struct slice canonical_hash(struct arena *arena, const struct sigv4_request *request,
                                   char ret[HEX_SIZE])
{
    struct buf out, names;
    char body_hash[HEX_SIZE];

    buf_init(&out, CANONICAL_MAX);
    buf_init(&names, CANONICAL_MAX);
    buf_add_slice(&out, request->method);
    buf_add_char(&out, '\n');
    add_path(arena, &out, request->path);
    buf_add_char(&out, '\n');
    add_query(arena, &out, request->query);
    buf_add_char(&out, '\n');
    add_headers(&out, &names, canonical_headers(arena, request), request->header_count);
    buf_add_slice(&out, buf_slice(&names));
    buf_add_char(&out, '\n');
    hash_hex(request->body, body_hash);
    buf_add(&out, body_hash, sizeof(body_hash));
    hash_hex(buf_slice(&out), ret);
    struct slice signed_names = arena_slice(arena, buf_slice(&names));
    /* The canonical request holds the session token. */
    if (out.len > 0) {
        OPENSSL_cleanse(out.data, out.len);
    }
    buf_done(&out);
    buf_done(&names);
    return signed_names;
}

/* ---- signing ---- */

static struct slice signature(struct arena *arena, struct slice secret, struct slice scope,
                              struct slice day, struct slice region, struct slice service,
                              struct slice date, const char request_hash[HEX_SIZE])
{
    unsigned char key[DIGEST_SIZE], digest[DIGEST_SIZE];
    char *hex = arena_alloc(arena, HEX_SIZE + 1);
    struct slice to_sign = arena_printf(arena, "%s\n%.*s\n%.*s\n%.*s", algorithm, SLICE_ARG(date),
                                        SLICE_ARG(scope), HEX_SIZE, request_hash);

    signing_key(arena, secret, day, region, service, key);
    hmac(key, sizeof(key), to_sign, digest);
    OPENSSL_cleanse(key, sizeof(key));
    to_hex(digest, hex);
    return (struct slice){ hex, HEX_SIZE };
}

struct slice sigv4_authorization(struct arena *arena, const struct sigv4_credentials *credentials,
                                 struct slice region, struct slice service, struct slice date,
                                 const struct sigv4_request *request)
{
    char request_hash[HEX_SIZE];

    assert(date.len == SIGV4_DATE_LEN);
    struct slice day = { date.data, DAY_LEN };
    struct slice scope = arena_printf(arena, "%.*s/%.*s/%.*s/aws4_request", SLICE_ARG(day),
                                      SLICE_ARG(region), SLICE_ARG(service));
    struct slice names = canonical_hash(arena, request, request_hash);
    struct slice hex = signature(arena, credentials->secret_access_key, scope, day, region, service,
                                 date, request_hash);
    return arena_printf(arena, "%s Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%.*s",
                        algorithm, SLICE_ARG(credentials->access_key_id), SLICE_ARG(scope),
                        SLICE_ARG(names), SLICE_ARG(hex));
}

/* ---- checking ---- */

/* "AKID/20260102/us-west-2/ec2/aws4_request" */
static enum err parse_scope(struct slice credential, struct sigv4_parsed *ret, struct error *error)
{
    struct slice rest = credential;

    ret->access_key_id = slice_cut(&rest, '/');
    ret->date = slice_cut(&rest, '/');
    ret->region = slice_cut(&rest, '/');
    ret->service = slice_cut(&rest, '/');
    if (!slice_is(rest, "aws4_request") || ret->access_key_id.len == 0 ||
        ret->date.len != DAY_LEN || ret->region.len == 0 || ret->service.len == 0) {
        return error_set(error, ERR_INVALID,
                         "Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request");
    }
    return ERR_OK;
}

enum err sigv4_parse(struct slice authorization, struct sigv4_parsed *ret, struct error *error)
{
    struct slice rest = slice_trim(authorization);
    struct slice credential = { 0 };

    *ret = (struct sigv4_parsed){ 0 };
    if (!slice_is(slice_cut(&rest, ' '), algorithm)) {
        return error_set(error, ERR_INVALID, "Authorization does not begin with %s", algorithm);
    }
    while (rest.len > 0) {
        struct slice value = slice_trim(slice_cut(&rest, ','));
        struct slice key = slice_cut(&value, '=');
        struct slice *to = slice_is(key, "Credential")      ? &credential
                           : slice_is(key, "SignedHeaders") ? &ret->signed_headers
                           : slice_is(key, "Signature")     ? &ret->signature
                                                            : NULL;
        if (!to || to->len > 0 || value.len == 0) {
            return error_set(error, ERR_INVALID, "Authorization has an unexpected part");
        }
        *to = value;
    }
    if (credential.len == 0 || ret->signed_headers.len == 0 || ret->signature.len == 0) {
        return error_set(error, ERR_INVALID,
                         "Authorization lacks Credential, SignedHeaders or Signature");
    }
    return parse_scope(credential, ret, error);
}

static const struct fetch_header *find_header(const struct sigv4_request *request,
                                              struct slice name, size_t from)
{
    for (size_t i = from; i < request->header_count; i++) {
        if (slice_eq_nocase(request->headers[i].name, name)) {
            return &request->headers[i];
        }
    }
    return NULL;
}

static bool is_signed(struct slice signed_headers, struct slice name)
{
    while (signed_headers.len > 0) {
        if (slice_eq_nocase(slice_cut(&signed_headers, ';'), name)) {
            return true;
        }
    }
    return false;
}

/* What a signature must cover: host, and every x-amz- header that was sent. */
static enum err check_coverage(struct slice signed_headers, const struct sigv4_request *request,
                               struct error *error)
{
    if (!is_signed(signed_headers, SLICE("host"))) {
        return error_set(error, ERR_DENIED, "the header host is not signed");
    }
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice name = request->headers[i].name;
        struct slice start = { name.data, name.len < 6 ? name.len : 6 };
        if (slice_eq_nocase(start, SLICE("x-amz-")) && !is_signed(signed_headers, name)) {
            return error_set(error, ERR_DENIED, "the header %.*s is not signed", SLICE_ARG(name));
        }
    }
    return ERR_OK;
}

/* The request with its signed headers alone, each with all its values. */
static enum err select_signed(struct arena *arena, struct slice signed_headers,
                              const struct sigv4_request *request, struct sigv4_request *ret,
                              struct error *error)
{
    struct fetch_header *headers = ARENA_ARRAY(arena, struct fetch_header,
                                               request->header_count + 1);
    struct slice before = { 0 };
    size_t count = 0;

    while (signed_headers.len > 0) {
        struct slice name = slice_cut(&signed_headers, ';');
        const struct fetch_header *header = find_header(request, name, 0);
        if (!header) {
            return error_set(error, ERR_DENIED, "the signed header %.*s was not sent",
                             SLICE_ARG(name));
        }
        if (before.data && slice_cmp(before, name) >= 0) {
            return error_set(error, ERR_DENIED, "SignedHeaders is not sorted");
        }
        before = name;
        for (; header;
             header = find_header(request, name, (size_t)(header - request->headers) + 1)) {
            headers[count++] = *header;
        }
    }
    *ret = *request;
    ret->headers = headers;
    ret->header_count = count;
    return ERR_OK;
}

static enum err check(struct arena *arena, const struct sigv4_parsed *parsed,
                      const struct sigv4_credentials *credentials, struct slice date,
                      const struct sigv4_request *request, struct error *error)
{
    struct sigv4_request selected;
    struct slice token = SLICE("x-amz-security-token");
    const struct fetch_header *sent = find_header(request, token, 0);
    char request_hash[HEX_SIZE];

    if (date.len != SIGV4_DATE_LEN || memcmp(date.data, parsed->date.data, DAY_LEN) != 0) {
        return error_set(error, ERR_DENIED,
                         "the date in Credential is not the day of X-Amz-Date '%.*s'",
                         SLICE_ARG(date));
    }
    enum err err = check_coverage(parsed->signed_headers, request, error);
    if (!err) {
        err = select_signed(arena, parsed->signed_headers, request, &selected, error);
    }
    if (err) {
        return err;
    }
    if (!slice_eq(sent ? sent->value : (struct slice){ 0 }, credentials->session_token)) {
        return error_set(error, ERR_DENIED, "the security token does not belong to the access key");
    }
    struct slice scope = arena_printf(arena, "%.*s/%.*s/%.*s/aws4_request", SLICE_ARG(parsed->date),
                                      SLICE_ARG(parsed->region), SLICE_ARG(parsed->service));
    (void)canonical_hash(arena, &selected, request_hash);
    struct slice wanted = signature(arena, credentials->secret_access_key, scope, parsed->date,
                                    parsed->region, parsed->service, date, request_hash);
    if (parsed->signature.len != wanted.len ||
        CRYPTO_memcmp(parsed->signature.data, wanted.data, wanted.len) != 0) {
        return error_set(error, ERR_DENIED,
                         "the signature we calculated does not match the one that was sent");
    }
    return ERR_OK;
}

enum err sigv4_check(const struct sigv4_parsed *parsed, const struct sigv4_credentials *credentials,
                     struct slice date, const struct sigv4_request *request, struct error *error)
{
    struct arena arena;

    arena_init(&arena);
    enum err err = check(&arena, parsed, credentials, date, request, error);
    arena_done(&arena);
    return err;
}
