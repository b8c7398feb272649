#!/bin/busybox sh
# First process of the test VM, in its initramfs: puts a writable layer in memory over the host's root file system,
# which is shared read-only, and goes on there with guest.sh. The kernel's command line says where that is.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do
    insmod "/modules/$module" || echo "vm: $module does not load"
done </modules.list

share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,$3" "$1" "$2"; }
mkdir -p /host /layer /root /vm
share host /host ro,cache=loose &&
    mount -t tmpfs -o size=75% tmpfs /layer &&
    mkdir /layer/upper /layer/work &&
    mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root &&
    mkdir -p /root/lib/modules /root/run &&
    share modules /root/lib/modules ro,cache=loose &&
    mount -t tmpfs tmpfs /root/run &&
    mkdir /root/run/sluice-vm &&
    share results /root/run/sluice-vm cache=none || {
    echo 'vm: the shared file systems cannot be mounted'
    poweroff -f
}
for directory in proc sys dev; do mount --move "/$directory" "/root/$directory"; done
guest=$(sed -n 's/.*sluice\.guest=\([^ ]*\).*/\1/p' /root/proc/cmdline)
exec switch_root /root /bin/bash "$guest"
