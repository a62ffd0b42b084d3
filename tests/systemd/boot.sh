#!/bin/bash
# boot.sh WORK REPOSITORY PYTHON PACKAGES: run systemd as PID 1 of a machine of its own, until it is killed. Needs root.
# Its root is this machine's, with everything that is written to it in a tmpfs; it shares nothing else but the network.
# The three folders are its /opt/robot-node, /opt/python and /opt/packages. WORK/pid says which process it is.
set -euo pipefail
work=$1 stage=${5:-outside}
mounts=$work/mounts root=$work/mounts/root

case $stage in
outside)
  mount --make-rprivate /
  mkdir "$mounts"
  mount -t tmpfs -o mode=755 tmpfs "$mounts"
  mkdir "$mounts"/{cgroup,written,overlay,root}
  mount -t cgroup2 cgroup2 "$mounts/cgroup"
  group=$mounts/cgroup/robot-node-test-$$
  mkdir "$group"
  parent=$(sed -n 's/^0:://p' /proc/self/cgroup)
  echo $$ >"$group/cgroup.procs"
  setpriv --pdeathsig KILL unshare --cgroup --pid --fork --kill-child --uts --ipc --mount "$0" "$@" inside || true
  echo $$ >"$mounts/cgroup$parent/cgroup.procs"
  find "$group" -depth -type d -exec rmdir {} +
  ;;
inside)
  read -r pid _ </proc/self/stat # still the outer /proc
  echo "$pid" >"$work/pid"
  mount -t overlay -o "lowerdir=/,upperdir=$mounts/written,workdir=$mounts/overlay" overlay "$root"
  mount -t proc proc "$root/proc"
  mount -o bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys" # the kernel is everybody's
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  for folder in run etc/systemd/system dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$folder"; done
  mkdir "$root/dev/shm" "$root/dev/pts"
  for folder in tmp dev/shm; do mount -t tmpfs -o mode=1777 tmpfs "$root/$folder"; done
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
  for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    read -r name major minor <<<"$device"
    mknod -m 666 "$root/dev/$name" c "$major" "$minor"
  done
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"

  # Nothing of this machine's own services: the targets that every service needs, and the journal.
  units=$root/run/units
  mkdir -p "$units/sysinit.target.wants"
  for unit in {multi-user,basic,sysinit,shutdown,umount,network-online}.target systemd-journald{.service,.socket,-dev-log.socket}; do
    cp "/lib/systemd/system/$unit" "$units/"
  done
  ln -s ../systemd-journald.service "$units/sysinit.target.wants/"
  printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$units/tests.target"
  # Auditing is the kernel's, and so everybody's.
  mkdir -p "$root/run/systemd/journald.conf.d"
  printf '[Journal]\nAudit=no\nStorage=volatile\n' >"$root/run/systemd/journald.conf.d/tests.conf"
  tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"

  mkdir -p "$root"/opt/{robot-node,python,packages}
  mount -o bind "$2" "$root/opt/robot-node"
  mount -o bind "$3" "$root/opt/python"
  mount -o bind "$4" "$root/opt/packages"

  cd "$root"
  mkdir -p outside
  pivot_root . outside
  umount -l /outside
  rmdir /outside
  mount --make-rshared / # systemd takes for granted that a container's is
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=tests SYSTEMD_LOG_TARGET=journal \
    SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/units /lib/systemd/systemd --system --unit=tests.target --show-status=no
  ;;
esac
