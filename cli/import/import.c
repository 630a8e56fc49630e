/* SPDX-License-Identifier: Apache-2.0 */
#include "import/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "import/model.h"

/* An ini file begins with a [section], but for blank lines and comments. */
static int looks_like_ini(const char *path, bool *ini, struct error *error)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (!in)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	while (getline(&line, &room, in) > 0) {
		const char *first = line + strspn(line, " \t\r\n");

		if (strncmp(first, "\xef\xbb\xbf", 3) == 0)
			first += 3;
		if (*first && *first != '#' && *first != ';') {
			*ini = *first == '[';
			break;
		}
	}
	free(line);
	fclose(in);
	return 0;
}

/* Sections go into the import, the tree of an nginx.conf to *root. */
static int read_any_file(struct import *import, const char *path, struct block **root,
			 struct error *error)
{
	bool ini = false;
	int code = looks_like_ini(path, &ini, error);

	if (code)
		return code;
	return ini ? import_supervisor_read(import, path, error)
		   : import_nginx_read(import, path, root, error);
}

static int read_all(struct import *import, int count, char *const *files, struct block **roots,
		    struct error *error)
{
	int code = 0;

	for (int i = 0; i < count && !code; i++)
		code = read_any_file(import, files[i], &roots[i], error);
	return code;
}

static void put_together(struct import *import, struct block *const *roots, int count)
{
	import_supervisor_emit(import);
	import_programs(import);
	for (int i = 0; i < count; i++)
		if (roots[i])
			import_nginx_upstreams(import, roots[i]);
	for (int i = 0; i < count; i++)
		if (roots[i])
			import_nginx_targets(import, roots[i]);
	import_join(import);
	for (int i = 0; i < count; i++)
		if (roots[i])
			import_nginx_servers(import, roots[i]);
	import_supervisor_drop(import);
}

/* As whoever reads the printed text would find it. */
static int check_result(const char *text, size_t length, struct error *error)
{
	struct block *root = NULL;
	struct conf *conf = NULL;
	int code = block_parse("the result", text, length, &root, error);

	if (!code)
		code = conf_build(root, &conf, error);
	if (code)
		block_free(root);
	conf_free(conf);
	return code;
}

static int print_result(const struct import *import, int count, char *const *files, FILE *out,
			struct error *error)
{
	char *text = NULL;
	size_t length;
	FILE *memory = import_must(open_memstream(&text, &length));
	int code;

	fputs("# Made by `lbctl import", memory);
	for (int i = 0; i < count; i++)
		fprintf(memory, " %s", files[i]);
	fputs("`.  A line of theirs that is not here is in a comment, which says why.\n\n", memory);
	block_print(import->out, memory);
	fclose(memory);
	fputs(import_must(text), out);
	code = check_result(text, length, error);
	free(text);
	return code;
}

int import_files(int count, char *const *files, FILE *out, struct error *error)
{
	struct block **roots = import_must(calloc((size_t)count + 1, sizeof(struct block *)));
	struct import import = {0};
	int code;

	if (block_parse("lbd.conf", "", 0, &import.out, error))
		import_must(NULL);
	code = read_all(&import, count, files, roots, error);
	if (!code) {
		put_together(&import, roots, count);
		code = print_result(&import, count, files, out, error);
	}
	for (int i = 0; i < count; i++)
		block_free(roots[i]);
	free(roots);
	block_free(import.out);
	import_forget();
	return code;
}
