/*
 * tight.c - tables without room to spare: under ASan a read past the last row is seen.
 *
 * Takes the place of mem_reserve in src/plan, for hack/mutate/mutate alone.
 */
#include <headroom/arena.h>

void mem_reserve(void *items_pointer, uint32_t *capacity, uint32_t need, size_t size)
{
    enum { EXACT_UP_TO = 64 }; /* beyond it to the next eighth, or thousands of rows took minutes */
    void *items = NULL;

    if (need <= *capacity) {
        return;
    }
    need += need > EXACT_UP_TO ? need / 8 : 0;
    memcpy(&items, items_pointer, sizeof(items));
    items = mem_resize(items, need, size);
    memset((char *)items + *capacity * size, 0, (need - *capacity) * size);
    memcpy(items_pointer, &items, sizeof(items));
    *capacity = need;
}
