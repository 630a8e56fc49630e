/* SPDX-License-Identifier: Apache-2.0 */
#include "check/accounts.h"

#include "conf/accounts.h"

static bool is_unknown(const struct conf_account *use)
{
	uid_t uid;

	return use->is_group ? conf_find_gid(use->name) : conf_find_uid(use->name, &uid);
}

static void warn_of(void *arg, const struct conf_account *use)
{
	const struct launch_warn *warn = arg;
	struct error error;

	if (!is_unknown(use))
		return;
	error_set(&error, 0,
		  "%s: %s %.80s is unknown on this host, and until it is there %s: add it "
		  "(add%s --system %.80s) and `lbctl reload`, or name another",
		  use->object, use->word, use->name, use->keeps, use->is_group ? "group" : "user",
		  use->name);
	warn->tell(warn->arg, error.text);
}

void conf_accounts_warn(const struct conf *conf, const struct launch_warn *warn)
{
	conf_each_account(conf, warn_of, (void *)warn);
}
