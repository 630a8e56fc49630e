/* SPDX-License-Identifier: Apache-2.0 */
#include "start/takeover.h"

#include <errno.h>
#include <stdio.h>

#include "conf/conf.h"
#include "conf/running.h"
#include "datapath/datapath.h"
#include "host/instance/instance.h"
#include "remember/remember.h"
#include "settings/settings.h"
#include "worker/record.h"

struct records {
	const char *run_dir;
	char newer[256]; /* the name of one that is not understood, or "" */
};

static void read_record(void *arg, const char *name)
{
	struct records *records = arg;
	struct record record;

	if (record_read(records->run_dir, NULL, name, &record) == -EPROTO)
		snprintf(records->newer, sizeof(records->newer), "%s", name);
}

static int check_records(const char *run_dir, struct error *error)
{
	struct records records = {.run_dir = run_dir};
	int err = record_each(run_dir, read_record, &records);

	if (!err && *records.newer)
		return error_set(error, -EPROTO, "%s/workers/%s was written by a newer lbd",
				 run_dir, records.newer);
	return err ? error_set(error, err, "%s/workers cannot be read", run_dir)
		   : remember_check(run_dir, error);
}

/*
 * What the start refuses: after the exec there would be no lbd.  That is not this process, but who asks for the test.
 */
static int check_start(const struct conf *conf, const struct options *options, struct error *error)
{
	return settings_try(conf, options->instance, options->foreground,
			    instance_pid(options->instance), error);
}

/* What is in force, and no file instead of it: nobody has asked for that. */
static int check_conf(const char *run_dir, const struct options *options, struct error *error)
{
	struct running running = {0};
	struct conf *conf = NULL;
	int err = running_read(run_dir, options->conf_path, &running, &conf, error);

	if (!err)
		err = check_start(conf, options, error);
	conf_free(conf);
	running_forget(&running);
	return err;
}

int takeover_test(const struct options *options)
{
	struct error error = {0};
	char run_dir[96];
	int err = instance_find(options->instance, run_dir, sizeof(run_dir), &error);

	if (!err)
		err = instance_check(run_dir, &error);
	if (!err)
		err = check_records(run_dir, &error);
	if (!err)
		err = check_conf(run_dir, options, &error);
	if (!err)
		err = datapath_try(options->instance, &error);
	if (err) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	puts("lbd " LB_VERSION);
	return 0;
}
