"""zcopy-fault as the crash tests run it."""
import fcntl
import json
import os
import subprocess

from cases import DONE, snapshot, temps

PATIENCE = 120
GETFSUUID = 0x80111500  # FS_IOC_GETFSUUID


def state_of(dst):
    """Where --resume keeps its journals: on the disk that crashes, too."""
    return os.path.join(os.path.dirname(dst), "state")


def start(program, case, src, dst, fault=None, log=None, env=None, more=()):
    env = dict(os.environ, XDG_STATE_HOME=state_of(dst), **(env or {}))
    if fault:
        env["ZC_FAULT"] = fault
    if log is not None:
        env["ZC_FAULT_LOG"] = str(log)
    return subprocess.Popen([program, *more] + case.command(src, dst), env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            pass_fds=[log] if log is not None else ())


def finish(process):
    """Status and what it said; the status is "hangs" for one that had to be killed."""
    try:
        said = process.communicate(timeout=PATIENCE)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return "hangs", process.communicate()[1].decode(errors="replace")
    return process.returncode, said.decode(errors="replace")


def count_steps(program, case, src, dst):
    """Runs it undisturbed. How many steps that takes; 0 where this host has not what it asks for."""
    read, write = os.pipe()
    code, said = finish(start(program, case, src, dst, log=write))
    os.close(write)
    account = os.read(read, 65536).decode()
    os.close(read)
    if code == 2 and "--engine=uring" in case.options:
        return 0
    if code != 0:
        raise RuntimeError(f"{case.name} undisturbed: status {code}: {said}")
    return int(account.split(" steps=")[1].split()[0])


def has_uuid(path):
    """Kernels before 6.9 cannot say which XFS it is when it is on another device."""
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, GETFSUUID, bytearray(17))
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def rerun(program, case, src, dst, counts, kind, moved=False):
    """What is wrong after one more run, as sentences. moved: the disk may be another device than before."""
    report = os.path.dirname(dst) + "/report"
    code, said = finish(start(program, case, src, dst, more=["--report=" + report]))
    if code != 0:
        return [f"{case.name}: rerun: status {code}: {said[:300]}"]
    with open(report, encoding="utf-8") as file:
        went_on = json.load(file).get("resumed", {}).get("bytes", 0) > 0
    os.unlink(report)
    counts[f"{kind}: reruns that went on"] += went_on
    left = temps(snapshot(dst))
    if not moved or has_uuid(dst):
        left += [top + "/" + name for top, _, names in os.walk(state_of(dst)) for name in names]
    return ["rerun: " + text for text in case.judge(dst, DONE, False)] + ([f"a rerun leaves {left}"] if left else [])
