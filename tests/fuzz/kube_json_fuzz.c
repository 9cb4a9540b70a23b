/*
 * Objects that users and other controllers write: SubnetPools, ENIConfigs, the aws-node DaemonSet.
 */
#include <headroom/kube_wire.h>

#include "fuzz.h"

static const struct doc_limits limits = { .bytes = 128 * 1024, .depth = 32, .nodes = 5000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct doc *doc = NULL, *object = NULL;
    enum kube_change change = KUBE_ADDED;
    struct error error = { 0 };
    struct arena arena;

    arena_init(&arena);
    if (json_parse(&arena, fuzz_input(data, size), &limits, &doc, &error) == ERR_OK) {
        if (kube_json_watch(doc, &change, &object, &error) != ERR_OK) {
            object = doc;
        }
        struct pool *pool = ARENA_NEW(&arena, struct pool);
        error.text[0] = '\0';
        if (kube_json_pool(&arena, object, pool, &error) != ERR_OK) {
            assert(error.text[0] != '\0');
        }
        struct eniconfig *eniconfig = ARENA_NEW(&arena, struct eniconfig);
        error.text[0] = '\0';
        if (kube_json_eniconfig(&arena, object, eniconfig, &error) != ERR_OK) {
            assert(error.text[0] != '\0');
        }
        struct agent_settings *settings = ARENA_NEW(&arena, struct agent_settings);
        struct slice odd = { 0 };
        error.text[0] = '\0';
        if (kube_json_agent(&arena, object, settings, &odd, &error) != ERR_OK) {
            assert(error.text[0] != '\0');
        }
        struct kube_status status = { 0 };
        kube_json_status(object, &status);
    }
    arena_done(&arena);
    return 0;
}
