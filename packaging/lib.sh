# shellcheck shell=sh disable=SC2154
# What packaging/run and test/run share: how they speak, the table of package names, the installer.
# Sourced; $me is the name of the caller. Plain POSIX shell: a fresh machine may have nothing but dash.
# Everything said goes to stderr, because the standard output of packaging/run belongs to zcopy.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() {
	printf '%s\n' "$me: $*" >&2
}

die() {
	say "$*"
	exit 1
}

# One row a need: group, how to see that it is there, then its name in each package system ("-": none,
# names joined by "+"). A check ending in .h is a header, one with a dash in front what clang must be able to
# link with, one with an @ a module of the system's python; else a command, or several joined by "|".
# The groups: build must be there; boost makes the program faster and may be missing; test is what
# test/run wants on top; peers is what bench/peers measures beside and with.
package_table() {
	cat <<'TABLE'
build cc|gcc|clang         gcc              gcc                  gcc           gcc
build stdio.h              libc6-dev        glibc-devel          glibc         musl-dev
build linux/fs.h           linux-libc-dev   kernel-headers       linux-api-headers linux-headers
build cmake                cmake            cmake                cmake         cmake
build ninja|make           ninja-build      ninja-build          ninja         make
boost liburing.h           liburing-dev     liburing-devel       liburing      liburing-dev
boost numa.h               libnuma-dev      numactl-devel        numactl       numactl-dev
boost xxhash.h             libxxhash-dev    xxhash-devel         xxhash        xxhash-dev
test  bash                 bash             bash                 bash          bash
test  git                  git              git                  git           git
test  gcc                  gcc              gcc                  gcc           gcc
test  make                 make             make                 make          make
test  ninja                ninja-build      ninja-build          ninja         samurai
test  clang                clang            clang                clang         clang
test  -fsanitize=fuzzer    libclang-rt-dev  compiler-rt          compiler-rt   -
test  clang-format         clang-format     clang-tools-extra    clang         clang-extra-tools
test  clang-tidy           clang-tidy       clang-tools-extra    clang         clang-extra-tools
test  cppcheck             cppcheck         cppcheck             cppcheck      cppcheck
test  shellcheck           shellcheck       ShellCheck           shellcheck    shellcheck
test  mandoc               mandoc           mandoc               mandoc        mandoc
test  pkg-config           pkg-config       pkgconf-pkg-config   pkgconf       pkgconf
test  cmocka.h             libcmocka-dev    libcmocka-devel      cmocka        cmocka-dev
test  jansson.h            libjansson-dev   jansson-devel        jansson       jansson-dev
test  fuse3/fuse.h         libfuse3-dev     fuse3-devel          fuse3         fuse3-dev
test  fusermount3          fuse3            fuse3                fuse3         fuse3
test  mkfs.ext4            e2fsprogs        e2fsprogs            e2fsprogs     e2fsprogs
test  mkfs.xfs             xfsprogs         xfsprogs             xfsprogs      xfsprogs
test  mkfs.btrfs           btrfs-progs      btrfs-progs          btrfs-progs   btrfs-progs
test  losetup              mount            util-linux           util-linux    losetup
test  nc                   netcat-openbsd   netcat               openbsd-netcat netcat-openbsd
test  socat                socat            socat                socat         socat
test  mbuffer              mbuffer          mbuffer              -             mbuffer
test  sfdisk               fdisk            util-linux           sfdisk        sfdisk
test  setpriv|setarch      util-linux       util-linux           util-linux    setpriv
test  ps                   procps           procps-ng            procps-ng     procps-ng
test  setfattr             attr             attr                 attr          attr
test  setfacl              acl              acl                  acl           acl
test  setcap               libcap2-bin      libcap               libcap        libcap-utils
test  strace               strace           strace               strace        strace
test  rsync                rsync            rsync                rsync         rsync
test  jq                   jq               jq                   jq            jq
test  python3              python3          python3              python        python3
test  perl                 perl             perl                 perl          perl
test  @scipy           python3-scipy    python3-scipy        python-scipy  py3-scipy
test  patch                patch            patch                patch         patch
peers perf                 linux-perf       perf                 perf          perf
peers strace               strace           strace               strace        strace
peers rsync                rsync            rsync                rsync         rsync
peers rclone               rclone           rclone               rclone        rclone
peers fio                  fio              fio                  fio           fio
peers pv                   pv               pv                   pv            pv
peers mbuffer              mbuffer          mbuffer              -             mbuffer
peers nbdcopy              libnbd-bin       libnbd               -             -
peers iperf3               iperf3           iperf3               iperf3        iperf3
peers socat                socat            socat                socat         socat
peers nc                   netcat-openbsd   netcat               openbsd-netcat netcat-openbsd
peers fpsync               fpart            fpart                -             -
peers ddrescue             gddrescue        ddrescue             ddrescue      ddrescue
peers dcfldd               dcfldd           -                    -             -
peers xfs_io               xfsprogs         xfsprogs             xfsprogs      xfsprogs-extra
peers mkfs.ext4            e2fsprogs        e2fsprogs            e2fsprogs     e2fsprogs
peers mkfs.btrfs           btrfs-progs      btrfs-progs          btrfs-progs   btrfs-progs
TABLE
}

# apt, dnf, pacman, apk, or nothing: by the distribution's own word for what it is or is like.
package_system() {
	words=$(. /etc/os-release 2>/dev/null && printf '%s %s' "${ID:-}" "${ID_LIKE:-}")
	for word in $words; do
		case $word in
		debian | ubuntu) echo apt; return ;;
		fedora | rhel | centos) echo dnf; return ;;
		arch | archlinux) echo pacman; return ;;
		alpine) echo apk; return ;;
		esac
	done
}

# present CHECK: see package_table
present() {
	case $1 in
	*.h)
		for dir in /usr/include /usr/include/*-linux-*; do
			[ -e "$dir/$1" ] && return 0
		done
		return 1
		;;
	-*)
		echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
			clang -x c - -o /dev/null "$1" 2>/dev/null
		return
		;;
	@*)
		/usr/bin/python3 -c "import ${1#@}" 2>/dev/null
		return
		;;
	esac
	rest=$1
	while [ -n "$rest" ]; do
		command -v "${rest%%|*}" >/dev/null 2>&1 && return 0
		case $rest in *'|'*) rest=${rest#*|} ;; *) rest= ;; esac
	done
	return 1
}

# missing GROUP...: the packages to install, in this system's names (unknown system: what we look for)
missing() {
	system=$(package_system)
	package_table | while read -r group check apt dnf pacman apk; do
		case " $* " in *" $group "*) ;; *) continue ;; esac
		present "$check" && continue
		case $system in
		apt) name=$apt ;;
		dnf) name=$dnf ;;
		pacman) name=$pacman ;;
		apk) name=$apk ;;
		*) name=$check ;;
		esac
		[ "$name" = - ] || echo "$name"
	done | tr '+' '\n' | awk '!seen[$0]++' | tr '\n' ' '
}

# install_packages NAME...: 0 once they are there. Says what it does, or in one line what you should do.
install_packages() {
	system=$(package_system)
	as=
	if [ -z "$system" ]; then
		say "this distribution is not in packaging/lib.sh; please install: $*"
		return 1
	fi
	if [ "$(id -u)" -ne 0 ]; then
		# asked once, here, where a password can be typed
		if ! command -v sudo >/dev/null 2>&1 || ! sudo true 2>/dev/null; then
			say "please install, as root: $*"
			return 1
		fi
		as=sudo
	fi
	say "installing with ${as:+$as }$system: $*"
	log=$(mktemp "${TMPDIR:-/tmp}/zcopy-install.XXXXXX") || return 1
	if package_command "$system" "$@" >"$log" 2>&1 </dev/null; then
		rm -f "$log"
		return 0
	fi
	tail -n 15 "$log" >&2
	rm -f "$log"
	say "that failed; please install: $*"
	return 1
}

# An index that cannot be refreshed (one dead mirror of several) is no reason to give up before trying.
package_command() {
	manager=$1
	shift
	case $manager in
	apt)
		set -- env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
			--no-install-recommends install "$@"
		$as apt-get -q -o DPkg::Lock::Timeout=300 update || :
		;;
	dnf) set -- dnf install -y "$@" ;;
	pacman) set -- pacman -Sy --needed --noconfirm "$@" ;;
	apk) set -- apk add --update-cache "$@" ;;
	esac
	$as "$@"
}
