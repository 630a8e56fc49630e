/* SPDX-License-Identifier: Apache-2.0 */
#include "output/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/open_file.h"
#include "host/process/aside.h"
#include "host/process/process.h"
#include "output/flow.h"

struct output {
	struct conf_output conf; /* its path is not used: path is it, expanded */
	char *name, *path, *fifo;
	bool is_err;
	uid_t user;

	struct output_flow *flow;  /* NULL: there is no FIFO */
	struct keeper_entry *kept; /* as the keeper knows it */
};

/* By the configuration, or as the process was started when that was another. */
static bool is_its_user(const struct output *output, pid_t pid, uid_t user)
{
	uid_t real;

	return user == output->user || (!process_user(pid, NULL, &real) && user == real);
}

static int open_name(const void *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * Its name went with the run directory: the process has it as its standard output.  That user may have put
 * anything there: only what is that user's to read anyway is opened.
 */
static int open_nameless(const struct output *output, pid_t pid)
{
	struct process_stat process;
	char path[64];
	struct stat st;
	int fd = -1, named;

	if (process_stat(pid, &process))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", process.thread,
		 output->is_err ? STDERR_FILENO : STDOUT_FILENO);
	named = aside_get(open_name, path);
	if (named < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", named);
	if (!fstat(named, &st) && S_ISFIFO(st.st_mode) && !st.st_nlink &&
	    is_its_user(output, pid, st.st_uid))
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	close(named);
	return fd;
}

/* *fd -1: there is none any more. */
static int open_fifo(const struct output *output, pid_t adopt, int *fd)
{
	if (!adopt && mkfifo(output->fifo, 0600) && errno != EEXIST)
		return -errno;
	*fd = open(output->fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0 && (errno != ENOENT || !adopt))
		return -errno;
	if (*fd < 0)
		*fd = open_nameless(output, adopt);
	return 0;
}

static bool needs_fifo(const struct conf_output *conf)
{
	return conf->kind == OUTPUT_SYSLOG ||
	       (conf->kind == OUTPUT_FILE && (conf->max_bytes || conf->max_age_s || conf->prefix));
}

static int fill_output(struct output *output, const struct conf_output *conf,
		       const struct output_target *target)
{
	output->conf = *conf;
	output->conf.path = NULL;
	output->is_err = target->is_err;
	output->user = target->user;
	output->name = strdup(target->name);
	output->path = strdup(target->path);
	output->fifo = strdup(target->fifo);
	return output->name && output->path && output->fifo ? 0 : -ENOMEM;
}

static int read_fifo(struct output *output, sd_event *event, struct keeper *keeper, int fd,
		     const struct output_target *target)
{
	int err = output_flow_new(event, fd, &output->conf, target, &output->flow);

	if (err) {
		close(fd);
		return err;
	}
	err = output_target_write(&output->conf, target);
	if (!err)
		output->kept = keeper_add(keeper, fd, output_target_text(&output->conf, target));
	return err;
}

int output_new(sd_event *event, struct keeper *keeper, const struct conf_output *conf,
	       const struct output_target *target, pid_t adopt, struct output **out,
	       struct error *error)
{
	struct output *output = calloc(1, sizeof(*output));
	int err, fd = -1;

	if (!output)
		return error_set(error, -ENOMEM, "log of %s: out of memory", target->name);
	err = fill_output(output, conf, target);
	if (!err && !adopt && !needs_fifo(conf))
		output_target_remove(output->fifo);
	else if (!err)
		err = open_fifo(output, adopt, &fd);
	if (!err && fd >= 0)
		err = read_fifo(output, event, keeper, fd, target);
	if (err) {
		output_free(output);
		return error_set(error, err, "fifo %s: %s", target->fifo, strerror(-err));
	}
	*out = output;
	return 0;
}

/* Blocking, as a worker expects it of its standard output. */
static int open_append(const struct output *output, struct error *error)
{
	int fd =
		open_file("log ", output->path, O_WRONLY | O_APPEND | O_CREAT, output->user, error);

	if (fd >= 0)
		fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

static int open_nothing(struct error *error)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? error_set(error, -errno, "/dev/null: %s", strerror(errno)) : fd;
}

/*
 * DANGER: root made it, and whoever has it could give it any name, once: lbd's own, say, which are made by root
 * as well (name_lock.h).  So it gets one here: by the family alone the kernel chooses, unix(7).  Where that cannot,
 * as a million names are taken, it is like the standard output of any service, which name_lock.h expects.
 */
static void name_at_random(int fd)
{
	const struct sockaddr family = {.sa_family = AF_UNIX};

	(void)!bind(fd, &family, sizeof(family.sa_family));
}

static int open_journal(const struct output *output, struct error *error)
{
	int fd = sd_journal_stream_fd(output->name, output->is_err ? LOG_ERR : LOG_INFO, 1);

	if (fd < 0)
		return error_set(error, fd, "journal: %s; is systemd-journald running?",
				 strerror(-fd));
	name_at_random(fd);
	return fd;
}

/*
 * The worker's own open file, blocking, and both ways: it is its reader of last resort.  Of the FIFO that is read
 * here, whatever has become of its name: the run directory may have been deleted.
 */
static int open_writer(const struct output *output, struct error *error)
{
	char path[32];
	int fd = -1;

	/* A file that cannot be written is better known before the worker runs. */
	if (output->conf.kind == OUTPUT_FILE && (fd = open_append(output, error)) < 0)
		return fd;
	if (output->conf.kind == OUTPUT_FILE)
		close(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", output_flow_fd(output->flow));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fchown(fd, output->user, -1)) {
		error_set(error, -errno, "fifo %s: %s", output->fifo, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -EIO;
	}
	return fd;
}

const char *output_path(const struct output *output)
{
	return output && output->conf.kind == OUTPUT_FILE ? output->path : NULL;
}

int output_open(struct output *output, struct error *error)
{
	if (output->conf.kind == OUTPUT_JOURNAL)
		return open_journal(output, error);
	if (output->conf.kind == OUTPUT_NONE)
		return open_nothing(error);
	if (output->flow)
		return open_writer(output, error);
	return open_append(output, error);
}

/* What cannot be written now is the keeper's to try again. */
static void end_flow(struct output_flow *flow, struct keeper_entry *kept)
{
	if (output_flow_drain(flow)) {
		keeper_done(kept);
		output_flow_free(flow);
	} else if (kept) {
		keeper_leave(kept, output_flow_release(flow));
	} else {
		output_flow_say_dropped(flow);
		output_flow_free(flow);
	}
}

void output_forget(struct keeper *keeper, const char *fifo)
{
	struct output_flow *flow;
	char *note;
	int fd = output_target_open(fifo, &note);

	if (fd >= 0 && note && !output_flow_resume(NULL, fd, note, &flow)) {
		end_flow(flow, keeper_add(keeper, fd, note));
	} else if (fd >= 0) {
		close(fd);
		free(note);
	}
	output_target_remove(fifo);
}

static void close_fifo(struct output *output)
{
	keeper_drop(output->kept);
	output->kept = NULL;
	output_flow_free(output->flow);
	output->flow = NULL;
}

/* What is left of its names goes also where nothing could be read: its FIFO may have been lost. */
void output_end(struct output *output)
{
	if (!output)
		return;
	if (output->flow)
		end_flow(output->flow, output->kept);
	output->flow = NULL;
	output->kept = NULL;
	output_target_remove(output->fifo);
}

void output_free(struct output *output)
{
	if (!output)
		return;
	close_fifo(output);
	free(output->name);
	free(output->path);
	free(output->fifo);
	free(output);
}
