/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/byteranges: RFC 9110, 14.6. */
#ifndef LBSTATIC_MULTIPART_H
#define LBSTATIC_MULTIPART_H

#include "static/answer/output.h"
#include "static/answer/range.h"
#include "static/http/writer.h"

/* The parts for these ranges of an answer, closing boundary included; to be freed; or NULL. */
struct parts *multipart_make(const struct answer *answer, const struct range *ranges,
			     unsigned count);

/* The Content-Type line of the response. */
void multipart_write_type(struct writer *writer);

/* The length of the whole content. */
uint64_t multipart_length(const struct parts *parts);

#endif
