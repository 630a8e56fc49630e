/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/warn.h"
#include "client.h"
#include "conf/conf.h"
#include "host/process/program.h"
#include "import/import.h"
#include "lb/ctl.h"
#include "settings/settings.h"
#include "settings/start_check.h"

enum { STREAM_BYTES_MAX = 16 << 20 }; /* as of a file */

/* lbd's is told when one answers: they may differ after an upgrade. */
int commands_version(const struct cli *cli, const json_t *request)
{
	json_t *data = client_ask(cli, "version");
	const char *theirs = json_string_value(json_object_get(data, "version"));

	(void)request;
	if (cli->json)
		fprintf(cli->out, "{\"lbctl\": \"%s\", \"lbd\": %s%s%s}\n", LB_VERSION,
			theirs ? "\"" : "", theirs ? theirs : "null", theirs ? "\"" : "");
	else
		fprintf(cli->out, "lbctl %s%s%s\n", LB_VERSION, theirs ? ", lbd " : "",
			theirs ? theirs : "");
	json_decref(data);
	return LB_CTL_DONE;
}

static void print_warning(void *arg, const char *line)
{
	cli_fail(arg, LB_CTL_DONE, "warning: %s", line);
}

static void print_error(void *arg, const char *line)
{
	cli_fail(arg, LB_CTL_REFUSED, "%s", line);
}

/* "-", or what stands for a descriptor of ours, which may be a pipe: lbd itself reads files only. */
static int stream_of(const char *path)
{
	static const char *const names[] = {"/dev/fd/", "/proc/self/fd/"};

	if (!strcmp(path, "-") || !strcmp(path, "/dev/stdin"))
		return STDIN_FILENO;
	for (size_t i = 0; i < 2; i++)
		if (!strncmp(path, names[i], strlen(names[i])))
			return atoi(path + strlen(names[i]));
	return -1;
}

static int read_stream(const char *name, int fd, struct conf **conf, struct error *error)
{
	char *text = NULL;
	size_t length = 0;
	FILE *copy = open_memstream(&text, &length);
	char part[16384];
	ssize_t got = 0;
	int err;

	while (copy && length <= STREAM_BYTES_MAX && (got = read(fd, part, sizeof(part))) > 0) {
		fwrite(part, 1, (size_t)got, copy);
		fflush(copy);
	}
	err = got < 0 ? -errno : length > STREAM_BYTES_MAX ? -EFBIG : 0;
	if (!copy || fclose(copy))
		err = -ENOMEM;
	if (err)
		error_set(error, err, "%s: %s", name,
			  err == -EFBIG ? "is too large" : strerror(-err));
	else
		err = conf_read_text(name, text, length, conf, error);
	free(text);
	return err;
}

static int read_conf(const char *path, struct conf **conf, struct error *error)
{
	int fd = stream_of(path);

	return fd < 0 ? conf_read(path, conf, error) : read_stream(path, fd, conf, error);
}

int commands_check(const struct cli *cli, const json_t *request)
{
	const char *path = json_string_value(json_object_get(request, "file"));
	struct launch_warn warning = {.tell = print_warning,
				      .refuse = print_error,
				      .arg = (void *)cli};
	struct conf *conf = NULL;
	struct error error;

	if (!path)
		path = LB_SYSCONFDIR "/lbd/lbd.conf";
	program_find();
	settings_find_static();
	if (read_conf(path, &conf, &error))
		return cli_fail(cli, LB_CTL_REFUSED, "%s", error.text);
	if (!start_check(conf, &warning)) {
		conf_free(conf);
		return LB_CTL_REFUSED;
	}
	conf_warn(conf, cli->instance, &warning);
	if (cli->json)
		fprintf(cli->out, "{\"services\": %zu, \"pools\": %zu}\n", conf->service_count,
			conf->pool_count);
	else
		fprintf(cli->out, "%s: good: %zu services, %zu pools\n", path, conf->service_count,
			conf->pool_count);
	conf_free(conf);
	return LB_CTL_DONE;
}

int commands_import(const struct cli *cli, const json_t *request)
{
	const json_t *list = json_object_get(request, "file");
	size_t count = json_array_size(list);
	char **files = calloc(count, sizeof(*files));
	struct error error;
	int code = LB_CTL_DONE;

	if (!files)
		return cli_fail(cli, LB_CTL_REFUSED, "no memory");
	for (size_t i = 0; i < count; i++)
		files[i] = (char *)json_string_value(json_array_get(list, i));
	if (import_files((int)count, files, cli->out, &error))
		code = cli_fail(cli, LB_CTL_REFUSED, "%s", error.text);
	free(files);
	return code;
}
