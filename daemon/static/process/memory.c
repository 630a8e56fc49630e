// SPDX-License-Identifier: Apache-2.0
#include "static/process/memory.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Only segments that nobody writes to: their pages are the file's, and come back as they were. */
static int forget_object(struct dl_phdr_info *info, size_t size, void *unused)
{
	uintptr_t page = sysconf(_SC_PAGESIZE);

	(void)size;
	(void)unused;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t from = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
		uintptr_t to = info->dlpi_addr + segment->p_vaddr + segment->p_filesz;

		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			/* NOLINTNEXTLINE(performance-no-int-to-ptr): the linker tells numbers */
			madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void memory_settle(void)
{
	malloc_trim(0);
	dl_iterate_phdr(forget_object, NULL);
}
