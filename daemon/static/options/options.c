// SPDX-License-Identifier: Apache-2.0
#include "static/options/options.h"

#include <stdlib.h>

void options_init(struct options *options)
{
	*options = (struct options){
		.backlog = 4096,
		.index = {"index.html"},
		.indexes = 1,
		.precompressed = true,
		.symlinks = true,
		.sandbox = true,
		.charset = "utf-8",
		.limits =
			{
				.request = {.line_bytes = 8192, .head_bytes = 16384},
				.header_ms = 10000,
				.idle_ms = 60000,
				.send_ms = 30000,
				.linger_ms = 5000,
				.stop_ms = 10000,
				.cache_valid_ms = 1000,
				.ranges = 16,
				.cache_files = 1024,
				.cache_bytes = 8 << 20,
				.memory_bytes = 16384,
				.content_bytes = 65536,
				.chunk_bytes = 512 << 10,
			},
	};
}

void options_free(struct options *options)
{
	while (options->words) {
		void **next = options->words[0];

		free(options->words);
		options->words = next;
	}
	rules_free(&options->rules);
	free(options->file_text);
}
