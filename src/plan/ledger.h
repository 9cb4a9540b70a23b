/* ledger.h - what outcome.c needs of ledger.c beyond state.h. */
#ifndef PLAN_LEDGER_H
#define PLAN_LEDGER_H

#include "state.h"

struct order *ledger_find(const struct planner *p, uint64_t id); /* NULL: none with this id any more
                                                                  */
void ledger_release(struct planner *p, struct order *order);     /* gives its debit back */
void ledger_listed(struct planner *p, struct order *order); /* its ENI counts as attached from now
                                                               on */
void ledger_idle(struct planner *p, struct order *order);   /* it no longer uses the API's budget */
void ledger_end(struct planner *p, struct order *order); /* frees it, or keeps it for its debit */
void ledger_resend(struct planner *p, struct order *order); /* same token, new id */
void ledger_send_attach(struct planner *p, struct order *order);

#endif
