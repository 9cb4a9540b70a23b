/*
 * AWS's shared files: whatever stands in them, each entry belongs to a section that is found again.
 */
#include <headroom/ini.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct ini ini;
    struct error error = { 0 };

    arena_init(&arena);
    if (ini_parse(&arena, fuzz_input(data, size), &ini, &error)) {
        assert(error.code != ERR_OK && error.text[0] != '\0');
    } else {
        uint32_t checked = ini.count < 64 ? ini.count : 64;
        for (uint32_t i = 0; i < checked; i++) {
            assert(ini_has_section(&ini, ini.entries[i].section));
        }
        (void)ini_get(&ini, fuzz_input(data, size < 8 ? size : 8), "region");
    }
    arena_done(&arena);
    return 0;
}
