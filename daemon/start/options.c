/* SPDX-License-Identifier: Apache-2.0 */
#include "start/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "lb/ctl.h"

static const char usage[] =
	"Usage: lbd [-n INSTANCE] [-c FILE] [-f] [-t]\n"
	"  -n, --instance NAME  control socket and state in " LB_CTL_RUN_DIR "/NAME (default)\n"
	"  -c, --config FILE    configuration (" LB_SYSCONFDIR "/lbd/lbd.conf)\n"
	"  -f, --foreground     stay in the foreground, log to standard error or the `log`\n"
	"  -t, --test           check the configuration and exit\n"
	"      --test-takeover  check that this program can go on where a running lbd is, and "
	"exit\n"
	"  -v, --verbose        log more\n"
	"      --version        print the version\n"
	"See lbd(8), lbd.conf(5); lbctl(8) talks to it.\n";

/* The next lbd may be started from elsewhere, and relative paths in the file mean its directory. */
static const char *whole_path(const char *path)
{
	static char whole[2 * PATH_MAX];
	char here[PATH_MAX];

	if (*path == '/' || !getcwd(here, sizeof(here)))
		return path;
	snprintf(whole, sizeof(whole), "%s/%s", here, path);
	return whole;
}

/* As options_parse(). */
static int take_option(struct options *options, int option)
{
	switch (option) {
	case 'n':
		options->instance = optarg;
		return 0;
	case 'c':
		options->conf_path = optarg;
		options->conf_named = true;
		return 0;
	case 'f':
		options->foreground = true;
		return 0;
	case 't':
		options->check = true;
		return 0;
	case 'T':
		options->test_takeover = true;
		return 0;
	case 'v':
		log_set_level(LOG_LEVEL_DEBUG);
		return 0;
	case 'V':
		puts("lbd " LB_VERSION);
		return 1;
	case 'h':
		fputs(usage, stdout);
		return 1;
	default:
		fputs(usage, stderr);
		return 3;
	}
}

int options_parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"instance", required_argument, NULL, 'n'},
		{"config", required_argument, NULL, 'c'},
		{"foreground", no_argument, NULL, 'f'},
		{"test", no_argument, NULL, 't'},
		{"test-takeover", no_argument, NULL, 'T'},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option, code = 0;

	*options = (struct options){
		.instance = LB_CTL_INSTANCE,
		.conf_path = LB_SYSCONFDIR "/lbd/lbd.conf",
	};
	while (!code && (option = getopt_long(argc, argv, "n:c:ftvhV", longs, NULL)) != -1)
		code = take_option(options, option);
	if (code)
		return code;
	if (optind < argc) {
		fprintf(stderr, "lbd: %s: not an option; lbd takes no other words\n", argv[optind]);
		return 3;
	}
	if (!options->check)
		options->conf_path = whole_path(options->conf_path);
	return 0;
}
