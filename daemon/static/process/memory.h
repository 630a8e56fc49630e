/* SPDX-License-Identifier: Apache-2.0 */
/* What memory the process keeps once it has started. */
#ifndef LBSTATIC_MEMORY_H
#define LBSTATIC_MEMORY_H

/*
 * Gives back what only starting up took: free heap, and the pages of code that will not run again.
 * Those that will are found in the page cache.
 */
void memory_settle(void);

#endif
