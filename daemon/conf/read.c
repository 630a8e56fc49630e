/* SPDX-License-Identifier: Apache-2.0 */
/* From a file or a text to a configuration; and which accounts it may name that this host does not know. */
#include "block/block.h"
#include "conf/accounts.h"
#include "conf/conf.h"

static int build_accepting(struct block *root, struct conf_accepted accepted, struct conf **conf,
			   struct error *error)
{
	int err;

	conf_accepted = &accepted;
	err = conf_build(root, conf, error);
	conf_accepted = NULL;
	return err;
}

int conf_rebuild(struct block *root, struct conf **conf, struct error *error)
{
	return build_accepting(root, (struct conf_accepted){.all = true}, conf, error);
}

int conf_build_change(struct block *root, const struct conf *before, struct conf **conf,
		      struct error *error)
{
	return build_accepting(root, (struct conf_accepted){.before = before}, conf, error);
}

/* Takes root over, also on failure. */
static int build_whole(struct block *root, bool accept, struct conf **conf, struct error *error)
{
	int code = block_include(root, error);

	if (!code)
		code = (accept ? conf_rebuild : conf_build)(root, conf, error);
	if (code)
		block_free(root);
	return code;
}

static int read_whole(const char *path, bool accept, struct conf **conf, struct error *error)
{
	struct block *root = NULL;
	uid_t changer;
	int code = block_parse_file(path, &root, error);

	if (!code)
		code = block_file_changer(path, &changer, error);
	if (code) {
		block_free(root);
		return code;
	}
	return build_whole(root, accept, conf, error);
}

int conf_read(const char *path, struct conf **conf, struct error *error)
{
	return read_whole(path, false, conf, error);
}

int conf_read_to_start(const char *path, struct conf **conf, struct error *error)
{
	return read_whole(path, true, conf, error);
}

int conf_read_text(const char *name, const char *text, size_t length, struct conf **conf,
		   struct error *error)
{
	struct block *root;
	int code = block_parse(name, text, length, &root, error);

	return code ? code : build_whole(root, false, conf, error);
}
