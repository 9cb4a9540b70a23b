/*
 * params.c - the Query API's parameters: a form, read into a sorted list.
 *
 * Knows NAME.1, NAME.2 ... and what a missing or wrong parameter is called. Refuses to know which
 * action wants which.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "call.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct arena *arena, struct slice s, struct slice *ret)
{
    char *text = arena_alloc(arena, s.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (i + 2 >= s.len || hex_value(s.data[i + 1]) < 0 || hex_value(s.data[i + 2]) < 0) {
                return false;
            }
            c = (char)(hex_value(s.data[i + 1]) * 16 + hex_value(s.data[i + 2]));
            i += 2;
        }
        text[len++] = c;
    }
    *ret = (struct slice){ text, len };
    return true;
}

static int compare_params(const void *a, const void *b)
{
    const struct sim_param *left = a, *right = b;

    return slice_cmp(left->name, right->name);
}

bool sim_params_parse(struct arena *arena, struct slice form, const struct sim_param **ret,
                      uint32_t *ret_count)
{
    uint32_t count = 1;

    for (size_t i = 0; i < form.len; i++) {
        count += form.data[i] == '&';
    }
    if (count > SIM_PARAMS_MAX) {
        return false;
    }
    struct sim_param *params = ARENA_ARRAY(arena, struct sim_param, count);
    count = 0;
    while (form.len > 0) {
        struct slice value = slice_cut(&form, '&');
        struct slice name = slice_cut(&value, '=');
        if (name.len == 0) {
            continue;
        }
        if (!decode(arena, name, &params[count].name) ||
            !decode(arena, value, &params[count].value)) {
            return false;
        }
        count++;
    }
    qsort(params, count, sizeof(*params), compare_params);
    *ret = params;
    *ret_count = count;
    return true;
}

bool sim_param(const struct sim_call *call, struct slice *ret, const char *format, ...)
{
    char name[160];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    assert(len > 0 && (size_t)len < sizeof(name));
    struct sim_param wanted = { .name = { name, (size_t)len } };
    const struct sim_param *found = NULL;
    if (call->param_count > 0) {
        found = bsearch(&wanted, call->params, call->param_count, sizeof(*call->params),
                        compare_params);
    }
    *ret = found ? found->value : (struct slice){ 0 };
    return found != NULL;
}

struct slice sim_param_text(const struct sim_call *call, const char *name)
{
    struct slice value = { 0 };

    (void)sim_param(call, &value, "%s", name);
    return value;
}

bool sim_param_u32(struct sim_call *call, const char *name, uint32_t max, uint32_t *ret)
{
    struct slice text = { 0 };
    uint64_t value = 0;

    if (!sim_param(call, &text, "%s", name)) {
        return true;
    }
    if (slice_u64(text, max, &value) != ERR_OK) {
        return sim_refuse(&call->problem, "InvalidParameterValue",
                          "Value (%.*s) for parameter %s is invalid.",
                          text.len > 64 ? 64 : (int)text.len, text.data, name);
    }
    *ret = (uint32_t)value;
    return true;
}

bool sim_param_bool(struct sim_call *call, const char *name, bool *ret)
{
    struct slice text = { 0 };

    if (!sim_param(call, &text, "%s", name)) {
        return true;
    }
    if (!slice_is(text, "true") && !slice_is(text, "false")) {
        return sim_refuse(&call->problem, "InvalidParameterValue",
                          "Value (%.*s) for parameter %s is invalid.",
                          text.len > 64 ? 64 : (int)text.len, text.data, name);
    }
    *ret = slice_is(text, "true");
    return true;
}

bool sim_param_required(struct sim_call *call, const char *name, struct slice *ret)
{
    if (!sim_param(call, ret, "%s", name) || ret->len == 0) {
        return sim_refuse(&call->problem, "MissingParameter",
                          "The request must contain the parameter %s", name);
    }
    return true;
}

const struct slice *sim_param_fields(const struct sim_call *call, const char *name,
                                     const char *field, uint32_t *ret_count)
{
    struct slice value = { 0 };
    uint32_t count = 0;

    while (sim_param(call, &value, "%s.%u%s", name, count + 1, field)) {
        count++;
    }
    struct slice *list = ARENA_ARRAY(call->arena, struct slice, count);
    for (uint32_t i = 0; i < count; i++) {
        (void)sim_param(call, &list[i], "%s.%u%s", name, i + 1, field);
    }
    *ret_count = count;
    return list;
}

const struct slice *sim_param_list(const struct sim_call *call, const char *name,
                                   uint32_t *ret_count)
{
    return sim_param_fields(call, name, "", ret_count);
}

bool sim_param_ips(struct sim_call *call, const struct slice *texts, uint32_t count,
                   const uint32_t **ret)
{
    uint32_t *ips = ARENA_ARRAY(call->arena, uint32_t, count);

    for (uint32_t i = 0; i < count; i++) {
        if (slice_ipv4(texts[i], &ips[i]) != ERR_OK) {
            return sim_refuse(&call->problem, "InvalidParameterValue",
                              "Value (%.*s) for parameter address is invalid.",
                              texts[i].len > 64 ? 64 : (int)texts[i].len, texts[i].data);
        }
    }
    *ret = ips;
    return true;
}

bool sim_param_blocks(struct sim_call *call, const struct slice *texts, uint32_t count,
                      const uint32_t **ret)
{
    uint32_t *blocks = ARENA_ARRAY(call->arena, uint32_t, count);

    for (uint32_t i = 0; i < count; i++) {
        struct slice bits = texts[i];
        struct slice address = slice_cut(&bits, '/');
        if (!slice_is(bits, "28") || slice_ipv4(address, &blocks[i]) != ERR_OK) {
            return sim_refuse(&call->problem, "InvalidParameterValue",
                              "Value (%.*s) for parameter Ipv4Prefix is invalid: a /28 is wanted",
                              texts[i].len > 64 ? 64 : (int)texts[i].len, texts[i].data);
        }
    }
    *ret = blocks;
    return true;
}

const struct pair *sim_param_tags(const struct sim_call *call, const char *prefix,
                                  uint32_t *ret_count)
{
    struct slice key = { 0 };
    uint32_t count = 0;

    while (sim_param(call, &key, "%sTag.%u.Key", prefix, count + 1)) {
        count++;
    }
    struct pair *tags = ARENA_ARRAY(call->arena, struct pair, count);
    for (uint32_t i = 0; i < count; i++) {
        (void)sim_param(call, &tags[i].key, "%sTag.%u.Key", prefix, i + 1);
        (void)sim_param(call, &tags[i].value, "%sTag.%u.Value", prefix, i + 1);
    }
    *ret_count = count;
    return tags;
}

bool sim_param_tag_specification(struct sim_call *call, const char *resource_type,
                                 const struct pair **ret, uint32_t *ret_count)
{
    struct slice type = { 0 };
    char prefix[40];

    *ret = NULL;
    *ret_count = 0;
    for (uint32_t i = 1; sim_param(call, &type, "TagSpecification.%u.ResourceType", i); i++) {
        if (!slice_is(type, resource_type)) {
            return sim_refuse(&call->problem, "InvalidParameterValue",
                              "'%.*s' is not a valid taggable resource type for this operation.",
                              type.len > 64 ? 64 : (int)type.len, type.data);
        }
        (void)snprintf(prefix, sizeof(prefix), "TagSpecification.%u.", i);
        *ret = sim_param_tags(call, prefix, ret_count);
    }
    for (uint32_t i = 0; i < *ret_count; i++) {
        if ((*ret)[i].key.len == 0 || (*ret)[i].key.len > 128 || (*ret)[i].value.len > 256 ||
            slice_starts((*ret)[i].key, SLICE("aws:"))) {
            return sim_refuse(&call->problem, "InvalidParameterValue",
                              "Tag '%.*s' has a wrong key or value", SLICE_ARG((*ret)[i].key));
        }
    }
    if (*ret_count > SIM_TAGS_MAX) {
        return sim_refuse(&call->problem, "TagLimitExceeded",
                          "The maximum number of Tags for a resource has been reached.");
    }
    return true;
}

uint64_t sim_params_hash(const struct sim_call *call)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < call->param_count; i++) {
        const struct sim_param *param = &call->params[i];
        if (!slice_is(param->name, "ClientToken") && !slice_is(param->name, "DryRun")) {
            hash = (hash ^ slice_hash(param->name)) * UINT64_C(0x100000001b3);
            hash = (hash ^ slice_hash(param->value)) * UINT64_C(0x100000001b3);
        }
    }
    return hash;
}
