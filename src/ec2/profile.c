/*
 * profile.c - the shared config and credentials files: settings, keys, processes, chains of roles.
 *
 * Knows what a profile may say. Refuses what needs a person (SSO, MFA) with a message that says so.
 * The files are read anew for each set of credentials: they may rotate.
 */
#include <stdio.h>

#include "machine.h"

static struct slice profile_name(const struct ec2 *ec2)
{
    return ec2->env.profile.len > 0 ? ec2->env.profile : SLICE("default");
}

/* The name of a profile's section in the config file. */
static struct slice config_section(struct ec2 *ec2, struct slice profile)
{
    struct slice section = arena_printf(&ec2->identity.files, "profile %.*s", SLICE_ARG(profile));

    if (slice_is(profile, "default") && !ini_has_section(&ec2->identity.config, section)) {
        return profile;
    }
    return section;
}

/* A key of a profile; the credentials file wins, as in the SDKs. */
static struct slice profile_get(struct ec2 *ec2, struct slice profile, const char *key)
{
    struct slice value = ini_get(&ec2->identity.credentials_file, profile, key);

    return value.len > 0 ? value
                         : ini_get(&ec2->identity.config, config_section(ec2, profile), key);
}

static bool profile_exists(struct ec2 *ec2, struct slice profile)
{
    return ini_has_section(&ec2->identity.credentials_file, profile) ||
           ini_has_section(&ec2->identity.config, config_section(ec2, profile));
}

/* ---- reading ---- */

bool ec2_profile_files(struct ec2 *ec2)
{
    const struct ec2_environment *env = &ec2->env;

    if (env->config_file.len > 0) {
        (void)ec2_identity_ask(ec2, STEP_CONFIG_FILE, FETCH_FILE, env->config_file);
        return false;
    }
    if (env->credentials_file.len > 0) {
        (void)ec2_identity_ask(ec2, STEP_CREDENTIALS_FILE, FETCH_FILE, env->credentials_file);
        return false;
    }
    return true;
}

/* A file that is not there is an empty one; what a broken one says counts for nothing, and is told.
 */
bool ec2_profile_file_read(struct ec2 *ec2, enum identity_step step, const struct error *error)
{
    struct identity *identity = &ec2->identity;
    bool config = step == STEP_CONFIG_FILE;
    struct error parse_error = { 0 };

    if (!error->code &&
        ini_parse(&identity->files, buf_slice(&identity->answer),
                  config ? &identity->config : &identity->credentials_file, &parse_error)) {
        struct log_record *record = log_add(ec2->logs, LOG_WARN, "ec2", "cannot read an AWS file");
        log_text(ec2->logs, record, "path",
                 config ? ec2->env.config_file : ec2->env.credentials_file);
        log_text(ec2->logs, record, "error", slice_of(parse_error.text));
    }
    if (config && ec2->env.credentials_file.len > 0) {
        (void)ec2_identity_ask(ec2, STEP_CREDENTIALS_FILE, FETCH_FILE, ec2->env.credentials_file);
        return false;
    }
    return true;
}

/* ---- settings ---- */

static struct slice custom_endpoint(struct ec2 *ec2, struct slice own, const char *service)
{
    struct slice profile = profile_name(ec2);
    struct slice url = own.len > 0 ? own : ec2->env.endpoint;
    struct slice services = profile_get(ec2, profile, "services");

    if (ec2->env.ignore_endpoints) {
        return (struct slice){ 0 };
    }
    if (url.len == 0 && services.len > 0) {
        struct slice section = arena_printf(&ec2->identity.files, "services %.*s",
                                            SLICE_ARG(services));
        url = ini_get_sub(&ec2->identity.config, section, service, "endpoint_url");
    }
    return url.len > 0 ? url : profile_get(ec2, profile, "endpoint_url");
}

void ec2_profile_settings(struct ec2 *ec2)
{
    struct identity *identity = &ec2->identity;
    struct slice profile = profile_name(ec2);

    if (identity->region[0] == '\0' && slice_copy(profile_get(ec2, profile, "region"),
                                                  identity->region, sizeof(identity->region))) {
        identity->region[0] = '\0';
    }
    identity->endpoint_ec2 = custom_endpoint(ec2, ec2->env.endpoint_ec2, "ec2");
    identity->endpoint_sts = custom_endpoint(ec2, ec2->env.endpoint_sts, "sts");
    identity->use_fips = ec2->env.use_fips ||
                         slice_is(profile_get(ec2, profile, "use_fips_endpoint"), "true");
    identity->use_dualstack = ec2->env.use_dualstack ||
                              slice_is(profile_get(ec2, profile, "use_dualstack_endpoint"), "true");
}

/* Of all profiles: the settings stay, the keys are read anew for the next set. */
static void forget(const struct ini *ini)
{
    for (uint32_t i = 0; i < ini->count; i++) {
        const struct ini_entry *entry = &ini->entries[i];
        if (entry->value.len > 0 && (slice_is(entry->key, "aws_secret_access_key") ||
                                     slice_is(entry->key, "aws_session_token"))) {
            explicit_bzero((char *)(uintptr_t)entry->value.data, entry->value.len);
        }
    }
}

void ec2_profile_forget(struct ec2 *ec2)
{
    forget(&ec2->identity.config);
    forget(&ec2->identity.credentials_file);
}

/* ---- credentials ---- */

/* Splits a command line as a POSIX shell splits plain words and quotes; nothing is expanded. */
static struct slice *split_command(struct arena *arena, struct slice command, uint32_t *ret_count)
{
    enum { WORDS_MAX = 64 };
    struct slice *words = ARENA_ARRAY(arena, struct slice, WORDS_MAX);
    char *text = arena_alloc(arena, command.len + 1);
    size_t used = 0, start = 0;
    bool open = false;
    char quote = '\0';

    *ret_count = 0;
    for (size_t i = 0; i <= command.len; i++) {
        char c = i < command.len ? command.data[i] : ' ';
        bool last = i == command.len;
        if (last || (quote == '\0' && (c == ' ' || c == '\t'))) {
            if (open && *ret_count < WORDS_MAX) {
                words[(*ret_count)++] = (struct slice){ text + start, used - start };
            }
            start = used;
            open = false;
        } else if (c == quote) {
            quote = '\0';
        } else if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
            open = true;
        } else {
            if (c == '\\' && quote != '\'' && i + 1 < command.len) {
                c = command.data[++i];
            }
            text[used++] = c;
            open = true;
        }
    }
    return words;
}

static void run_process(struct ec2 *ec2, struct slice command)
{
    uint32_t count = 0;
    struct slice *words = split_command(&ec2->step, command, &count);

    if (count == 0) {
        ec2_identity_fail(ec2, false, "credential_process is empty");
        return;
    }
    struct fetch *fetch = ec2_identity_ask(ec2, STEP_PROCESS, FETCH_EXEC, words[0]);
    fetch->args = words + 1;
    fetch->arg_count = count - 1;
}

void ec2_profile_process_done(struct ec2 *ec2, const struct error *error)
{
    if (error->code) {
        ec2_identity_fail(ec2, true, "credential_process: %s", error->text);
    } else if (ec2_identity_json(ec2, buf_slice(&ec2->identity.answer), "credential_process")) {
        ec2_identity_found(ec2, "credential_process");
    }
}

static void static_keys(struct ec2 *ec2, struct slice profile)
{
    struct identity *identity = &ec2->identity;
    struct slice key = profile_get(ec2, profile, "aws_access_key_id");
    struct slice secret = profile_get(ec2, profile, "aws_secret_access_key");
    struct slice process = profile_get(ec2, profile, "credential_process");

    if (key.len > 0 && secret.len > 0) {
        identity->found.credentials = (struct sigv4_credentials){
            .access_key_id = arena_slice(&identity->work, key),
            .secret_access_key = arena_slice(&identity->work, secret),
            .session_token = arena_slice(&identity->work,
                                         profile_get(ec2, profile, "aws_session_token")),
        };
        ec2_identity_found(ec2, "profile");
    } else if (process.len > 0) {
        run_process(ec2, process);
    } else if (identity->role_count > 0 || ec2->env.profile.len > 0) {
        ec2_identity_fail(ec2, false, "profile '%.*s' has no credentials", SLICE_ARG(profile));
    } else {
        ec2_identity_skip(ec2, "profile 'default': no credentials");
    }
}

/* What a role without a source profile starts from. */
static void named_source(struct ec2 *ec2, struct slice profile)
{
    struct identity *identity = &ec2->identity;
    const struct ec2_environment *env = &ec2->env;
    struct slice source = profile_get(ec2, profile, "credential_source");

    if (slice_is(source, "Ec2InstanceMetadata")) {
        ec2_imds_ask(ec2, false);
    } else if (slice_is(source, "EcsContainer")) {
        ec2_container_ask(ec2);
    } else if (slice_is(source, "Environment") && env->access_key_id.len > 0) {
        identity->found.credentials = (struct sigv4_credentials){
            .access_key_id = arena_slice(&identity->work, env->access_key_id),
            .secret_access_key = arena_slice(&identity->work, env->secret_access_key),
            .session_token = arena_slice(&identity->work, env->session_token),
        };
        ec2_identity_found(ec2, "profile");
    } else {
        ec2_identity_fail(ec2, false,
                          "profile '%.*s' has a role_arn, but neither source_profile nor a known "
                          "credential_source",
                          SLICE_ARG(profile));
    }
}

/* Refuses what only a person can answer; false: refused. */
static bool check_unattended(struct ec2 *ec2, struct slice profile)
{
    if (profile_get(ec2, profile, "sso_session").len > 0 ||
        profile_get(ec2, profile, "sso_start_url").len > 0) {
        ec2_identity_fail(ec2, false,
                          "profile '%.*s' uses SSO, which needs a person to log in: give the "
                          "controller a role (EKS Pod Identity, IRSA) or keys",
                          SLICE_ARG(profile));
        return false;
    }
    if (profile_get(ec2, profile, "mfa_serial").len > 0) {
        ec2_identity_fail(ec2, false,
                          "profile '%.*s' asks for MFA, which needs a person: use a role "
                          "without mfa_serial",
                          SLICE_ARG(profile));
        return false;
    }
    return true;
}

static void add_role(struct ec2 *ec2, struct slice profile)
{
    struct identity *identity = &ec2->identity;
    uint64_t duration = 0;

    if (slice_u64(profile_get(ec2, profile, "duration_seconds"), 43200, &duration)) {
        duration = 0;
    }
    identity->roles[identity->role_count++] = (struct identity_role){
        .arn = profile_get(ec2, profile, "role_arn"),
        .session_name = profile_get(ec2, profile, "role_session_name"),
        .external_id = profile_get(ec2, profile, "external_id"),
        .duration_s = (uint32_t)duration,
    };
}

static void resolve(struct ec2 *ec2, struct slice profile)
{
    struct identity *identity = &ec2->identity;

    while (check_unattended(ec2, profile)) {
        struct slice role = profile_get(ec2, profile, "role_arn");
        struct slice source = profile_get(ec2, profile, "source_profile");
        struct slice token_file = profile_get(ec2, profile, "web_identity_token_file");
        if (role.len == 0) {
            static_keys(ec2, profile);
            return;
        }
        if (token_file.len > 0) {
            identity->web_token_file = token_file;
            identity->web_role_arn = role;
            identity->web_session_name = profile_get(ec2, profile, "role_session_name");
            ec2_sts_web_identity(ec2);
            return;
        }
        if (identity->role_count == IDENTITY_ROLES_MAX) {
            ec2_identity_fail(ec2, false,
                              "profile '%.*s': the chain of source_profile is circular "
                              "or longer than %d",
                              SLICE_ARG(profile), IDENTITY_ROLES_MAX);
            return;
        }
        add_role(ec2, profile);
        if (source.len == 0) {
            named_source(ec2, profile);
            return;
        }
        if (slice_eq(source, profile)) {
            static_keys(ec2, profile); /* the profile's own keys assume its role */
            return;
        }
        if (!profile_exists(ec2, source)) {
            ec2_identity_fail(ec2, false,
                              "profile '%.*s' names source_profile '%.*s', which is "
                              "not there",
                              SLICE_ARG(profile), SLICE_ARG(source));
            return;
        }
        profile = source;
    }
}

void ec2_profile_ask(struct ec2 *ec2)
{
    struct slice profile = profile_name(ec2);

    if (profile_exists(ec2, profile)) {
        resolve(ec2, profile);
    } else if (ec2->env.profile.len > 0) {
        ec2_identity_fail(ec2, false, "profile '%.*s' of AWS_PROFILE is in neither file",
                          SLICE_ARG(profile));
    } else {
        ec2_identity_skip(ec2, "profile 'default': not in the shared files");
    }
}
