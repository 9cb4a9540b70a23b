/*
 * pool_status.h - a SubnetPool's status as JSON, with the fields that crds/ declares.
 */
#ifndef HEADROOM_POOL_STATUS_H
#define HEADROOM_POOL_STATUS_H

#include <headroom/json.h>
#include <headroom/model.h>

/* maxItems of the CRD: what is beyond is left out, and counted in summary. */
enum { POOL_STATUS_SUBNETS_MAX = 1000, POOL_STATUS_ZONES_MAX = 100 };

/* Writes one object as the next value: the `status` of a SubnetPool. */
void pool_status_json(struct json_out *json, const struct pool_status *status);

/* Parts of it, each a key of the object that is being written, for others who show the same:
 * "conditions", "zones", "nodes", and of a subnet what is neither its id nor a time. */
void pool_status_conditions(struct json_out *json, const struct pool_status *status);
void pool_status_zones(struct json_out *json, const struct pool_status *status);
void pool_status_nodes(struct json_out *json, const struct pool_status *status);
void pool_status_subnet_fields(struct json_out *json, const struct subnet_status *subnet);

/* `key` and whole seconds as "2h5m", "4m10s" or "7s"; without a forecast, nothing. */
void pool_status_forecast(struct json_out *json, const char *key, uint32_t seconds);

#endif
