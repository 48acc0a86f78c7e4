#!/bin/sh
# The program as it is installed, each system call of a run failing under strace (outside-calls.py).
. "${0%/*}/lib.sh"
. "${0%/*}/edge-lib.sh"
here=$(cd "${0%/*}" && pwd)
can_trace || skip_all "$no_trace"
have "$PYTHON" || skip_all 'no python'

begin 'each system call, with each error'
expect 0 "$PYTHON" "$here/outside-calls.py" "$ZCOPY"
cat "$T/out"
done_testing
