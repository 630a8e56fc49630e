/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a configuration: it is read or refused with a line that names a place; what is read is
 * printed so that it reads and prints the same again; what it means is built, or refused with a line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

static char *print(const struct block *root)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		abort();
	block_print(root, out);
	fclose(out);
	return text;
}

static void print_again(const struct block *root)
{
	struct block *again, *copy = block_clone(root);
	struct error error = {""};
	char *once = print(root), *twice, *cloned;

	if (!copy || block_parse("again", once, strlen(once), &again, &error))
		abort();
	twice = print(again);
	cloned = print(copy);
	if (strcmp(once, twice) != 0 || strcmp(once, cloned) != 0)
		abort();
	block_free(again);
	block_free(copy);
	free(once);
	free(twice);
	free(cloned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error error = {""};
	struct block *root = NULL;
	struct conf *conf = NULL;

	if (block_parse("fuzz", (const char *)data, size, &root, &error)) {
		if (root || strncmp(error.text, "fuzz:", 5) != 0)
			abort();
		return 0;
	}
	print_again(root);
	if (conf_build(root, &conf, &error)) {
		if (conf || !*error.text)
			abort();
		block_free(root);
	}
	conf_free(conf);
	return 0;
}
