/*
 * space.h - the addresses of one subnet: which are taken, which are held back, where a whole
 * /28 is free.
 *
 *   10.0.0.0/26   used  1111 0110 ... 1      first four and the last: EC2's own
 *                 held  0000 0000 1111 0     in a CIDR reservation
 *
 * `free` is what EC2 shows as AvailableIpAddressCount: neither used nor held. It says nothing of
 * whole blocks.
 */
#ifndef SIM_EC2_SPACE_H
#define SIM_EC2_SPACE_H

#include <headroom/model.h>
#include <headroom/prng.h>

enum { SPACE_BLOCK = 16, SPACE_OWN = 5 };

struct sim_space {
    struct cidr cidr;
    uint32_t size;
    uint32_t free;
    uint64_t *used, *held, *held_prefix; /* bit by address - base; held_prefix: reservation of type
                                            prefix */
};

/* /28 (EC2's smallest) to /16 (its largest). */
void sim_space_init(struct sim_space *space, struct cidr cidr);
void sim_space_done(struct sim_space *space);

/* Before anything is taken. False: outside of the subnet, or overlaps another reservation. */
bool sim_space_reserve(struct sim_space *space, struct cidr_reservation reservation);

bool sim_space_contains(const struct sim_space *space, uint32_t address);
bool sim_space_is_used(const struct sim_space *space, uint32_t address);
bool sim_space_is_held(const struct sim_space *space, uint32_t address);

/* Takes exactly this; false: in use. A held address can be taken: by who asks for it in so many
 * words. */
bool sim_space_take(struct sim_space *space, uint32_t address);
void sim_space_give(struct sim_space *space, uint32_t address);
bool sim_space_take_block(struct sim_space *space, uint32_t base);
void sim_space_give_block(struct sim_space *space, uint32_t base);

/* A free address, taken; prng NULL: the lowest, else anywhere, as EC2 does it. False: none. */
bool sim_space_pick(struct sim_space *space, struct prng *prng, uint32_t *ret);
/* A free /28: from a reservation of type prefix while there is one, then from what is not held. */
bool sim_space_pick_block(struct sim_space *space, struct prng *prng, uint32_t *ret);

/* Keeps a whole free /28 for sim_space_pick_block, as a reservation does, until it is let go; what
 * was picked of it stays taken. False: there is none. */
bool sim_space_hold_block(struct sim_space *space, struct prng *prng, uint32_t *ret);
void sim_space_let_go_block(struct sim_space *space, uint32_t base);

/* How many sim_space_pick_block could give. */
uint32_t sim_space_free_blocks(const struct sim_space *space);

#endif
