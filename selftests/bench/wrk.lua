-- SPDX-License-Identifier: Apache-2.0
-- Spreads wrk's threads over the addresses in TARGETS, and prints one JSON line.

local count = 0

function setup(thread)
	local targets = {}
	for target in os.getenv("TARGETS"):gmatch("%S+") do
		table.insert(targets, target)
	end
	local host, port = targets[count % #targets + 1]:match("^(.*):(%d+)$")
	thread.addr = wrk.lookup(host, port)[1]
	count = count + 1
end

function done(summary, latency)
	local errors = summary.errors
	io.write(string.format(
		'{"requests": %d, "seconds": %.6f, "failed": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
		summary.requests, summary.duration / 1e6,
		errors.connect + errors.read + errors.write + errors.status + errors.timeout,
		latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
