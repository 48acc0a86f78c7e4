#!/bin/sh
# A process of the crash tests that is killed, as by the kernel when memory runs out: what it did is done again, once,
# and nobody waits for ever for its answer.
set -u
top=$(cd -- "$(dirname -- "$0")/../.." && pwd -P)
programs=${1:-$top/build/dev/test}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/fault" || exit 1

# crash STATUS WORDS: a run whose program is $work/fault/zcopy-fault
crash() {
	chmod +x "$work/fault/zcopy-fault"
	timeout -k 5 120 "$top/test/crash/run" kill --points=10 --case=new --jobs=1 --programs="$work" >"$work/said" 2>&1
	status=$?
	if [ $status -ne "$1" ] || ! grep -q "$2" "$work/said"; then
		echo "status $status, not $1, or it did not say: $2"
		cat "$work/said"
		exit 1
	fi
}

cat >"$work/fault/zcopy-fault" <<EOF
#!/bin/sh
mkdir "$work/once" 2>/dev/null && kill -9 \$PPID && sleep 60
exec "$programs/fault/zcopy-fault" "\$@"
EOF
crash 0 'again, the process that did it died (-9)'

cat >"$work/fault/zcopy-fault" <<'EOF'
#!/bin/sh
kill -9 $PPID
sleep 60
EOF
crash 1 'FAIL the process that did it died (-9), twice'
