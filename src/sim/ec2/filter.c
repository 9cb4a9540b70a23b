/*
 * filter.c - filters, ids and pages of describes.
 *
 * Knows that filters are ANDed, their values ORed, and that values may hold "*" and "?". Refuses to
 * know any resource.
 */
#include <stdio.h>
#include <stdlib.h>

#include "call.h"

static int compare_slices(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static bool is_pattern(struct slice s)
{
    return memchr(s.data, '*', s.len) || memchr(s.data, '?', s.len);
}

/* Backtracks to the last star only. */
bool sim_glob(struct slice pattern, struct slice text, bool fold)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;

    while (t < text.len) {
        struct slice left = { pattern.data + p, 1 }, right = { text.data + t, 1 };
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.len &&
                   (pattern.data[p] == '?' ||
                    (fold ? slice_eq_nocase(left, right) : slice_eq(left, right)))) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

static bool is_known(const char *known, struct slice name)
{
    struct slice rest = slice_of(known);

    while (rest.len > 0) {
        if (slice_eq(slice_cut(&rest, ' '), name)) {
            return true;
        }
    }
    return slice_is(name, "tag-key") || slice_starts(name, SLICE("tag:"));
}

static bool parse_filter(struct sim_call *call, const char *known, uint32_t number,
                         struct slice name, struct sim_filter *ret)
{
    char prefix[32];
    uint32_t count = 0;

    if (!is_known(known, name)) {
        return sim_refuse(&call->problem, "InvalidParameterValue", "The filter '%.*s' is invalid",
                          name.len > 64 ? 64 : (int)name.len, name.data);
    }
    (void)snprintf(prefix, sizeof(prefix), "Filter.%u.Value", number);
    const struct slice *values = sim_param_list(call, prefix, &count);
    if (count == 0 || count > 200) {
        return sim_refuse(&call->problem, count ? "FilterLimitExceeded" : "InvalidParameterValue",
                          "The filter '%.*s' has %u values; 1 to 200 are allowed", SLICE_ARG(name),
                          count);
    }
    struct slice *patterns = ARENA_ARRAY(call->arena, struct slice, count);
    *ret = (struct sim_filter){ .name = name, .patterns = patterns };
    ret->plain = ARENA_ARRAY(call->arena, struct slice, count);
    for (uint32_t i = 0; i < count; i++) {
        if (values[i].len > 0 && is_pattern(values[i])) {
            patterns[ret->pattern_count++] = values[i];
        } else {
            ret->plain[ret->plain_count++] = values[i];
        }
    }
    qsort(ret->plain, ret->plain_count, sizeof(*ret->plain), compare_slices);
    if (slice_starts(name, SLICE("tag:"))) {
        ret->by_tag = true;
        ret->tag = interner_find(&call->ec2->names, (struct slice){ name.data + 4, name.len - 4 });
    }
    return true;
}

/* "row.check": the check ties a token to the request that it continues. */
static uint64_t page_check(const struct sim_call *call)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < call->param_count; i++) {
        const struct sim_param *param = &call->params[i];
        if (!slice_is(param->name, "NextToken") && !slice_is(param->name, "MaxResults")) {
            hash = (hash ^ slice_hash(param->name)) * 31 + slice_hash(param->value);
        }
    }
    return hash & UINT32_MAX;
}

static bool parse_page(struct sim_call *call, const char *id_name, uint32_t page_max,
                       struct sim_filters *ret)
{
    struct slice token = sim_param_text(call, "NextToken");
    struct slice rest = token;
    uint64_t row = 0, check = 0;

    ret->most = UINT32_MAX;
    if (!sim_param_u32(call, "MaxResults", UINT32_MAX - 1, &ret->most)) {
        return false;
    }
    ret->paged = ret->most != UINT32_MAX;
    if (ret->paged && (ret->most < 5 || ret->most > page_max)) {
        return sim_refuse(&call->problem, "InvalidParameterValue",
                          "Value ( %u ) for parameter maxResults is invalid. Expecting a value "
                          "between 5 and %u.",
                          ret->most, page_max);
    }
    if (ret->paged && ret->id_count > 0) {
        return sim_refuse(&call->problem, "InvalidParameterCombination",
                          "The parameter %s cannot be used with the parameter maxResults", id_name);
    }
    if (token.len > 0) {
        if (slice_u64(slice_cut(&rest, '.'), UINT32_MAX, &row) != ERR_OK ||
            slice_u64(rest, UINT32_MAX, &check) != ERR_OK || check != page_check(call)) {
            return sim_refuse(&call->problem, "InvalidNextToken",
                              "The token does not belong to this request");
        }
        ret->from = (uint32_t)row;
    }
    return true;
}

bool sim_filters_parse(struct sim_call *call, const char *known, const char *id_name,
                       uint32_t page_max, struct sim_filters *ret)
{
    struct slice name = { 0 };
    uint32_t count = 0;

    *ret = (struct sim_filters){ 0 };
    while (sim_param(call, &name, "Filter.%u.Name", count + 1)) {
        count++;
    }
    ret->items = ARENA_ARRAY(call->arena, struct sim_filter, count);
    for (; ret->count < count; ret->count++) {
        (void)sim_param(call, &name, "Filter.%u.Name", ret->count + 1);
        if (!parse_filter(call, known, ret->count + 1, name, &ret->items[ret->count])) {
            return false;
        }
    }
    const struct slice *ids = sim_param_list(call, id_name, &ret->id_count);
    if (ret->id_count > 1000) {
        return sim_refuse(&call->problem, "InvalidParameterValue", "More than 1,000 ids");
    }
    struct slice *sorted = ARENA_ARRAY(call->arena, struct slice, ret->id_count);
    if (ret->id_count > 0) {
        memcpy(sorted, ids, ret->id_count * sizeof(*sorted));
    }
    qsort(sorted, ret->id_count, sizeof(*sorted), compare_slices);
    ret->ids = sorted;
    return parse_page(call, id_name, page_max, ret);
}

bool sim_filter_is(const struct sim_filter *filter, const char *name)
{
    return slice_is(filter->name, name);
}

bool sim_filter_matches(const struct sim_filter *filter, struct slice value)
{
    if (bsearch(&value, filter->plain, filter->plain_count, sizeof(value), compare_slices)) {
        return true;
    }
    for (uint32_t i = 0; i < filter->pattern_count; i++) {
        if (sim_glob(filter->patterns[i], value, false)) {
            return true;
        }
    }
    return false;
}

bool sim_filter_matches_tags(const struct sim_ec2 *ec2, const struct sim_filter *filter,
                             const struct sim_tags *tags)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        const struct sim_tag *tag = &tags->items[i];
        if (filter->by_tag
                ? tag->key == filter->tag && sim_filter_matches(filter, sim_name(ec2, tag->value))
                : sim_filter_matches(filter, sim_name(ec2, tag->key))) {
            return true;
        }
    }
    return false;
}

bool sim_filter_wants(const struct sim_filters *filters, struct slice id)
{
    return filters->id_count == 0 ||
           bsearch(&id, filters->ids, filters->id_count, sizeof(id), compare_slices);
}

void sim_filters_next(struct sim_call *call, const struct sim_filters *filters, uint32_t row,
                      bool more)
{
    if (more && filters->paged) {
        struct slice token = arena_printf(call->arena, "%u.%llu", row,
                                          (unsigned long long)page_check(call));
        sim_xml_text(&call->xml, "nextToken", token);
    }
}
