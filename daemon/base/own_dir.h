/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories of lbd's own, in which it makes and removes names while it runs: of the run directory, of
 * control groups, and /var/log/lbd.
 *
 * DANGER: getdents64(2) has a directory's lock for as long as it copies to its caller, and into memory of
 * a FUSE file, or of userfaultfd(2), that lasts as long as the caller likes.  Whoever makes or removes a
 * name there meanwhile stands still and cannot be killed.  So nobody else may list such a directory;
 * to search it is all that takes a socket, a FIFO, a log or a file of a group.
 */
#ifndef LB_OWN_DIR_H
#define LB_OWN_DIR_H

/*
 * Its parent must be root's.  One that is there loses no more than others' right to list it (an lbd
 * before this one, or a person, may have left that); a symbolic link is left as it is.  mkdir(2) would wait
 * for the parent's lock even then: it is not called.  -errno.
 */
int own_dir_make(const char *path);

/* -EEXIST: something is there. */
int own_dir_make_new(const char *path);

#endif
