/*
 * endpoint.h - where requests go: the URL of a service in a Region, or the one that the user
 * configured.
 */
#ifndef EC2_ENDPOINT_H
#define EC2_ENDPOINT_H

#include <headroom/slice.h>

struct endpoint {
    char url[256];  /* with its path, "https://ec2.us-west-2.amazonaws.com/" */
    char host[200]; /* what the Host header says: with the port unless it is the scheme's own */
    char path[64];  /* "/" at least */
};

struct endpoint_choice {
    struct slice region;
    struct slice custom; /* a URL; empty: the Region's own */
    bool fips, dualstack;
};

/* service: "ec2" or "sts". ERR_INVALID says what is wrong with the Region or the URL. */
enum err ec2_endpoint_set(struct endpoint *endpoint, const char *service,
                          const struct endpoint_choice *choice, struct error *error) ERR_CHECKED;

/* Parts of an http or https URL: "host:port" and the path, "/" if there is none. */
enum err ec2_endpoint_parse(struct endpoint *endpoint, struct slice url, struct error *error)
    ERR_CHECKED;

/* The host alone, without port and brackets; of the endpoint. */
struct slice ec2_endpoint_host(const struct endpoint *endpoint);

#endif
