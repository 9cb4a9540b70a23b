/*
 * ini.c - lines of an AWS config file to entries.
 *
 * Knows the dialect. Refuses to know profiles and what a key means.
 */
#include <headroom/ini.h>

struct reader {
    struct arena *arena;
    struct ini_entry *entries;
    uint32_t count, capacity, line;
    struct slice section, parent; /* parent: the last key, while it has no value of its own */
};

static enum err add(struct reader *reader, struct ini_entry entry, struct error *error)
{
    if (reader->count == INI_ENTRIES_MAX) {
        return error_set(error, ERR_LIMIT, "line %u: more than %d entries", reader->line,
                         INI_ENTRIES_MAX);
    }
    if (reader->count == reader->capacity) {
        uint32_t capacity = reader->capacity ? reader->capacity * 2 : 32;
        struct ini_entry *entries = ARENA_ARRAY(reader->arena, struct ini_entry, capacity);
        if (reader->count > 0) {
            memcpy(entries, reader->entries, reader->count * sizeof(*entries));
        }
        reader->entries = entries;
        reader->capacity = capacity;
    }
    reader->entries[reader->count++] = entry;
    return ERR_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cuts a comment that follows white space. */
static struct slice without_comment(struct slice s)
{
    for (size_t i = 1; i < s.len; i++) {
        if ((s.data[i] == '#' || s.data[i] == ';') && is_blank(s.data[i - 1])) {
            s.len = i;
        }
    }
    return slice_trim(s);
}

/* "[profile 'a b']": quotes around a name go, runs of blanks after "profile" become one. */
static enum err read_section(struct reader *reader, struct slice line, struct error *error)
{
    struct slice rest = { line.data + 1, line.len - 1 };
    struct slice name = slice_cut(&rest, ']');

    if (!rest.data) {
        return error_set(error, ERR_INVALID, "line %u: a section without ]", reader->line);
    }
    name = slice_trim(name);
    struct slice second = name;
    struct slice first = slice_cut(&second, ' ');
    second = slice_trim(second);
    if (second.len >= 2 && (second.data[0] == '"' || second.data[0] == '\'') &&
        second.data[second.len - 1] == second.data[0]) {
        second = (struct slice){ second.data + 1, second.len - 2 };
    }
    reader->section = second.len > 0 ? arena_printf(reader->arena, "%.*s %.*s", SLICE_ARG(first),
                                                    SLICE_ARG(second))
                                     : first;
    reader->parent = (struct slice){ 0 };
    return add(reader, (struct ini_entry){ .section = reader->section }, error);
}

static enum err read_pair(struct reader *reader, struct slice line, bool indented,
                          struct error *error)
{
    struct slice value = line;
    struct slice key = slice_trim(slice_cut(&value, '='));
    bool nested = indented && reader->parent.len > 0;

    if (indented && reader->count > 0 && !nested) {
        return ERR_OK; /* goes on with a value that we do not need */
    }
    if (!value.data || key.len == 0) {
        return error_set(error, ERR_INVALID, "line %u: neither a section nor key = value",
                         reader->line);
    }
    value = without_comment(slice_trim(value));
    struct ini_entry entry = { .section = reader->section, .key = key, .value = value };
    if (nested) {
        entry.key = reader->parent;
        entry.sub = key;
    } else {
        reader->parent = value.len == 0 ? key : (struct slice){ 0 };
    }
    return add(reader, entry, error);
}

enum err ini_parse(struct arena *arena, struct slice text, struct ini *ret, struct error *error)
{
    struct reader reader = { .arena = arena };
    enum err err = ERR_OK;

    *ret = (struct ini){ 0 };
    if (text.len > INI_BYTES_MAX) {
        return error_set(error, ERR_LIMIT, "larger than %d bytes", INI_BYTES_MAX);
    }
    struct slice rest = arena_slice(arena, text);
    while (!err && rest.len > 0) {
        struct slice raw = slice_cut(&rest, '\n');
        struct slice line = slice_trim(raw);
        reader.line++;
        if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';') {
            continue;
        }
        if (line.data[0] == '[') {
            err = read_section(&reader, line, error);
        } else {
            err = read_pair(&reader, line, is_blank(raw.data[0]), error);
        }
    }
    if (!err) {
        *ret = (struct ini){ .entries = reader.entries, .count = reader.count };
    }
    return err;
}

bool ini_has_section(const struct ini *ini, struct slice section)
{
    for (uint32_t i = 0; i < ini->count; i++) {
        if (slice_eq(ini->entries[i].section, section)) {
            return true;
        }
    }
    return false;
}

struct slice ini_get_sub(const struct ini *ini, struct slice section, const char *key,
                         const char *sub)
{
    struct slice value = { 0 };

    for (uint32_t i = 0; i < ini->count; i++) {
        const struct ini_entry *entry = &ini->entries[i];
        if (slice_eq(entry->section, section) && slice_is(entry->key, key) &&
            slice_is(entry->sub, sub)) {
            value = entry->value;
        }
    }
    return value;
}

struct slice ini_get(const struct ini *ini, struct slice section, const char *key)
{
    return ini_get_sub(ini, section, key, "");
}
