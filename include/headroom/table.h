/*
 * table.h - a text table whose columns are as wide as their widest cell.
 *
 *     SUBNET        ZONE        FREE
 *     subnet-0aa    us-west-2a    12
 */
#ifndef HEADROOM_TABLE_H
#define HEADROOM_TABLE_H

#include <headroom/arena.h>
#include <headroom/buf.h>

enum { TABLE_COLUMNS_MAX = 12 };

struct table {
    struct arena *arena;
    struct slice *cells; /* row by row, the heads first */
    uint32_t columns, count, capacity;
    uint32_t right; /* bit by column: aligned to the right */
};

/* heads: "SUBNET|ZONE|>FREE"; ">" aligns the column to the right. */
void table_init(struct table *table, struct arena *arena, const char *heads);
/* The next cell; a row is complete after as many as there are columns. Copied. */
void table_add(struct table *table, struct slice cell);
void table_addf(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool table_empty(const struct table *table); /* no row yet */
void table_print(const struct table *table, const char *indent, struct buf *out);

#endif
