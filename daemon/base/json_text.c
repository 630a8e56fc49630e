/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

enum { REPLACEMENT_BYTES = sizeof(replacement) - 1 };

json_t *json_text_bytes(const char *bytes, size_t length)
{
	char *clean = malloc(length * REPLACEMENT_BYTES + 1);
	json_t *string;
	size_t used = 0;

	if (!clean)
		return NULL;
	for (size_t at = 0, taken; at < length; at += taken) {
		uint32_t code;
		size_t whole = utf8_decode(bytes + at, length - at, &code);

		memcpy(clean + used, whole ? bytes + at : replacement,
		       whole ? whole : REPLACEMENT_BYTES);
		used += whole ? whole : REPLACEMENT_BYTES;
		taken = whole ? whole : 1;
	}
	string = json_stringn(clean, used);
	free(clean);
	return string;
}

json_t *json_text(const char *text)
{
	return json_text_bytes(text, strlen(text));
}
