/* token.h - a digest over what an order stands for; see token.c. */
#ifndef PLAN_TOKEN_H
#define PLAN_TOKEN_H

#include <headroom/slice.h>

struct token_digest {
    uint64_t a, b;
};

void token_begin(struct token_digest *digest);
void token_text(struct token_digest *digest, struct slice text);
void token_number(struct token_digest *digest, uint64_t number);
/* "headroom-" and 32 hexadecimal digits. */
void token_end(const struct token_digest *digest, char *ret, size_t ret_size);

#endif
