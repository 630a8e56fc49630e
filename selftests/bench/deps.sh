#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what `make bench` measures with and beside, on Debian.  Services that come with the packages are
# neither started nor enabled; those that were there before stay as they are.
set -eu

packages="nginx-light libnginx-mod-stream haproxy nftables lighttpd supervisor wrk gnuplot-nox
	python3 python3-tornado iproute2 ethtool util-linux procps"
services="nginx haproxy lighttpd supervisor"
policy=/usr/sbin/policy-rc.d

missing=
for package in $packages; do
	status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	[ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "bench: not Debian; install the counterparts of:$missing" >&2
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "bench: missing packages; as root: apt-get install$missing" >&2
	exit 1
fi

known=$(ls /lib/systemd/system /etc/init.d 2>/dev/null || true)
saved=
if [ -e $policy ]; then
	saved=$(mktemp)
	cp -p $policy "$saved"
fi
restore() {
	if [ -n "$saved" ]; then
		mv "$saved" $policy
	else
		rm -f $policy
	fi
}
trap restore EXIT
trap 'exit 130' INT TERM
printf '#!/bin/sh\nexit 101\n' >$policy
chmod 755 $policy

export DEBIAN_FRONTEND=noninteractive
apt-get -qq update || true
# shellcheck disable=SC2086 # a list of words
apt-get -y -qq install --no-install-recommends $missing >/dev/null

command -v systemctl >/dev/null || exit 0
for service in $services; do
	case "$known" in
	*"$service"*) ;; # it was here before: not ours to change
	*) systemctl disable --quiet "$service" 2>/dev/null || true ;;
	esac
done
