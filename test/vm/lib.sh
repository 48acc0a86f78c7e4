# lib.sh: what mksysroot, mkguest, runguest, ../cross and ../guest share (bash, sourced).
# Everything is taken from Debian packages, through an apt state of our own for each suite and
# architecture: of the host's apt only the mirror's address is read, and nothing of it is changed.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C

CACHE=${ZCOPY_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/zcopy-vm}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 125; }

# quietly COMMAND...: what it prints is shown only when it fails, and that ends us
quietly() {
	local text
	text=$("$@" 2>&1) || { printf '%s\n' "$text" >&2; die "$* failed"; }
}

# deb_arch NAME: amd64, arm64 or riscv64
deb_arch() {
	case $1 in
	amd64 | x86_64) echo amd64 ;;
	arm64 | aarch64) echo arm64 ;;
	riscv64) echo riscv64 ;;
	*) die "unknown architecture '$1': amd64, arm64 or riscv64" ;;
	esac
}

# gnu_arch DEBARCH: its name in compilers' and emulators' names
gnu_arch() { case $1 in amd64) echo x86_64 ;; arm64) echo aarch64 ;; *) echo "$1" ;; esac; }

# default_suite DEBARCH: riscv64 is a release architecture from trixie on
default_suite() { case $1 in riscv64) echo trixie ;; *) echo bookworm ;; esac; }

# need THING=PACKAGE...: installs the packages whose command, or file by absolute path, is missing
need() {
	local pair missing=()
	for pair; do
		case $pair in
		/*) [ -e "${pair%%=*}" ] || missing+=("${pair#*=}") ;;
		*) command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}") ;;
		esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "missing packages: ${missing[*]} (apt-get install needs root)"
	say "installing ${missing[*]}"
	quietly apt-get update -qq
	quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# mirror: the archive that this machine's own apt uses, else Debian's
mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's,/debian/*$,/debian,p' | head -n 1 | grep . || echo http://deb.debian.org/debian
}

# Packages that neither a sysroot nor a guest that lives for a minute needs, and what hangs on them:
# claimed to be installed, so that apt leaves them out.
LEFT_OUT="adduser base-passwd dbus debconf dracut init-system-helpers initramfs-tools libaudit1 libdb5.3
	libdb5.3t64 libicu72 libicu76 libpam-modules libpam-runtime libpam0g libreiserfscore0 libreiserfscore0t64
	linux-base logsave media-types netbase login.defs passwd perl perl-base python3 python3-dbus systemd tar
	tzdata uuid-runtime"

# apt_state SUITE DEBARCH: our own apt state, in APT_DIR; from then on apt-get and apt-cache mean it
apt_state() {
	local package
	APT_DIR=$CACHE/apt/$1-$2
	mkdir -p "$APT_DIR/lists/partial" "$APT_DIR/archives/partial"
	for package in $LEFT_OUT; do
		printf '%s\n' "Package: $package" "Status: install ok installed" "Version: 99:9" "Architecture: $2" \
			"Multi-Arch: allowed" "Maintainer: none" "Description: left out" ""
	done >"$APT_DIR/status"
	cat >"$APT_DIR/apt.conf" <<-CONF
		APT::Architecture "$2";
		APT::Architectures { "$2"; };
		APT::Install-Recommends "false";
		APT::Sandbox::User "$(id -un)";
		Acquire::Languages "none";
		Dir::Etc::SourceList "$APT_DIR/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Dir::State::Lists "$APT_DIR/lists";
		Dir::State::status "$APT_DIR/status";
		Dir::Cache "$APT_DIR";
		Dir::Cache::Archives "$APT_DIR/archives";
	CONF
	local source
	source="deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $1 main"
	export APT_CONFIG=$APT_DIR/apt.conf
	# lists serve for a day
	if [ "$source" != "$(cat "$APT_DIR/sources.list" 2>/dev/null)" ] ||
		[ -z "$(find "$APT_DIR/lists" -name '*Packages*' -mmin -1440 | head -n 1)" ]; then
		echo "$source" >"$APT_DIR/sources.list"
		apt-get update -qq >&2 || die "apt-get update for $1 $2 failed"
		find "$APT_DIR/lists" -name '*Packages*' -exec touch {} +
	fi
}

# fetch PACKAGE...: downloads them and what they depend on; prints the files
fetch() {
	local file
	quietly apt-get install -y -qq -d "$@"
	apt-get install -y -qq --print-uris --reinstall -o Dir::Cache::Archives="$APT_DIR/none" "$@" 2>/dev/null |
		awk '/^\047/ { print $2 }' | while read -r file; do
		[ -f "$APT_DIR/archives/$file" ] && echo "$APT_DIR/archives/$file"
	done
}

# unpack DEB... DIR: into DIR, following DIR's own links (lib -> usr/lib)
unpack() {
	local dir=${!#} deb
	for deb in "${@:1:$#-1}"; do
		dpkg-deb --fsys-tarfile "$deb" | tar -C "$dir" -x --keep-directory-symlink --no-same-owner
	done
}

# lock NAME: one builder at a time for a thing in the cache, until this process ends
lock() {
	mkdir -p "$CACHE/lock"
	exec 9>"$CACHE/lock/$1"
	flock 9
}

# scratch: prints a new folder in the cache; the caller removes it
scratch() { mkdir -p "$CACHE" && mktemp -d "$CACHE/tmp.XXXXXX"; }

# configure ARCH BUILD [CMAKE OPTION]...: configures the tree that this file is in, for ARCH, into BUILD:
# for this machine natively, else with the cross compiler and a sysroot.
configure() {
	local arch=$1 build=$2 cpu top sysroot
	top=$(readlink -f "${BASH_SOURCE[0]%/*}/../..")
	cpu=$(gnu_arch "$arch")
	shift 2
	set -- -G Ninja -S "$top" -B "$build" -DZC_TESTS=ON "$@"
	need cmake=cmake ninja=ninja-build
	if [ "$arch" = "$(dpkg --print-architecture)" ]; then
		need gcc=gcc /usr/include/liburing.h=liburing-dev /usr/include/numa.h=libnuma-dev \
			/usr/include/cmocka.h=libcmocka-dev /usr/include/jansson.h=libjansson-dev
	else
		need "$cpu-linux-gnu-gcc=gcc-$cpu-linux-gnu"
		[ "$arch" != riscv64 ] || need /usr/lib/llvm-19/bin/ld.lld=lld-19 # toolchain.cmake says why
		sysroot=$("$top/test/vm/mksysroot" "$arch")
		set -- "$@" -DZC_ARCH="$arch" -DCMAKE_SYSROOT="$sysroot" \
			-DCMAKE_TOOLCHAIN_FILE="$top/packaging/cmake/toolchain.cmake"
	fi
	quietly cmake "$@"
}
