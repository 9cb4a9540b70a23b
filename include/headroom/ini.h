/*
 * ini.h - the INI dialect of AWS's shared config and credentials files.
 *
 *     [profile build]                 section "profile build"
 *     role_arn = arn:aws:iam::1:role/x   key, value      ; a comment
 *     services = here
 *     [services here]
 *     ec2 =
 *       endpoint_url = http://x       an indented line under a key without a value: key "ec2", sub
 * "endpoint_url"
 *
 * Lines that begin with # or ; are comments, and what follows a space and one of them is cut off.
 * Of a key that stands there twice the last one counts. Source: AWS SDKs and Tools Reference Guide,
 * "Shared config and credentials files".
 */
#ifndef HEADROOM_INI_H
#define HEADROOM_INI_H

#include <headroom/arena.h>

enum { INI_BYTES_MAX = 1024 * 1024, INI_ENTRIES_MAX = 20000 };

struct ini_entry {
    struct slice section, key, sub, value; /* key empty: the section's own line */
};

struct ini {
    const struct ini_entry *entries;
    uint32_t count;
};

/* Entries point into the arena. The error names the line: "line 3: ...". It quotes nothing: the
 * file holds secrets. */
enum err ini_parse(struct arena *arena, struct slice text, struct ini *ret, struct error *error)
    ERR_CHECKED;

bool ini_has_section(const struct ini *ini, struct slice section);
/* Empty when it is not there. */
struct slice ini_get(const struct ini *ini, struct slice section, const char *key);
struct slice ini_get_sub(const struct ini *ini, struct slice section, const char *key,
                         const char *sub);

#endif
