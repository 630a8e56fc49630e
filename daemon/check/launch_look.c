/* SPDX-License-Identifier: Apache-2.0 */
#include "check/launch_look.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check/account_access.h"

char *launch_expand(const struct look *look, const char *text)
{
	return conf_expand(text, look->pool->name, look->name.port, look->name.index);
}

const struct block *launch_look_at(const struct look *look, const char *directive, size_t nth)
{
	return conf_written(look->pool, look->block, directive, nth);
}

int launch_no_memory(const struct look *look)
{
	return block_error(look->pool->at, look->error, -ENOMEM, "pool %s: out of memory",
			   look->pool->name);
}

bool launch_hides(const struct confinement *confinement, const char *path)
{
	char real[PATH_MAX];

	if (!confinement->private_tmp)
		return false;
	return confine_hides(confinement, path) ||
	       (realpath(path, real) && confine_hides(confinement, real));
}

/* What is read_only is made so first, and hidden after that. */
static bool is_hidden(const struct look *look, const char *path, enum wanted wanted)
{
	return wanted != PATH && look->pool->worker &&
	       launch_hides(&look->pool->worker->confinement, path);
}

static int look_at_path(const struct look *look, const char *path, enum wanted wanted)
{
	struct stat status;

	if (is_hidden(look, path, wanted))
		return ENOENT;
	if (stat(path, &status))
		return errno;
	if (wanted == DIRECTORY && !S_ISDIR(status.st_mode))
		return ENOTDIR;
	if (wanted == REGULAR && S_ISDIR(status.st_mode))
		return EISDIR;
	return wanted == REGULAR && !S_ISREG(status.st_mode) ? EINVAL : 0;
}

int launch_look_path(const struct look *look, const struct block *at, const char *what,
		     const char *text, enum wanted wanted)
{
	static const char *const nouns[] = {"path", "directory", "file"};
	char *path = launch_expand(look, text);
	bool hidden;
	int err;

	if (!path)
		return launch_no_memory(look);
	err = look_at_path(look, path, wanted);
	hidden = err && is_hidden(look, path, wanted);
	if (err)
		err = block_error(at, look->error, -err,
				  "pool %s: %s %.300s: %s; name a %s that is there",
				  look->pool->name, what, path,
				  hidden ? LAUNCH_HIDDEN : strerror(err), nouns[wanted]);
	if (hidden)
		err = launch_refuse(err, look->warn, look->error);
	else if (err)
		err = launch_judge(path, err, look->warn, look->error);
	free(path);
	return err;
}

static bool passes_modes(const struct conf_worker *worker)
{
	return worker && worker->confinement.set_capabilities &&
	       worker->confinement.capabilities &
		       (1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH);
}

int launch_look_as(const struct look *look, const struct account *account, const char *path,
		   int mode)
{
	if (!look->warn->refuse || !account->set || passes_modes(look->pool->worker))
		return 0;
	if (access(path, F_OK)) /* told already; that user may be kept from seeing even that */
		return -errno;
	return account_access(account, path, mode);
}
