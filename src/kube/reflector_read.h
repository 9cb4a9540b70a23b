/* reflector_read.h - a reflector's bytes on their way to its sink. */
#ifndef KUBE_REFLECTOR_READ_H
#define KUBE_REFLECTOR_READ_H

#include "reflector.h"

/* One whole frame or line, one piece of what arrives, and a frame's length. */
enum { REFLECTOR_PIECE = 128 << 10, REFLECTOR_BUF_MAX = (8 << 20) + REFLECTOR_PIECE };

enum err reflector_read_list(struct kube *kube, void *owner, struct slice body,
                             struct error *error);
enum err reflector_read_watch(struct kube *kube, void *owner, struct slice body,
                              struct error *error);
/* The list has ended: is it whole, as of when, and is there another page? */
enum err reflector_end_list(struct kube *kube, struct reflector *reflector, struct error *error);

struct slice url_encoded(struct arena *arena, struct slice s);

#endif
