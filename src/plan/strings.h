/*
 * strings.h - one copy of each string that rows share, counted: it goes with its last holder.
 *
 * Handle 0 is the empty string, so zeroed rows hold nothing. Node names and label values come and
 * go with an autoscaler for weeks; base's interner would keep all of them.
 */
#ifndef PLAN_STRINGS_H
#define PLAN_STRINGS_H

#include <headroom/index.h>
#include <headroom/model.h>

struct string_row {
    char *text; /* NUL-terminated; NULL: a free row */
    uint32_t len;
    uint32_t holders; /* free row: the next free one, or 0 */
};

struct strings {
    struct string_row *rows;
    uint32_t count, capacity, unused;
    struct index index;
};

void strings_init(struct strings *strings);
void strings_done(struct strings *strings);

/* Finds or adds; each hold wants one drop. */
uint32_t strings_hold(struct strings *strings, struct slice text);
void strings_drop(struct strings *strings, uint32_t handle);
/* INDEX_NONE: nobody holds it. */
uint32_t strings_find(const struct strings *strings, struct slice text);
/* Borrowed while it is held. */
struct slice strings_get(const struct strings *strings, uint32_t handle);

/* Replaces what *handle holds. True when it is another string now. */
bool strings_set(struct strings *strings, uint32_t *handle, struct slice text);

/* Labels or tags, held as key, value, key, value ...; NULL for none. Dropping frees the array. */
uint32_t *strings_hold_pairs(struct strings *strings, const struct pair *pairs, uint32_t count);
void strings_drop_pairs(struct strings *strings, uint32_t *held, uint32_t count);
bool strings_same_pairs(const struct strings *strings, const uint32_t *held,
                        const struct pair *pairs, uint32_t count);
/* As pairs in the arena; the texts are borrowed. */
struct pair *strings_pairs(const struct strings *strings, struct arena *arena, const uint32_t *held,
                           uint32_t count);

#endif
