#!/bin/sh
# Every test of heapwatchd, on a bare Debian 12 as root: install what is missing, build with
# sanitizers, run all suites, end with one line `N passed, N failed`.
#
# Works from any directory and offline once everything is there. HEAPWATCH_TEST_SCALE (default 0.1)
# is the share of the long campaigns that runs; 1 is all of them.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build/test
release=$top/build/release
out=$build/results
export HEAPWATCH_TEST_SCALE="${HEAPWATCH_TEST_SCALE:-0.1}"

install_packages() {
	sh "$top/docs/install-packages.sh" "$top/docs/packages-build.txt" "$top/tests/packages.txt"
	if ! command -v npm >/dev/null; then
		echo npm >"$build.npm.txt"
		sh "$top/docs/install-packages.sh" "$build.npm.txt"
	fi
}

# npm's node@N packages bring their binary by an install script, which runs for them alone.
npm_install() (
	cd "$top/tests" && npm ci || return 1
	for major in 18 20 22 24 26; do
		(cd node_modules/node-$major && node installArchSpecificPackage) || return 1
		"node_modules/node-$major/bin/node" --version || return 1
	done
)

install_runtimes() {
	stamp=$top/tests/node_modules/.installed
	cmp -s "$top/tests/package-lock.json" "$stamp" && return
	npm_install >"$build.npm.log" 2>&1 || { cat "$build.npm.log"; exit 1; }
	cp "$top/tests/package-lock.json" "$stamp"
}

# build DIRECTORY OPTIONS...: configure once, compile always.
build() {
	directory=$1
	shift
	if [ ! -f "$directory/build.ninja" ]; then
		meson setup "$directory" "$top" --prefix=/usr -Dwerror=true "$@" >"$directory.setup.log" ||
			{ cat "$directory.setup.log"; exit 1; }
	fi
	ninja -C "$directory" >"$directory.log" || { cat "$directory.log"; exit 1; }
}

# Two builds: the tests run on the one with sanitizers, figures of memory and speed and the installed
# service on the one people get.
build_programs() {
	build "$build" -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized
	build "$release" -Dbuildtype=release -Dtests=false
}

bundle_devtools() (
	cd "$top/tests" && node_modules/node-24/bin/node devtools/build.js "$build/devtools.mjs"
)

# Suites write JUnit files or meson's log into $out; sanitizers write their reports there.
run_suites() {
	rm -rf "$out"
	mkdir -p "$out/sanitizer"
	export HEAPWATCHD="$build/daemon/heapwatchd"
	export HEAPWATCHD_RELEASE="$release/daemon/heapwatchd"
	export HEAPWATCH_DEVTOOLS="$build/devtools.mjs"
	export ASAN_OPTIONS="log_path=$out/sanitizer/asan:detect_stack_use_after_return=1"
	export UBSAN_OPTIONS="log_path=$out/sanitizer/ubsan:print_stacktrace=1"
	pytest="/usr/bin/python3 -m pytest -q -p no:cacheprovider"
	(
		cd "$top/tests"
		meson test -C "$build" --no-rebuild --num-processes 2 >"$out/unit.log" 2>&1 || :
		$pytest style --junitxml "$out/style.xml" >"$out/style.log" 2>&1 || :
	) &
	side=$!
	(cd "$top/tests/e2e" && $pytest -n 4 --basetemp "$out/tmp" --junitxml "$out/e2e.xml" . 2>&1) || :
	(cd "$top/tests/page" && $pytest --basetemp "$out/tmp" --junitxml "$out/page.xml" . 2>&1) || :
	(cd "$top/tests/fault" && $pytest -n 2 --basetemp "$out/tmp" --junitxml "$out/fault.xml" . 2>&1) || :
	wait $side
	rm -rf "$out/tmp" # snapshots, by the gigabyte at full scale
}

mkdir -p "$top/build"
install_packages
install_runtimes & # which mostly waits for the network, while compilers have the processors
runtimes=$!
trap wait EXIT # nothing is left half installed by somebody who is no more
build_programs
wait $runtimes
bundle_devtools
run_suites
exec /usr/bin/python3 "$top/tests/summary.py" "$build/meson-logs/testlog.json" "$out"
