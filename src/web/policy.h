/*
 * policy.h - what a browser may do with the page, and which pages may connect.
 */
#ifndef HEADROOM_WEB_POLICY_H
#define HEADROOM_WEB_POLICY_H

#include <headroom/slice.h>

enum { WEB_POLICY_MAX = 512 };

/* The Content-Security-Policy: the page's one script and one style by their hashes, connections to
 * itself, nothing else. */
void web_policy(struct slice page, char ret[WEB_POLICY_MAX]);

/* "http://host:port" against the Host header "host:port". */
bool web_same_origin(struct slice origin, struct slice host);

#endif
