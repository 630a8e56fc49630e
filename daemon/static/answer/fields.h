/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a response that depend on the path alone. */
#ifndef LBSTATIC_FIELDS_H
#define LBSTATIC_FIELDS_H

#include "static/http/writer.h"
#include "static/site/lookup.h"

enum { ETAG_BYTES = 64 };

/* A strong validator (RFC 9110, 8.8.3): what changes the bytes changes modification time or size. */
size_t fields_etag(const struct found *found, char out[ETAG_BYTES]);

/* ETag, Last-Modified, Vary, and what the rules say, but Content-Type. */
void fields_write_common(struct writer *writer, const struct site *site, const char *path,
			 const struct found *found, struct slice etag);

/* What stands in their place with statuses from 400 on: rules are about what is there. */
void fields_write_error(struct writer *writer);

/* Content-Type and Content-Encoding; type is the default. */
void fields_write_entity(struct writer *writer, const struct site *site, const char *path,
			 const struct found *found, const char *type);

#endif
