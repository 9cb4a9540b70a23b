/*
 * imds.c - the instance metadata service, version 2, of each instance, below
 * /imds/INSTANCE/latest/.
 *
 *   PUT  api/token                                a token; its TTL in a header
 *   GET  dynamic/instance-identity/document
 *   GET  meta-data/...                            leaves, or a folder's list
 *
 * Shows attachments and addresses as they are, without the API's lag: so does the real one. Refuses
 * to know user data.
 */
#include <stdio.h>

#include <headroom/json.h>
#include <headroom/timestamp.h>

#include "state.h"

enum { TEXT_MAX = 64 * 1024, TOKENS_MAX = 10000, TTL_MAX_S = 21600 };

struct view {
    struct sim_ec2 *ec2;
    struct arena *arena;
    const struct sim_instance *instance;
    const struct sim_eni *primary;
    struct buf text;
};

/* ---- tokens ---- */

/* Tokens that ended make room; the oldest does if none has. */
static void make_room(struct sim_ec2 *ec2)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < ec2->imds_token_count; i++) {
        bool oldest = i == 0 && ec2->imds_token_count == TOKENS_MAX;
        if (!oldest && ec2->imds_tokens[i].ends_wall_ns > ec2->wall_ns) {
            ec2->imds_tokens[kept++] = ec2->imds_tokens[i];
        }
    }
    ec2->imds_token_count = kept;
}

static void put_token(struct view *view, const struct sim_http_request *request,
                      struct sim_http_response *ret)
{
    struct sim_ec2 *ec2 = view->ec2;
    struct slice ttl = sim_header(request, "x-aws-ec2-metadata-token-ttl-seconds");
    uint64_t seconds = 0;

    if (slice_u64(ttl, TTL_MAX_S, &seconds) != ERR_OK || seconds == 0) {
        ret->status = 400;
        return;
    }
    if (ec2->imds_token_count % 64 == 0 || ec2->imds_token_count == TOKENS_MAX) {
        make_room(ec2);
    }
    mem_reserve(&ec2->imds_tokens, &ec2->imds_token_capacity, ec2->imds_token_count + 1,
                sizeof(*ec2->imds_tokens));
    struct sim_imds_token *token = &ec2->imds_tokens[ec2->imds_token_count++];
    token->instance = view->instance->id;
    token->ends_wall_ns = ec2->wall_ns + seconds * UINT64_C(1000000000);
    (void)snprintf(token->text, sizeof(token->text),
                   "AQAEA%016llx%016llx==", (unsigned long long)prng_next(&ec2->prng),
                   (unsigned long long)prng_next(&ec2->prng));
    buf_add_text(&view->text, token->text);
    ret->status = 200;
    ret->token_ttl_s = (uint32_t)seconds;
}

static bool has_token(const struct view *view, const struct sim_http_request *request)
{
    const struct sim_ec2 *ec2 = view->ec2;
    struct slice text = sim_header(request, "x-aws-ec2-metadata-token");

    if (text.len == 0 && !ec2->imds_token_required) {
        return true;
    }
    for (uint32_t i = ec2->imds_token_count; i > 0; i--) {
        const struct sim_imds_token *token = &ec2->imds_tokens[i - 1];
        if (slice_is(text, token->text) && token->ends_wall_ns > ec2->wall_ns &&
            aws_id_eq(&token->instance, &view->instance->id)) {
            return true;
        }
    }
    return false;
}

/* ---- credentials of the instance's role ---- */

/* The same session for all until it is about to end, as the real service does it. */
static uint32_t role_session(struct sim_ec2 *ec2, struct slice role)
{
    const uint64_t five_minutes_ns = UINT64_C(300) * 1000000000;
    uint64_t margin_ns = ec2->session_ns / 2 < five_minutes_ns ? ec2->session_ns / 2
                                                               : five_minutes_ns;

    for (uint32_t i = ec2->identity_count; i > 0; i--) {
        const struct sim_identity *identity = &ec2->identities[i - 1];
        if (identity->session && identity->of_instance && slice_eq(identity->who, role) &&
            identity->expires_wall_ns > ec2->wall_ns + margin_ns) {
            return i - 1;
        }
    }
    uint32_t row = sim_identity_session(ec2, role, ec2->session_ns);
    ec2->identities[row].of_instance = true;
    return row;
}

static bool credentials(struct view *view, struct slice name)
{
    struct sim_ec2 *ec2 = view->ec2;
    char begin[TIMESTAMP_MAX], end[TIMESTAMP_MAX];

    if (view->instance->role == ROW_NONE) {
        return false;
    }
    struct slice role = sim_name(ec2, view->instance->role);
    if (name.len == 0) {
        buf_add_slice(&view->text, role);
        return true;
    }
    if (!slice_eq(name, role)) {
        return false;
    }
    const struct sim_identity *session = &ec2->identities[role_session(ec2, role)];
    struct json_out json;
    json_start(&json, &view->text);
    json_begin_object(&json);
    json_field_text(&json, "Code", SLICE("Success"));
    json_field_text(&json, "LastUpdated", timestamp_format(ec2->wall_ns, 0, begin));
    json_field_text(&json, "Type", SLICE("AWS-HMAC"));
    json_field_text(&json, "AccessKeyId", session->key_id);
    json_field_text(&json, "SecretAccessKey", session->secret);
    json_field_text(&json, "Token", session->token);
    json_field_text(&json, "Expiration", timestamp_format(session->expires_wall_ns, 0, end));
    json_end_object(&json);
    return true;
}

/* ---- leaves ---- */

static void add_ip(struct buf *text, uint32_t ip)
{
    buf_addf(text, "%s%u.%u.%u.%u", text->len > 0 ? "\n" : "", ip >> 24, ip >> 16 & 255,
             ip >> 8 & 255, ip & 255);
}

static void add_cidr(struct buf *text, struct cidr cidr)
{
    add_ip(text, cidr.base);
    buf_addf(text, "/%u", cidr.bits);
}

static void add_line(struct buf *text, struct slice line)
{
    if (text->len > 0) {
        buf_add_char(text, '\n');
    }
    buf_add_slice(text, line);
}

static void add_groups(struct view *view, const struct sim_eni *eni, bool names)
{
    for (uint32_t i = 0; i < eni->now.group_count; i++) {
        const struct sim_group *group = &view->ec2->groups[eni->now.groups[i]];
        add_line(&view->text, names ? group->name : aws_id_slice(&group->id));
    }
}

static bool document(struct view *view)
{
    struct sim_ec2 *ec2 = view->ec2;
    struct json_out json;
    char time[TIMESTAMP_MAX];

    json_start(&json, &view->text);
    json_begin_object(&json);
    json_field_text(&json, "accountId", ec2->account);
    json_field_text(&json, "architecture", SLICE("x86_64"));
    json_field_text(&json, "availabilityZone", ec2->subnets[view->instance->subnet].zone);
    json_field_text(&json, "imageId", SLICE("ami-0a1b2c3d4e5f60718"));
    json_field_text(&json, "instanceId", aws_id_slice(&view->instance->id));
    json_field_text(&json, "instanceType", view->instance->type.name);
    json_field_text(&json, "pendingTime",
                    timestamp_format(view->instance->launched_wall_ns, 0, time));
    json_key(&json, "privateIp");
    uint32_t ip = view->primary->primary_ip;
    json_textf(&json, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
    json_field_text(&json, "region", ec2->region);
    json_field_text(&json, "version", SLICE("2017-09-30"));
    json_end_object(&json);
    return true;
}

static bool eni_leaf(struct view *view, const struct sim_eni *eni, struct slice leaf)
{
    const struct sim_ec2 *ec2 = view->ec2;
    const struct sim_subnet *subnet = &ec2->subnets[eni->subnet];
    struct buf *text = &view->text;
    char mac[20];

    if (slice_is(leaf, "device-number")) {
        buf_addf(text, "%u", eni->now.device_index);
    } else if (slice_is(leaf, "interface-id")) {
        buf_add_text(text, eni->id.text);
    } else if (slice_is(leaf, "ipv4-prefix") && eni->now.prefixes.count > 0) {
        for (uint32_t i = 0; i < eni->now.prefixes.count; i++) {
            add_cidr(text, (struct cidr){ eni->now.prefixes.items[i], 28 });
        }
    } else if (slice_is(leaf, "local-ipv4s")) {
        add_ip(text, eni->primary_ip);
        for (uint32_t i = 0; i < eni->now.ips.count; i++) {
            add_ip(text, eni->now.ips.items[i]);
        }
    } else if (slice_is(leaf, "mac")) {
        sim_mac(eni->primary_ip, mac);
        buf_add_text(text, mac);
    } else if (slice_is(leaf, "network-card")) {
        buf_addf(text, "%u", eni->now.card);
    } else if (slice_is(leaf, "owner-id")) {
        buf_add_slice(text, ec2->account);
    } else if (slice_is(leaf, "security-group-ids") || slice_is(leaf, "security-groups")) {
        add_groups(view, eni, slice_is(leaf, "security-groups"));
    } else if (slice_is(leaf, "subnet-id")) {
        buf_add_text(text, subnet->id.text);
    } else if (slice_is(leaf, "subnet-ipv4-cidr-block")) {
        add_cidr(text, subnet->space.cidr);
    } else if (slice_is(leaf, "vpc-id")) {
        buf_add_text(text, ec2->vpc.text);
    } else if (slice_is(leaf, "vpc-ipv4-cidr-block")) {
        add_cidr(text, ec2->vpc_cidrs[0]);
    } else if (slice_is(leaf, "vpc-ipv4-cidr-blocks")) {
        for (uint32_t i = 0; i < ec2->vpc_cidr_count; i++) {
            add_cidr(text, ec2->vpc_cidrs[i]);
        }
    } else {
        return false;
    }
    return true;
}

static bool mac_folder(struct view *view, const struct sim_eni *eni)
{
    buf_add_text(&view->text, "device-number\ninterface-id\n");
    buf_add_text(&view->text, eni->now.prefixes.count > 0 ? "ipv4-prefix\n" : "");
    buf_add_text(&view->text, "local-ipv4s\nmac\nnetwork-card\nowner-id\nsecurity-group-ids\n"
                              "security-groups\nsubnet-id\nsubnet-ipv4-cidr-block\nvpc-id\n"
                              "vpc-ipv4-cidr-block\nvpc-ipv4-cidr-blocks");
    return true;
}

/* network/interfaces/macs[/MAC[/LEAF]] */
static bool macs(struct view *view, struct slice rest)
{
    const struct sim_instance *instance = view->instance;
    struct slice wanted = slice_cut(&rest, '/');
    char mac[20];

    for (uint32_t i = 0; i < instance->eni_count; i++) {
        const struct sim_eni *eni = &view->ec2->enis[instance->enis[i]];
        if (eni->now.attach != ATTACH_ATTACHED) {
            continue;
        }
        sim_mac(eni->primary_ip, mac);
        if (wanted.len == 0) {
            add_line(&view->text, slice_of(mac));
            buf_add_char(&view->text, '/');
        } else if (slice_is(wanted, mac)) {
            return rest.len > 0 ? eni_leaf(view, eni, rest) : mac_folder(view, eni);
        }
    }
    return wanted.len == 0;
}

static bool top_leaf(struct view *view, struct slice path)
{
    struct sim_ec2 *ec2 = view->ec2;
    struct buf *text = &view->text;
    const struct sim_subnet *subnet = &ec2->subnets[view->instance->subnet];

    if (slice_is(path, "instance-id")) {
        buf_add_text(text, view->instance->id.text);
    } else if (slice_is(path, "instance-type")) {
        buf_add_slice(text, view->instance->type.name);
    } else if (slice_is(path, "local-ipv4")) {
        add_ip(text, view->primary->primary_ip);
    } else if (slice_is(path, "hostname") || slice_is(path, "local-hostname")) {
        buf_add_slice(text, view->instance->dns_name);
    } else if (slice_is(path, "mac")) {
        return eni_leaf(view, view->primary, path);
    } else if (slice_is(path, "security-groups")) {
        add_groups(view, view->primary, true);
    } else if (slice_is(path, "placement/availability-zone")) {
        buf_add_slice(text, subnet->zone);
    } else if (slice_is(path, "placement/availability-zone-id")) {
        buf_add_slice(text, subnet->zone_id);
    } else if (slice_is(path, "placement/region")) {
        buf_add_slice(text, ec2->region);
    } else if (slice_is(path, "services/domain")) {
        buf_add_text(text, "amazonaws.com");
    } else if (slice_is(path, "services/partition")) {
        buf_add_text(text, "aws");
    } else {
        return false;
    }
    return true;
}

static bool folder(struct view *view, struct slice path)
{
    static const struct {
        const char *path, *list;
    } folders[] = {
        { "", "hostname\niam/\ninstance-id\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\n"
              "network/\nplacement/\nsecurity-groups\nservices/" },
        { "iam", "info\nsecurity-credentials/" },
        { "network", "interfaces/" },
        { "network/interfaces", "macs/" },
        { "placement", "availability-zone\navailability-zone-id\nregion" },
        { "services", "domain\npartition" },
    };

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (slice_is(path, folders[i].path)) {
            buf_add_text(&view->text, folders[i].list);
            return true;
        }
    }
    return false;
}

/* The part of `path` after `prefix`, which is a folder; false: it is not below it. */
static bool below(struct slice path, const char *prefix, struct slice *ret)
{
    size_t len = strlen(prefix);

    if (!slice_starts(path, slice_of(prefix)) || (path.len > len && path.data[len] != '/')) {
        return false;
    }
    *ret = path.len > len + 1 ? (struct slice){ path.data + len + 1, path.len - len - 1 }
                              : (struct slice){ 0 };
    return true;
}

static bool get(struct view *view, struct slice path)
{
    struct slice rest = { 0 };

    if (slice_is(path, "dynamic/instance-identity/document")) {
        return document(view);
    }
    if (!below(path, "meta-data", &path)) {
        return false;
    }
    if (below(path, "network/interfaces/macs", &rest)) {
        return macs(view, rest);
    }
    if (below(path, "iam/security-credentials", &rest)) {
        return credentials(view, rest);
    }
    return top_leaf(view, path) || folder(view, path);
}

static void answer(struct view *view, struct slice path, const struct sim_http_request *request,
                   struct sim_http_response *ret)
{
    bool put = slice_is(request->method, "PUT");

    if (put && slice_is(path, "api/token")) {
        put_token(view, request, ret);
    } else if (put || !slice_is(request->method, "GET")) {
        ret->status = 405;
    } else if (!has_token(view, request)) {
        ret->status = 401;
    } else {
        ret->status = get(view, path) ? 200 : 404;
    }
}

void sim_ec2_imds(struct sim_ec2 *ec2, struct arena *arena, uint64_t now_ns, uint64_t wall_ns,
                  const struct sim_http_request *request, struct sim_http_response *ret)
{
    struct slice path = request->path, id = { 0 };
    struct view view = { .ec2 = ec2, .arena = arena };

    sim_at(ec2, now_ns, wall_ns);
    *ret = (struct sim_http_response){ .status = 404, .cut_after = SIZE_MAX };
    ret->content_type = SLICE("text/plain");
    if (!below(path, "/imds", &path)) {
        return;
    }
    id = slice_cut(&path, '/');
    uint32_t row = sim_find_instance(ec2, id);
    /* "latest/" or a version's date. */
    struct slice version = slice_cut(&path, '/');
    while (path.len > 0 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    if (row == ROW_NONE || ec2->instances[row].eni_count == 0 || version.len == 0) {
        return; /* nothing answers where no instance runs */
    }
    view.instance = &ec2->instances[row];
    view.primary = &ec2->enis[view.instance->enis[0]];
    buf_init(&view.text, TEXT_MAX);
    answer(&view, path, request, ret);
    if (ret->status == 200 && view.text.len > 0) {
        ret->body = arena_slice(arena, buf_slice(&view.text));
    }
    buf_done(&view.text);
}
