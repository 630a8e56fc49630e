/* SPDX-License-Identifier: Apache-2.0 */
#include "check/verdict.h"

#include "base/place.h"

int launch_refuse(int err, const struct launch_warn *warn, const struct error *error)
{
	if (!err || !warn->refuse)
		return err;
	warn->refuse(warn->arg, error->text);
	return 0;
}

int launch_judge(const char *path, int err, const struct launch_warn *warn,
		 const struct error *error)
{
	if (!err || place_is_closed(path))
		return launch_refuse(err, warn, error);
	warn->tell(warn->arg, error->text);
	return 0;
}
