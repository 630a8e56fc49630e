/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

struct output {
	struct conf_output conf; /* its path is not used: target_path is it, expanded */
	char *name, *path, *fifo;
};

static int open_append(const char *path, struct error *error)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd < 0)
		return error_set(error, -errno, "log %s: %s; it must be a file that lbd may write",
				 path, strerror(errno));
	return fd;
}

int output_new(sd_event *event, const struct conf_output *conf, const struct output_target *target,
	       bool adopt, struct output **out, struct error *error)
{
	struct output *output = calloc(1, sizeof(*output));

	(void)event;
	(void)adopt;
	if (!output)
		return error_set(error, -ENOMEM, "log of %s: out of memory", target->name);
	output->conf = *conf;
	output->conf.path = NULL;
	output->name = strdup(target->name);
	output->path = strdup(target->path);
	output->fifo = strdup(target->fifo);
	*out = output;
	return 0;
}

int output_open(struct output *output, uid_t owner, struct error *error)
{
	(void)owner;
	if (output->conf.kind == OUTPUT_FILE)
		return open_append(output->path, error);
	return open_append("/dev/null", error);
}

void output_drain(struct output *output)
{
	(void)output;
}

void output_reopen(struct output *output)
{
	(void)output;
}

void output_free(struct output *output)
{
	if (!output)
		return;
	free(output->name);
	free(output->path);
	free(output->fifo);
	free(output);
}
