/* SPDX-License-Identifier: Apache-2.0 */
/* Where a stream of a process goes: the words of `stdout`, `stderr` and `log`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/private.h"

static int read_kind(const struct block *at, const struct conf_directive *row,
		     struct conf_output *output, struct error *error)
{
	static const char *const kinds[] = {
		[OUTPUT_SYSLOG] = "syslog", [OUTPUT_JOURNAL] = "journal", [OUTPUT_NONE] = "none"};
	const char *word = at->words[1];

	for (unsigned i = OUTPUT_SYSLOG; i <= OUTPUT_NONE; i++) {
		if (strcmp(word, kinds[i]) == 0) {
			output->kind = i;
			return 0;
		}
	}
	if (!*word)
		return conf_refuse(at, row, word, error);
	output->kind = OUTPUT_FILE;
	free(output->path);
	output->path = conf_path(at, word);
	return output->path ? conf_check_variables(at, word, error) : conf_no_memory(at, error);
}

/* `name value`; 0, or -EINVAL. */
static int read_output_option(const char *name, const char *value, struct conf_output *output)
{
	uint64_t number;

	if (strcmp(name, "size") == 0)
		return conf_parse_size(value, 1ULL << 50, &output->max_bytes);
	if (strcmp(name, "files") == 0) {
		if (conf_parse_number(value, 1000, &number))
			return -EINVAL;
		output->max_files = (unsigned)number;
		return 0;
	}
	if (strcmp(name, "age") != 0 || conf_parse_ms(value, UINT64_MAX, &number))
		return -EINVAL;
	output->max_age_s = number / 1000;
	return number == 0 || number >= 1000 ? 0 : -EINVAL;
}

int conf_output_read(const struct block *at, const struct conf_directive *row,
		     struct conf_output *output, struct error *error)
{
	int code = read_kind(at, row, output, error);

	for (size_t i = 2; i < at->count && !code; i++) {
		if (strcmp(at->words[i], "prefix") == 0) {
			output->prefix = true;
			continue;
		}
		if (i + 1 == at->count ||
		    read_output_option(at->words[i], at->words[i + 1], output))
			return conf_refuse(at, row, at->words[i + (i + 1 < at->count)], error);
		i++;
	}
	return code ? code : conf_options_once(at, "prefix", error);
}
