/*
 * version.h - which build this is.
 */
#ifndef HEADROOM_VERSION_H
#define HEADROOM_VERSION_H

/* `git describe` of the tree it was built from, or the release: "0.1.0". */
const char *version_text(void);

#endif
