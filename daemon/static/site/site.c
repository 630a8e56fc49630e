// SPDX-License-Identifier: Apache-2.0
#include "static/site/site.h"

#include "static/options/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int open_directory(const char *what, const char *path, int *fd, struct fault *fault)
{
	*fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return fault_set(fault, -errno, "%s %s: %s", what, path, strerror(errno));
	return 0;
}

static int load_types(struct site *site, struct fault *fault)
{
	const char *path = site->options->mime_types;
	int err = mime_load(path ? path : "/etc/mime.types", &site->mime);

	if (err && !path)
		err = mime_load(NULL, &site->mime);
	return err ? fault_set(fault, err, "mime_types %s: %s", path ? path : "", strerror(-err))
		   : 0;
}

int site_open(struct site *site, struct options *options, struct fault *fault)
{
	int err;

	*site = (struct site){.options = options, .root = -1};
	if ((err = open_directory("root", options->root, &site->root, fault)) ||
	    (err = load_types(site, fault)))
		return err;
	for (struct rule *rule = options->rules.first[RULE_ALIAS]; rule && !err; rule = rule->next)
		err = open_directory("alias", rule->argument[0], &rule->directory, fault);
	for (struct rule *rule = options->rules.first[RULE_AUTH]; rule && !err; rule = rule->next)
		err = users_load(rule->argument[0], &rule->users, fault);
	return err;
}

void site_close(struct site *site)
{
	if (site->root >= 0)
		close(site->root);
	mime_free(site->mime);
}
