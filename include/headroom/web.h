/*
 * web.h - /healthz, /readyz, /metrics, /api/state, /api/history and the live page, on libwebsockets
 * in a thread of its own.
 *
 * Read-only: shows the newest snapshot that it was given. Its death leaves control unharmed. No
 * secrets, origin checked, connections limited.
 */
#ifndef HEADROOM_WEB_H
#define HEADROOM_WEB_H

#include <headroom/buf.h>
#include <headroom/snapshot.h>

struct web;

/* listen: "[HOST]:PORT" or "PORT"; "" host: all addresses; port 0: any, see web_port. ERR_IO when
 * it cannot be bound. */
enum err web_new(struct slice listen, struct web **ret, struct error *error) ERR_CHECKED;
void web_free(struct web *web); /* stops and joins the thread */
uint16_t web_port(const struct web *web);

/* Takes a reference of its own and shows it from now on. Never blocks for long. Safe to call from
 * the control thread alone. */
void web_show(struct web *web, struct snapshot_ref *ref);

/* Somebody has the page open, or has asked for /api/state within the last ten seconds. Safe to call
 * from the control thread. */
bool web_watched(const struct web *web);

/* The bodies, as pure functions. */
/* Prometheus text format 0.0.4 */
void web_metrics(const struct snapshot *snapshot, struct buf *out);
void web_state(const struct snapshot *snapshot, struct buf *out); /* JSON */

#endif
