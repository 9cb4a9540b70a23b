/*
 * endpoint.c - partitions, FIPS and dual-stack names, and URLs taken apart.
 *
 * Knows the naming of AWS's endpoints as its SDKs' endpoint rules have them. Refuses to know who
 * asks.
 */
#include <stdio.h>

#include "endpoint.h"

struct partition {
    const char *region_prefix;
    const char *suffix, *dualstack_suffix; /* NULL: the partition has none */
    bool fips_is_default;                  /* the plain name is the FIPS one already */
};

/* The first prefix that fits counts; the last one is "aws". */
static const struct partition partitions[] = {
    { "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", false },
    { "us-gov-", "amazonaws.com", "api.aws", true },
    { "us-isob-", "sc2s.sgov.gov", NULL, false },
    { "us-isof-", "csp.hci.ic.gov", NULL, false },
    { "us-iso-", "c2s.ic.gov", NULL, false },
    { "eu-isoe-", "cloud.adc-e.uk", NULL, false },
    { "eusc-", "amazonaws.eu", NULL, false },
    { "", "amazonaws.com", "api.aws", false },
};

static enum err check_region(struct slice region, struct error *error)
{
    bool valid = region.len > 0 && region.len < 32;

    for (size_t i = 0; valid && i < region.len; i++) {
        char c = region.data[i];
        valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    }
    if (!valid) {
        return error_set(error, ERR_INVALID, "'%.*s' is no AWS Region",
                         (int)(region.len < 40 ? region.len : 40), region.data);
    }
    return ERR_OK;
}

enum err ec2_endpoint_parse(struct endpoint *endpoint, struct slice url, struct error *error)
{
    struct slice rest = url;
    bool secure = slice_starts(url, SLICE("https://"));

    *endpoint = (struct endpoint){ 0 };
    if (!secure && !slice_starts(url, SLICE("http://"))) {
        return error_set(error, ERR_INVALID, "'%.*s' is no http or https URL",
                         (int)(url.len < 100 ? url.len : 100), url.data);
    }
    rest.data += secure ? 8 : 7;
    rest.len -= secure ? 8 : 7;
    struct slice host = rest;
    struct slice path = { 0 };
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.data[i] == '/') {
            host.len = i;
            path = (struct slice){ rest.data + i, rest.len - i };
            break;
        }
    }
    struct slice port = secure ? SLICE(":443") : SLICE(":80");
    if (slice_ends(host, port)) {
        host.len -= port.len;
    }
    if (host.len == 0 || slice_copy(host, endpoint->host, sizeof(endpoint->host)) ||
        slice_copy(path.len > 0 ? path : SLICE("/"), endpoint->path, sizeof(endpoint->path))) {
        return error_set(error, ERR_INVALID, "the URL '%.*s' has no host or is too long",
                         (int)(url.len < 100 ? url.len : 100), url.data);
    }
    for (const char *at = endpoint->host; *at; at++) {
        if (*at <= ' ' || *at == '@' || *at == '?' || *at == '#' || *at >= 127) {
            return error_set(error, ERR_INVALID, "the URL's host '%s' has a forbidden character",
                             endpoint->host);
        }
    }
    (void)snprintf(endpoint->url, sizeof(endpoint->url), "%s://%s%.40s", secure ? "https" : "http",
                   endpoint->host, endpoint->path);
    return ERR_OK;
}

struct slice ec2_endpoint_host(const struct endpoint *endpoint)
{
    struct slice host = slice_of(endpoint->host);

    if (host.len > 0 && host.data[0] == '[') {
        struct slice inner = { host.data + 1, host.len - 1 };
        return slice_cut(&inner, ']');
    }
    struct slice rest = host;
    return slice_cut(&rest, ':');
}

enum err ec2_endpoint_set(struct endpoint *endpoint, const char *service,
                          const struct endpoint_choice *choice, struct error *error)
{
    const struct partition *partition = partitions;
    char url[200];

    enum err err = check_region(choice->region, error);
    if (err) {
        return err;
    }
    if (choice->custom.len > 0) {
        return ec2_endpoint_parse(endpoint, choice->custom, error);
    }
    while (!slice_starts(choice->region, slice_of(partition->region_prefix))) {
        partition++;
    }
    bool dualstack = choice->dualstack && partition->dualstack_suffix;
    bool fips = choice->fips && (dualstack || !partition->fips_is_default);
    (void)snprintf(url, sizeof(url), "https://%s%s.%.*s.%s", service, fips ? "-fips" : "",
                   SLICE_ARG(choice->region),
                   dualstack ? partition->dualstack_suffix : partition->suffix);
    return ec2_endpoint_parse(endpoint, slice_of(url), error);
}
