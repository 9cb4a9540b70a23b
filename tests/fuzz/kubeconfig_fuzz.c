/*
 * A kubeconfig of any content is read or refused with a reason; two files merge as any two may.
 */
#include <headroom/kubeconfig.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice first = fuzz_input(data, size);
    struct kube_access access = { 0 }, copy = { 0 };
    struct error error = { 0 };
    struct arena arena;

    /* A line "%%" parts the input into two files. */
    struct slice second = { NULL, 0 };
    const char *mark = size > 4 ? memmem(data, size, "\n%%\n", 4) : NULL;
    if (mark) {
        first.len = (size_t)(mark - first.data);
        second = (struct slice){ mark + 4, size - first.len - 4 };
    }
    const struct kubeconfig_file files[] = {
        { SLICE("/home/user/.kube/config"), first },
        { SLICE("other"), second },
    };
    arena_init(&arena);
    if (kubeconfig_parse(&arena, files, mark ? 2 : 1, SLICE(""), &access, &error) == ERR_OK) {
        assert(access.server.len > 0);
        kube_access_copy(&arena, &access, &copy);
        assert(slice_eq(copy.server, access.server) && copy.server.data != access.server.data);
        assert(copy.exec.arg_count == access.exec.arg_count);
    } else {
        assert(error.code != ERR_OK && error.text[0] != '\0');
    }
    arena_done(&arena);
    return 0;
}
