/*
 * version.c - the one file that is compiled again when the version changes.
 *
 * Knows what the Makefile says. Refuses to know anything else.
 */
#include <headroom/version.h>

#ifndef HEADROOM_VERSION
#define HEADROOM_VERSION "0.1.0"
#endif

const char *version_text(void)
{
    return HEADROOM_VERSION;
}
