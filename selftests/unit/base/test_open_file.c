/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose path others may touch: what they may plant there, and what is opened all the same. */
#include "unit/worker_lab.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "base/open_file.h"
#include "base/read_file.h"
#include "base/rotate.h"
#include "base/tail.h"
#include "host/process/environment.h"

enum { WORKER = 54321, OTHER = 54322 }; /* users of nobody */

/*
 * What is made before: "d OWNER MODE NAME", "f" a file, "e" an empty one, "l" a link to TARGET, and so on; one a
 * line.
 */
struct row {
	const char *name, *made, *path;
	uid_t user;
	int flags, expect; /* 0: opened */
	const char *line;  /* of a refusal: part of it */
	uid_t owner;       /* of a file that was opened */
};

#define OPENS(user)         .expect = 0, .owner = (user)
#define REFUSED(code, text) .expect = (code), .line = (text)
#define ADD                 (O_WRONLY | O_APPEND | O_CREAT)

static const struct row rows[] = {
	{"root's directory, new file", "d 0 755 a", "a/log", WORKER, ADD, OPENS(0)},
	{"root's directory, anybody's file", "d 0 755 a\nf 54322 600 a/log", "a/log", WORKER, ADD,
	 OPENS(OTHER)},
	{"root's link", "d 0 755 a\nd 0 755 b\nf 0 600 b/log\nl 0 ../b a/to", "a/to/log", WORKER,
	 ADD, OPENS(0)},
	{"root's link, the last", "d 0 755 a\nf 0 600 file\nl 0 ../file a/log", "a/log", WORKER,
	 ADD, OPENS(0)},
	{"root's file with two names", "d 0 755 a\nf 0 600 a/log\nh - a/log b", "a/log", WORKER,
	 ADD, OPENS(0)},
	{"worker's directory, new file", "d 54321 755 a", "a/log", WORKER, ADD, OPENS(WORKER)},
	{"worker's directory and file", "d 54321 755 a\nf 54321 600 a/log", "a/log", WORKER, ADD,
	 OPENS(WORKER)},
	{"worker's directory, root's file", "d 54321 755 a\nf 0 644 a/log", "a/log", WORKER, ADD,
	 REFUSED(-EPERM, "a/log: belongs to root, and uid 54321, to whom ")},
	{"worker's directory, root's empty file", "d 54321 755 a\ne 0 640 a/log", "a/log", WORKER,
	 ADD, OPENS(WORKER)},
	{"worker's directory, root's empty file, to read", "d 54321 755 a\ne 0 640 a/log", "a/log",
	 WORKER, O_RDONLY, REFUSED(-EPERM, "belongs to root")},
	{"worker's directory, another's empty file", "d 54321 755 a\ne 54322 640 a/log", "a/log",
	 WORKER, ADD, REFUSED(-EPERM, "belongs to uid 54322")},
	{"worker's directory, root's empty file with two names",
	 "d 54321 755 a\ne 0 640 a/log\nh - a/log b", "a/log", WORKER, ADD,
	 REFUSED(-EPERM, "belongs to root")},
	{"worker's directory, another's file", "d 54321 755 a\nf 54322 644 a/log", "a/log", WORKER,
	 O_RDONLY, REFUSED(-EPERM, "belongs to uid 54322")},
	{"worker's link to root's file", "d 54321 755 a\nf 0 600 secret\nl 54321 ../secret a/log",
	 "a/log", WORKER, ADD, REFUSED(-EPERM, "is a symbolic link, and uid 54321, to whom ")},
	{"worker's link to nothing", "d 54321 755 a\nd 0 755 b\nl 54321 ../b/new a/log", "a/log",
	 WORKER, ADD, REFUSED(-EPERM, "symbolic link")},
	{"root's link in the worker's directory",
	 "d 54321 755 a\nf 0 600 secret\nl 0 ../secret a/log", "a/log", WORKER, O_RDONLY,
	 REFUSED(-EPERM, "symbolic link")},
	{"worker's link to root's directory", "d 54321 755 a\nd 0 755 b\nl 54321 ../b a/to",
	 "a/to/log", WORKER, ADD, REFUSED(-EPERM, "/b belongs to root, but uid 54321")},
	{"worker's link to its own directory", "d 54321 755 a\nd 54321 755 a/r\nl 54321 r a/to",
	 "a/to/log", WORKER, ADD, OPENS(WORKER)},
	{"another's link to the worker's directory",
	 "d 54322 755 a\nd 54321 755 b\nf 54321 600 b/log\nl 54322 ../b a/to", "a/to/log", WORKER,
	 ADD, REFUSED(-EPERM, "belongs to uid 54321, but uid 54322")},
	{"worker's directory below another's", "d 54322 755 a\nd 54321 755 a/log", "a/log/x",
	 WORKER, ADD, OPENS(WORKER)},
	{"another's directory, for lbd itself", "d 54322 755 a\nf 0 600 a/log", "a/log", 0, ADD,
	 REFUSED(-EPERM, "belongs to root")},
	{"another's directory and file, for lbd itself", "d 54322 755 a\nf 54322 600 a/log",
	 "a/log", 0, O_RDONLY, OPENS(OTHER)},
	{"root's directory below the worker's", "d 54321 755 a\nd 0 755 a/b", "a/b/log", WORKER,
	 ADD, REFUSED(-EPERM, "a/b belongs to root, but uid 54321")},
	{"hard link", "d 54321 755 a\nf 54321 600 a/log\nh - a/log b", "a/log", WORKER, ADD,
	 REFUSED(-EPERM, "has 2 names")},
	{"hard link of root's", "d 54321 755 a\nf 0 600 b\nh - b a/log", "a/log", WORKER, O_RDONLY,
	 REFUSED(-EPERM, "belongs to root")},
	{"group's directory, new file", "d 0 775 a", "a/log", WORKER, ADD, OPENS(WORKER)},
	{"group's directory, root's file", "d 0 775 a\nf 0 644 a/log", "a/log", WORKER, ADD,
	 REFUSED(-EPERM, "others, who may write its directory")},
	{"group's directory, root's empty file", "d 0 775 a\ne 0 640 a/log", "a/log", WORKER, ADD,
	 OPENS(WORKER)},
	{"group's directory, for lbd itself", "d 0 775 a\nf 0 644 a/log", "a/log", 0, ADD,
	 OPENS(0)},
	{"sticky, new file", "d 0 1777 a", "a/log", WORKER, ADD, OPENS(0)},
	{"sticky, root's", "d 0 1777 a\nf 0 600 a/log", "a/log", WORKER, ADD, OPENS(0)},
	{"sticky, another's", "d 0 1777 a\nf 54322 600 a/log", "a/log", WORKER, ADD,
	 REFUSED(-EPERM, "belongs to uid 54322")},
	{"sticky, another's link", "d 0 1777 a\nf 0 600 b\nl 54322 ../b a/log", "a/log", 0, ADD,
	 REFUSED(-EPERM, "belongs to root")},
	{"sticky, hard link of root's", "d 0 1777 a\nf 0 600 b\nh - b a/log", "a/log", 0, ADD,
	 REFUSED(-EPERM, "has 2 names")},
	{"sticky, hard link of root's link", "d 0 1777 a\nd 0 755 b\nl 0 b c\nh - c a/to",
	 "a/to/log", 0, ADD, REFUSED(-EPERM, "2 names")},
	{"FIFO, to write", "d 54321 755 a\np 54321 600 a/log", "a/log", WORKER, ADD,
	 REFUSED(-EINVAL, "is a FIFO")},
	{"FIFO, to read", "d 0 755 a\np 0 600 a/log", "a/log", WORKER, O_RDONLY,
	 REFUSED(-EINVAL, "is a FIFO")},
	{"socket", "d 54321 755 a\ns 54321 600 a/log", "a/log", WORKER, ADD,
	 REFUSED(-EINVAL, "is a socket")},
	{"directory", "d 54321 755 a\nd 54321 755 a/log", "a/log", WORKER, ADD,
	 REFUSED(-EISDIR, "is a directory")},
	{"device in the worker's directory", "d 54321 755 a\nc 54321 600 a/log", "a/log", WORKER,
	 ADD, REFUSED(-EINVAL, "is a device")},
	{"device in root's", "d 0 755 a\nc 0 666 a/log", "a/log", WORKER, ADD, OPENS(0)},
	{"no directory", "d 0 755 a", "a/b/log", WORKER, ADD,
	 REFUSED(-ENOENT, "a/b/log: No such file")},
	{"no file to read", "d 0 755 a", "a/log", WORKER, O_RDONLY,
	 REFUSED(-ENOENT, "No such file")},
	{"a file as a directory", "f 0 644 a", "a/log", WORKER, ADD,
	 REFUSED(-ENOTDIR, "Not a directory")},
	{"a slash at the end", "d 0 755 a", "a/", WORKER, ADD, REFUSED(-EISDIR, "Is a directory")},
	{"links in a circle", "l 0 b a\nl 0 a b", "a/log", WORKER, ADD,
	 REFUSED(-ELOOP, "Too many levels")},
	{"up and down", "d 0 755 a\nd 0 755 b", "a/../b/./log", WORKER, ADD, OPENS(0)},
};

static void make_socket(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	assert_int_equal(bind(fd, (void *)&sa, sizeof(sa)), 0);
	close(fd);
}

static void make_one(char kind, const char *word, unsigned mode, const char *path)
{
	uid_t owner = strtoul(word, NULL, 10);
	int fd;

	switch (kind) {
	case 'd':
		assert_int_equal(mkdir(path, 0700), 0);
		break;
	case 'e':
	case 'f':
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_int_equal(write(fd, "old\n", kind == 'f' ? 4 : 0), kind == 'f' ? 4 : 0);
		close(fd);
		break;
	case 'p':
		assert_int_equal(mkfifo(path, 0600), 0);
		break;
	case 's':
		make_socket(path);
		break;
	case 'c':
		assert_int_equal(mknod(path, S_IFCHR | 0600, makedev(1, 3)), 0);
		break;
	default:
		fail_msg("%c", kind);
	}
	assert_int_equal(chown(path, owner, -1), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void make(const char *made)
{
	char kind, word[64], third[64], path[64];

	for (const char *line = made; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		assert_int_equal(sscanf(line, "%c %63s %63s %63s", &kind, word, third, path), 4);
		if (kind == 'l') {
			assert_int_equal(symlink(third, path), 0);
			assert_int_equal(lchown(path, atoi(word), -1), 0);
		} else if (kind == 'h') {
			assert_int_equal(linkat(AT_FDCWD, third, AT_FDCWD, path, 0), 0);
		} else {
			make_one(kind, word, strtoul(third, NULL, 8), path);
		}
	}
}

/* In the lab's directory, for paths from there. */
static void enter(struct lab *lab)
{
	lab_open(lab, false);
	assert_int_equal(chdir(lab->dir), 0);
}

static void leave(struct lab *lab)
{
	assert_int_equal(chdir("/"), 0);
	lab_close(lab);
}

static void test_rows(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		char path[160];
		struct lab lab;
		struct stat st;
		int fd;

		enter(&lab);
		make(row->made);
		snprintf(path, sizeof(path), "%s/%s", lab.dir, row->path);
		if (row->flags & O_CREAT &&
		    open_file_check("log ", path, row->user, &lab.error) != row->expect)
			fail_msg("%s: what opens is refused, or the other way round", row->name);
		fd = open_file("log ", path, row->flags, row->user, &lab.error);
		if ((fd < 0 ? fd : 0) != row->expect)
			fail_msg("%s: %d: %s", row->name, fd, fd < 0 ? lab.error.text : "");
		if (fd < 0 &&
		    (!strstr(lab.error.text, row->line) || strncmp(lab.error.text, "log /", 5)))
			fail_msg("%s: \"%s\"", row->name, lab.error.text);
		if (fd >= 0) {
			assert_int_equal(fstat(fd, &st), 0);
			if (st.st_uid != row->owner)
				fail_msg("%s: belongs to %u", row->name, st.st_uid);
			close(fd);
		}
		leave(&lab);
	}
}

/* The file is the worker's, who holds a lease on it: whoever waits for that waits 45 seconds. */
static void test_lease(void **state)
{
	struct lab lab;
	int lease, fd;

	(void)state;
	enter(&lab);
	make("f 0 600 log");
	lease = open("log", O_RDWR);
	if (fcntl(lease, F_SETLEASE, F_WRLCK)) {
		close(lease);
		leave(&lab);
		skip();
	}
	signal(SIGIO, SIG_IGN);
	fd = open_file("log ", "log", O_WRONLY, 0, &lab.error);
	assert_int_equal(fd, -EAGAIN);
	assert_non_null(strstr(lab.error.text, "holds a lease"));
	close(lease);
	leave(&lab);
}

/* Whoever reads it is done soon, whatever is there. */
static void test_read(void **state)
{
	struct environment env = {0};
	struct lab lab;
	FILE *file;
	char *text;
	size_t length;
	int fd;

	(void)state;
	enter(&lab);
	fd = open("sparse", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, 1ll << 40), 0);
	close(fd);
	assert_int_equal(environment_read(&env, "sparse", 0, &lab.error), -EFBIG);
	assert_int_equal(environment_read(&env, "/dev/zero", 0, &lab.error), -EFBIG);
	assert_string_equal(lab.error.text, "environment_file /dev/zero: is too large");
	make("f 0 600 many");
	file = fopen("many", "w");
	for (int i = 0; i < 1001; i++)
		fprintf(file, "A%d=\n", i % 1000);
	fclose(file);
	assert_int_equal(environment_read(&env, "many", 0, &lab.error), -E2BIG);
	assert_string_equal(lab.error.text,
			    "environment_file many: holds more than 1000 variables; "
			    "that many are allowed");
	environment_clear(&env);
	assert_int_equal(read_file("", "/dev/null", 0, 10, &text, &length, &lab.error), 0);
	assert_int_equal(length, 0);
	assert_string_equal(text, "");
	free(text);
	make("p 0 600 fifo");
	assert_int_equal(environment_read(&env, "fifo", 0, &lab.error), -EINVAL);
	assert_null(tail_lines("fifo", 10, 0, NULL, &(size_t){0}));
	leave(&lab);
}

static int rotate_keeping(const char *path, unsigned max_files)
{
	int err, fd = open(path, O_RDONLY | O_CLOEXEC);
	struct error error;

	assert_true(fd >= 0);
	err = rotate_files(path, fd, max_files, WORKER, &error);
	close(fd);
	return err;
}

static int rotate(const char *path)
{
	return rotate_keeping(path, 2);
}

/* Old files go where the log is, not where a link leads. */
static void test_rotated(void **state)
{
	struct lab lab;
	struct stat st;

	(void)state;
	if (geteuid())
		skip();
	enter(&lab);
	make("d 54321 755 a\nd 0 755 b\nf 54321 600 a/log\nf 0 600 secret\nl 54321 ../secret "
	     "a/log.1");
	assert_int_equal(rotate("a/log"), 0);
	assert_int_equal(lstat("a/log.2", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat("secret", &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(lstat("a/log.1", &st), 0);
	assert_true(S_ISREG(st.st_mode));
	make("f 0 600 b/log\nl 54321 ../b a/to");
	assert_int_equal(rotate("a/to/log"), -EPERM);
	assert_int_equal(stat("b/log", &st), 0);
	leave(&lab);
}

/* The new file is whose the old one was, and as open to others; without bits that are of programs. */
static void test_rotated_owner(void **state)
{
	struct lab lab;
	struct stat st;

	(void)state;
	if (geteuid())
		skip();
	enter(&lab);
	make("d 0 755 b\nf 0 644 b/log\nd 54321 755 a\nf 54321 604 a/log");
	assert_int_equal(chown("b/log", 0, 4), 0);
	assert_int_equal(chmod("b/log", 04664), 0);
	assert_int_equal(rotate("b/log"), 0);
	assert_int_equal(lstat("b/log", &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 4);
	assert_int_equal(st.st_mode, S_IFREG | 0664);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(rotate("a/log"), 0);
	assert_int_equal(lstat("a/log", &st), 0);
	assert_int_equal(st.st_uid, WORKER);
	assert_int_equal(st.st_mode, S_IFREG | 0604);
	leave(&lab);
}

/* Sizes tell which is which; -1: there is none. */
static void expect_files(const char *const names[], const off_t sizes[])
{
	struct stat st;

	for (size_t i = 0; names[i]; i++) {
		off_t size = lstat(names[i], &st) ? -1 : st.st_size;

		if (size != sizes[i])
			fail_msg("%s has %ld bytes, not %ld", names[i], (long)size, (long)sizes[i]);
	}
}

static void test_rotated_away(void **state)
{
	static const char *const names[] = {"log", "log.1", "log.2", ".log.new", NULL};
	struct lab lab;

	(void)state;
	enter(&lab);
	make("f 0 600 log\ne 0 600 .log.new");
	assert_int_equal(rotate_keeping("log", 0), 0);
	expect_files(names, (const off_t[]){0, -1, -1, -1});
	/* What one left that was killed: a new log that had not its name yet. */
	make("e 0 600 log.1\nf 0 600 log.2");
	assert_int_equal(truncate("log", 10), 0);
	assert_int_equal(rotate("log"), 0);
	expect_files(names, (const off_t[]){0, 10, 4, -1});
	assert_int_equal(truncate("log", 11), 0);
	assert_int_equal(rotate("log"), 0);
	expect_files(names, (const off_t[]){0, 11, 10, -1});
	leave(&lab);
}

/* An argument names one test, with * and ?. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),          cmocka_unit_test(test_lease),
		cmocka_unit_test(test_read),          cmocka_unit_test(test_rotated),
		cmocka_unit_test(test_rotated_owner), cmocka_unit_test(test_rotated_away),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
