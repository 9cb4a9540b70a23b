/*
 * page.h - the live page, as it is served.
 */
#ifndef HEADROOM_WEB_PAGE_H
#define HEADROOM_WEB_PAGE_H

#include <headroom/slice.h>

/* HTML; for the process's life. */
struct slice web_page(void);

#endif
