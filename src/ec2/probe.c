/*
 * probe.c - dry runs: may our identity do what an attach, an assign or a delete takes?
 *
 * Knows the parameters of each action, which are those of the real call, and EC2's two answers:
 * DryRunOperation and UnauthorizedOperation. Refuses to change anything, and to know what a missing
 * right means.
 */
#include <assert.h>

#include "machine.h"
#include "query.h"

static void on_probe(struct ec2 *ec2, struct call *call, const struct outcome *outcome)
{
    bool may = slice_is(outcome->error_code, "DryRunOperation");
    struct plan_event *event = ec2_event_add(ec2, PLAN_RESULT);

    event->result = (struct cloud_result){
        .action = ec2->probes[call->owner],
        .stage = may ? CLOUD_DONE : CLOUD_FAILED,
        .code = may ? CLOUD_OK : outcome->code,
        .message = ec2_step_copy(ec2, outcome->message),
        .operation = slice_of(ec2_op_name(call->op)),
    };
    /* An answer that a dry run cannot have. */
    if (outcome->code == CLOUD_OK) {
        event->result.code = CLOUD_INVALID;
        event->result.message = SLICE("EC2 did not take it for a dry run");
    }
    ec2->probes[call->owner] = 0;
}

static enum ec2_op op_of(const char *action)
{
    enum ec2_op op = 0;

    while (op < EC2_OP_COUNT && strcmp(ec2_op_name(op), action) != 0) {
        op++;
    }
    assert(op < EC2_OP_COUNT);
    return op;
}

static void add_parameters(struct buf *form, enum ec2_op op, const struct ec2_probe *probe)
{
    const struct eni_intent *intent = &probe->intent;

    switch (op) {
    case OP_CreateNetworkInterface:
        ec2_query_create(form, intent);
        break;
    case OP_AttachNetworkInterface:
        ec2_query_attach(form, &probe->eni, &intent->instance, intent->device_index);
        break;
    case OP_ModifyNetworkInterfaceAttribute:
        ec2_query_bind(form, &probe->eni, probe->attachment);
        break;
    case OP_AssignPrivateIpAddresses:
        ec2_query_text(form, "NetworkInterfaceId", aws_id_slice(&probe->eni));
        ec2_query_addresses(form, 1, 0);
        break;
    case OP_DeleteNetworkInterface:
        ec2_query_text(form, "NetworkInterfaceId", aws_id_slice(&probe->eni));
        break;
    case OP_GetSubnetCidrReservations:
        ec2_query_text(form, "SubnetId", aws_id_slice(&intent->subnet));
        break;
    default: /* describes need none */
        break;
    }
}

void ec2_probe_add(struct ec2 *ec2, const struct ec2_probe *probe)
{
    uint32_t place = 0;

    assert(probe->id > 0);
    while (place < EC2_PROBES_MAX && ec2->probes[place] > 0) {
        place++;
    }
    assert(place < EC2_PROBES_MAX);
    ec2->probes[place] = probe->id;
    struct call *call = ec2_call_new(ec2, op_of(probe->action), place, on_probe);
    call->mutation = true; /* without an identity it ends and says so */
    call->dry_run = call->repeatable = true;
    add_parameters(&call->form, call->op, probe);
    ec2_query_text(&call->form, "DryRun", SLICE("true"));
}
