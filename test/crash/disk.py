"""File systems in files: made, put on loop devices, mounted, checked. Wants root and a mount namespace of its own."""
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import time

MIB = 1 << 20
BTRFS_FORGET = 0x50009405  # BTRFS_IOC_FORGET_DEV


class Kind:
    """size_mib, and the sector a disk of this kind has: the smallest thing that a power cut leaves whole. ext4 and
    btrfs take superblocks of 1 and 4 KiB for that and cannot be mounted after half of one; XFS knows 512 bytes. btrfs
    keeps 80 MiB for its metadata; the data of both large cases, and a third time one of them, need room besides."""

    def __init__(self, size_mib, sector, mkfs, options, check):
        self.size_mib, self.sector, self.mkfs, self.options, self.check = size_mib, sector, mkfs, options, check


KINDS = {
    "ext4": Kind(96, 4096, ["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1",
                           "-b", "4096", "-J", "size=4"], ["noauto_da_alloc", "noauto_da_alloc", "defaults"], ["e2fsck", "-f", "-n"]),
    "xfs": Kind(96, 512, ["mkfs.xfs", "-q", "-f", "-K", "-l", "size=8m"], ["defaults"], ["xfs_repair", "-n", "-f"]),
    "btrfs": Kind(256, 4096, ["mkfs.btrfs", "-q", "-f", "-K"], ["nodiscard"], ["btrfs", "check", "-q"]),
}
# mkfs.xfs makes small ones for testers only
SMALL_XFS = {"TEST_DIR": "1", "TEST_DEV": "1", "QA_CHECK_FS": "1"}


class Failed(Exception):
    pass


def command(words, env=None):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, **(env or {})))
    if done.returncode:
        raise Failed(f"{' '.join(words[:3])}: status {done.returncode}: "
                     f"{done.stdout.decode(errors='replace').strip()[-300:]}")
    return done.stdout.decode(errors="replace").strip()


def make(kind, image):
    with open(image, "wb") as file:
        file.truncate(KINDS[kind].size_mib * MIB)
    command(KINDS[kind].mkfs + [image], SMALL_XFS)
    subprocess.run(["fallocate", "-d", image], check=False)  # holes for zeros: less to copy


def copy(image, to):
    """Only what is not a hole."""
    with open(image, "rb") as src, open(to, "wb") as dst:
        size, at = os.fstat(src.fileno()).st_size, 0
        dst.truncate(size)
        while True:
            try:
                at = os.lseek(src.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            end = os.lseek(src.fileno(), at, os.SEEK_HOLE)
            os.lseek(dst.fileno(), at, os.SEEK_SET)
            while at < end:
                at += os.sendfile(dst.fileno(), src.fileno(), at, end - at)


def forget(device):
    """btrfs remembers devices by the file system's name, which the next state has, too."""
    try:
        with open("/dev/btrfs-control", "rb") as control:
            fcntl.ioctl(control, BTRFS_FORGET, bytearray(struct.pack("=q4088s", 0, device.encode())))
    except OSError:
        pass


def unmount(at):
    for tries in range(100):  # what a process had open may be so a moment longer than the process
        try:
            return command(["umount", at])
        except Failed:
            if tries == 99:
                raise
            time.sleep(0.05)


class Mount:
    """An image, mounted at a directory until close."""

    def __init__(self, kind, image, at, options="defaults", direct=False):
        self.kind, self.at, self.mounted = kind, at, False
        os.makedirs(at, exist_ok=True)
        words = ["losetup", "-f", "--show", "-b", str(KINDS[kind].sector)] + (["--direct-io=on"] if direct else [])
        try:
            self.mount(words + [image], options)
        except Failed:  # who else tests here may have detached it, which once is enough for
            self.mount(words + [image], options)

    def mount(self, attach, options):
        self.device = command(attach)
        try:
            command(["mount", "-t", self.kind, "-o", options, self.device, self.at])
            self.mounted = True
        finally:  # the device goes as soon as it is unmounted, or now
            subprocess.run(["losetup", "-d", self.device], stderr=subprocess.DEVNULL, check=False)

    def close(self):
        if self.mounted:
            self.mounted = False
            unmount(self.at)
            if self.kind == "btrfs":
                forget(self.device)


def check(kind, image):
    """What its checker complains about in an unmounted one, or None."""
    try:
        command(KINDS[kind].check + [image])
    except Failed as error:
        return str(error)
    return None


def detach(top):
    """What a process that died has left mounted or attached below a directory."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1] for line in file]
    for at in reversed([at for at in mounts if at.startswith(top + "/")]):
        subprocess.run(["umount", "--lazy", at], check=False)
    listed = subprocess.run(["losetup", "--noheadings", "--output=NAME,BACK-FILE"], stdout=subprocess.PIPE, check=False)
    for line in listed.stdout.decode().splitlines():
        device, _, image = line.partition(" ")
        if image.strip().startswith(top + "/"):
            subprocess.run(["losetup", "-d", device], check=False)


def sync(at):
    fd = os.open(at, os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syncfs(fd)
    os.close(fd)
    if result != 0:
        raise Failed(f"syncfs: {os.strerror(ctypes.get_errno())}")


def usable(kind, place):
    """Can one be made and mounted here?"""
    if not all(shutil.which(words[0]) for words in (KINDS[kind].mkfs, KINDS[kind].check, ["losetup"])):
        return False
    try:
        make(kind, place + "/try")
        Mount(kind, place + "/try", place + "/tried").close()
    except Failed:
        return False
    finally:
        os.unlink(place + "/try")
    return True
