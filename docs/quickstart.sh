#!/bin/sh
# See heapwatchd at work, on a bare Debian 12 as root: installs what the build needs, builds, starts a
# small leaking Node server (docs/demo) and heapwatchd on it with the shipped configuration. Within
# two minutes an alert fires and a heap snapshot lands in the spool. Ctrl-C ends it.
#
# Works from any directory; a second time without a network.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build/release
demo=$top/build/demo
started=

finish() {
	trap '' INT TERM
	for pid in $started; do
		kill "$pid" 2>/dev/null || :
	done
	for pid in $started; do
		wait "$pid" 2>/dev/null || :
	done
}

# await FILE PATTERN PID: the first line of FILE that has PATTERN, as long as PID lives (a process
# that has ended is still there for kill -0 until it is waited for, but has no program any more).
await() {
	until grep -m1 -E "$2" "$1"; do
		readlink "/proc/$3/exe" >/dev/null || { cat "$1" >&2; return 1; }
		sleep 0.1
	done
}

install_packages() {
	mkdir -p "$demo"
	sh "$top/docs/install-packages.sh" "$top/docs/packages-build.txt"
	if ! command -v node >/dev/null; then
		echo nodejs >"$demo/node.txt"
		sh "$top/docs/install-packages.sh" "$demo/node.txt"
	fi
}

build_heapwatchd() {
	echo "building in $build"
	if [ ! -f "$build/build.ninja" ]; then
		meson setup "$build" "$top" --prefix=/usr -Dbuildtype=release -Dtests=false \
			>"$demo/setup.log" || { cat "$demo/setup.log"; exit 1; }
	fi
	ninja -C "$build" >"$demo/build.log" || { cat "$demo/build.log"; exit 1; }
}

start_server() {
	: >"$demo/server.log" # of an earlier run: who awaits may be there before what is started
	node --inspect=127.0.0.1:0 --max-old-space-size=96 "$top/docs/demo/leaky-server.js" \
		>>"$demo/server.log" 2>&1 &
	server=$!
	started="$started $server"
	inspector=$(await "$demo/server.log" "^Debugger listening on ws://" $server |
		sed 's,.*ws://\([^/]*\)/.*,\1,')
}

# start_heapwatchd ADDRESS: 1 when it did not come up.
start_heapwatchd() {
	: >"$demo/heapwatchd.log"
	"$build/daemon/heapwatchd" --config.file="$top/conf/heapwatchd.yaml" \
		--storage.path="$demo/storage" --web.listen-address="$1" --target="$inspector" \
		>>"$demo/heapwatchd.log" 2>&1 &
	heapwatchd=$!
	listening=$(await "$demo/heapwatchd.log" 'msg="?listening' $heapwatchd 2>"$demo/refused.log") ||
		return 1
	started="$started $heapwatchd"
	url=http://$(echo "$listening" | sed 's,.*address="\{0\,1\}\([0-9.:]*\).*,\1,')/
}

trap finish EXIT
trap 'exit 0' INT TERM
install_packages
build_heapwatchd
rm -rf "$demo/storage"
start_server
start_heapwatchd 127.0.0.1:19229 || start_heapwatchd 127.0.0.1:0 || { cat "$demo/refused.log"; exit 1; }

cat <<END

A leaking server runs (Node $(node --version), inspector at $inspector); heapwatchd watches it.
  status page   $url
  metrics       ${url}metrics
  spool         $demo/storage/spool/ready
  logs          $demo/server.log, heapwatchd.log
The alert fires and the snapshot lands within two minutes. Ctrl-C ends all.

END
node "$top/docs/demo/follow.js" "$url" &
started="$started $!"
wait $heapwatchd
