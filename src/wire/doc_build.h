/* doc_build.h - growing a tree under limits; shared by the readers of YAML and JSON. */
#ifndef WIRE_DOC_BUILD_H
#define WIRE_DOC_BUILD_H

#include <headroom/doc.h>

enum { DOC_DEPTH_MAX = 128 };

struct doc_builder {
    struct arena *arena;
    struct doc_limits limits; /* none is 0 */
    uint32_t nodes;
    uint32_t depth; /* open sequences and mappings */
    struct {
        struct doc *parent, *last;
    } open[DOC_DEPTH_MAX];
    struct doc *root;
};

void doc_build_start(struct doc_builder *builder, struct arena *arena,
                     const struct doc_limits *limits);
/* A new node under the innermost open one (or the root), with its key. A sequence or mapping stays
 * open until doc_build_close. */
enum err doc_build_add(struct doc_builder *builder, enum doc_kind kind, struct slice key,
                       struct doc **ret, struct error *error) ERR_CHECKED;
void doc_build_close(struct doc_builder *builder);

#endif
