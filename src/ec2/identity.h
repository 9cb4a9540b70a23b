/*
 * identity.h - who we are: AWS credentials, where they come from, and when they are renewed.
 *
 *   files --> region --> environment --> profile --> web identity --> container --> IMDS
 *             (the first that is configured answers; if it fails, its error counts, nobody else is
 * asked)
 *
 * A profile may name a chain of roles: its source's credentials sign AssumeRole for the first role,
 * and so on. The old credentials serve as long as they hold; new ones are fetched well before.
 * Secrets stay in here: they enter no log and no error, and their memory is wiped when it is let
 * go.
 */
#ifndef EC2_IDENTITY_H
#define EC2_IDENTITY_H

#include <headroom/ec2.h>
#include <headroom/ini.h>
#include <headroom/sigv4.h>

#include "endpoint.h"

enum identity_step {
    STEP_REST, /* nothing under way */
    STEP_CONFIG_FILE,
    STEP_CREDENTIALS_FILE,
    STEP_IMDS_TOKEN,
    STEP_IMDS_REGION,
    STEP_PROCESS,
    STEP_WEB_TOKEN_FILE,
    STEP_WEB_IDENTITY,
    STEP_ASSUME_ROLE,
    STEP_CONTAINER_TOKEN_FILE,
    STEP_CONTAINER,
    STEP_IMDS_ROLE,
    STEP_IMDS_CREDENTIALS
};

/* In the order in which they are asked. */
enum identity_provider {
    PROVIDER_ENVIRONMENT,
    PROVIDER_PROFILE,
    PROVIDER_WEB_IDENTITY,
    PROVIDER_CONTAINER,
    PROVIDER_IMDS,
    PROVIDER_COUNT
};

enum { IDENTITY_ROLES_MAX = 8, IDENTITY_ANSWER_MAX = 1024 * 1024 };

struct identity_role {
    struct slice arn, session_name, external_id;
    uint32_t duration_s; /* 0: STS's default */
};

/* A set of credentials on the way; slices in the identity's work arena. */
struct identity_found {
    struct sigv4_credentials credentials;
    uint64_t expires_wall_ns; /* 0: they do not expire */
};

struct identity {
    /* what holds now */
    struct arena arena;
    struct sigv4_credentials credentials;
    bool have;
    uint64_t generation;      /* grows with each new set */
    uint64_t expires_wall_ns; /* 0: never */
    char source[64], found_source[64];
    char region[32];

    /* settings from the profile, after the environment's; in `files` */
    struct arena files;
    struct ini config, credentials_file;
    bool imds_region_tried;
    struct slice endpoint_ec2, endpoint_sts;
    bool use_fips, use_dualstack;

    /* what is under way */
    enum identity_step step, answered; /* answered: the step whose answer is being read */
    enum identity_provider provider;
    uint64_t fetch_id;
    struct buf answer;
    int status;
    struct arena work;
    struct buf tried; /* for people */
    struct identity_found found;
    struct identity_role roles[IDENTITY_ROLES_MAX]; /* the last one is assumed first */
    uint32_t role_count;
    struct slice web_role_arn, web_session_name, web_token_file;
    struct slice container_url;
    struct slice imds_token;
    bool imds_for_region;

    /* when the next one begins */
    uint64_t retry_ns;        /* monotonic; after a failure */
    uint64_t refresh_wall_ns; /* 0: none planned */
    uint32_t failures;
    bool failed, unavailable; /* the last try; unavailable: it may be better soon */
    char error[ERROR_TEXT_MAX];
};

/* What calls ask before they go. */
enum identity_state { IDENTITY_PENDING, IDENTITY_READY, IDENTITY_FAILED };

/* Wipes and frees. */
void ec2_identity_init(struct identity *identity);
void ec2_identity_done(struct identity *identity);

enum identity_state ec2_identity_state(struct ec2 *ec2);
void ec2_identity_run(struct ec2 *ec2);
bool ec2_identity_fetch(struct ec2 *ec2, const struct fetch_event *event); /* false: not ours */
void ec2_identity_renew(struct ec2 *ec2); /* EC2 refused the ones we have */
uint64_t ec2_identity_deadline_ns(struct ec2 *ec2);

/* ---- between the identity's own files ---- */

/* A fetch for a step; its answer comes to the step's handler. */
struct fetch *ec2_identity_ask(struct ec2 *ec2, enum identity_step step, enum fetch_kind kind,
                               struct slice target);
/* Notes why a provider does not answer, and asks the next one. */
void ec2_identity_skip(struct ec2 *ec2, const char *why);
/* A configured provider failed. `unavailable`: worth a try soon. */
void ec2_identity_fail(struct ec2 *ec2, bool unavailable, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The provider's answer is in `found`; goes on with the chain of roles, or is done. */
void ec2_identity_found(struct ec2 *ec2, const char *source);
/* Reads {AccessKeyId, SecretAccessKey, Token or SessionToken, Expiration}; false: failed already.
 */
bool ec2_identity_json(struct ec2 *ec2, struct slice text, const char *source);

/* Both say whether everything has been read; else a fetch was started. */
bool ec2_profile_files(struct ec2 *ec2);
bool ec2_profile_file_read(struct ec2 *ec2, enum identity_step step, const struct error *error);
void ec2_profile_settings(struct ec2 *ec2); /* region, endpoints */
void ec2_profile_forget(struct ec2 *ec2);   /* wipes the keys that the files held */
void ec2_profile_ask(struct ec2 *ec2);
void ec2_profile_process_done(struct ec2 *ec2, const struct error *error);

void ec2_sts_web_identity(struct ec2 *ec2);
void ec2_sts_web_token_read(struct ec2 *ec2, const struct error *error);
void ec2_sts_assume(struct ec2 *ec2);
void ec2_sts_answer(struct ec2 *ec2, const struct error *error);

void ec2_container_ask(struct ec2 *ec2);
void ec2_container_token_read(struct ec2 *ec2, const struct error *error);
void ec2_container_answer(struct ec2 *ec2, const struct error *error);

void ec2_imds_ask(struct ec2 *ec2, bool for_region);
void ec2_imds_answer(struct ec2 *ec2, const struct error *error);

#endif
