#!/bin/bash
# Runs inside the test VM, as its first process: sets up what Debian's init would, then runs the steps that the host
# wrote to /run/sluice-vm/steps (name, seconds, command; separated by tabs). A step's output goes to the console, its
# exit status to /run/sluice-vm/NAME.status.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 NO_COLOR=1 CI=true
share=/run/sluice-vm

mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
ln -sf /proc/self/fd /dev/fd
hostname sluice-vm
ip link set lo up
# modules by need, also where the host has no kmod
ln -s /bin/busybox /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe

cd "$(dirname "$0")/../.." || exit
echo "vm: Linux $(uname -r), $(nproc) CPUs, up for $(cut -d' ' -f1 /proc/uptime) s"
while IFS=$'\t' read -r -u 3 name seconds command; do
    echo "vm: $name: $command"
    timeout --kill-after=10 "$seconds" bash -c "$command" </dev/null 2>&1
    echo $? >"$share/$name.status"
done 3<"$share/steps"
cat /proc/sys/kernel/tainted >"$share/tainted"
dmesg >"$share/dmesg"
sync
echo o >/proc/sysrq-trigger
sleep 60
